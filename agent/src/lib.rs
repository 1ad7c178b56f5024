//! The agent of a node: loads the probes, joins their events into attempts, attributes them to pods
//! and policies, and passes them on.
//!
//! ```text
//! kernel -> capture -> connections -> attribute -> sink -> stdout, or stream -> collector
//!                                        ^
//!             cluster (Kubernetes) -> History
//! ```
//!
//! [`connections`], [`attribute`] and [`stream::Outbox`] decide and do no I/O, like the
//! [`History`](portolan_policy::History) that they ask; the rest moves bytes. It never aggregates across nodes.

pub mod attribute;
mod attributing;
pub mod capture;
pub mod clock;
pub mod cluster;
mod config;
pub mod connections;
pub mod event;
pub mod inspect;
pub mod kernel;
mod line;
mod memory;
pub mod metrics;
pub mod reasons;
mod remembered;
mod run;
mod serve;
pub mod sink;
pub mod stream;
pub mod trace;
pub mod whereabouts;
pub mod witness;

/// Arbitrary records, for tests here as in `proto`.
#[cfg(test)]
#[path = "../../proto/tests/strategies/mod.rs"]
mod strategies;

pub use config::{AgentError, Config, Output, Source};
pub use run::run;
