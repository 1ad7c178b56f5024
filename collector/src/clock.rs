//! The two times that decisions are made by.

use jiff::Timestamp;
use std::time::Duration;

/// A moment, told twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Now {
    /// Since the collector started; never goes back. Windows are measured with it.
    pub(crate) uptime: Duration,
    /// The time of day. Only told to people.
    pub(crate) wall: Timestamp,
}
