//! To the collector: batches with sequence numbers, kept until they are acknowledged.

mod fold;
mod outbox;
mod uplink;

pub use outbox::{Item, Outbox};
pub use uplink::{Identity, Uplink};
