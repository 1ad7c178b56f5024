//! The collector: accepts batches from the agents, joins their views and serves flows.
//!
//! Owns what is known across nodes. Parses no packets and evaluates no policies: it takes the
//! decisions the agents made and judges them again, with the same function, once both ends of a
//! connection have been heard.
//!
//! ```text
//! agents ── gRPC ──► ingest ──► writer: intake (dedup ──► join) ──► ledger ──► shelf ──► query ── gRPC ──► observers
//!               ◄── acks ───────────┘              │          durable │          └──► subscribe ──┘
//!                                                nodes ──► status, metrics
//! ```
//!
//! The modules named after a domain word are pure: time is a parameter and nothing does I/O.
//! [`run`] puts them behind the two listeners.

mod clock;
mod config;
mod cursor;
mod dedup;
mod export;
mod filter;
mod graph;
mod hub;
mod intake;
mod join;
mod ledger;
mod made;
mod metrics;
mod names;
mod nodes;
mod past;
mod query;
mod serve;
mod status;
mod subscribe;
mod writer;

#[cfg(test)]
#[path = "../tests/support/build.rs"]
mod build;
#[cfg(test)]
#[path = "../../proto/tests/strategies/mod.rs"]
mod strategies;

pub use config::Config;
pub use export::{ExportConfig, FlowFile, Row};
pub use filter::{FilterError, Filters};
pub use ledger::{OPEN_STORE, open_store};
pub use serve::{Error, Listeners, run};
