//! To the collector: batches with sequence numbers, kept until they are acknowledged, on disk where there is a spool.
//!
//! ```text
//! records, losses -> outbox -> uplink -> collector
//!                     |   ^      ^ acknowledgements
//!                     v   |
//!                     spool: a folder
//! ```
//!
//! [`Outbox`] decides what is kept where and for how long, and does no I/O but through [`Store`].

mod batch;
mod fold;
mod outbox;
#[cfg(test)]
mod samples;
mod spool;
mod uplink;

pub use batch::{Identity, Item};
pub use outbox::{Bounds, Outbox, Outgoing};
pub use spool::{Id, Left, Name, NameError, Spool, SpoolConfig, SpoolError, Spooled, Store, Unreadable};
pub use uplink::{BatchCodec, METHOD, Uplink};
