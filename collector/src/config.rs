//! What an operator may set.

use std::{path::PathBuf, time::Duration};

/// A gibibyte.
const GIB: u64 = 1 << 30;

/// The settings of a collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where everything is kept; in memory without.
    pub data: Option<PathBuf>,
    /// For how long flows are kept.
    pub keep_flows: Duration,
    /// In how many bytes flows are kept.
    pub keep_bytes: u64,
    /// For how long an agent may send again what it sent.
    pub resend: Duration,
    /// How long one node's view of a connection waits for the other node's, which may have seen
    /// nothing.
    pub join_window: Duration,
    /// How long the destination's view waits for that of a source that is a pod. Its node has seen
    /// the attempt leave and will tell, at the latest when it takes the client to have given up.
    pub patience: Duration,
    /// How far apart two nodes may tell the start of one connection.
    pub clock_skew: Duration,
    /// How long a connection is remembered after its flow was made, so that a view that comes late
    /// does not make a second one.
    pub remember: Duration,
    /// How many connections may wait for their other view.
    pub max_pending: usize,
    /// How many connections are remembered.
    pub max_remembered: usize,
    /// How long an agent without an open stream still counts as live.
    pub silence: Duration,
    /// How many flows wait for a subscriber that is slow.
    pub subscriber_queue: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: None,
            keep_flows: Duration::from_hours(7 * 24),
            keep_bytes: GIB / 4,
            resend: Duration::from_hours(7 * 24),
            join_window: Duration::from_secs(7),
            patience: Duration::from_secs(28),
            clock_skew: Duration::from_secs(3),
            remember: Duration::from_mins(10),
            max_pending: 65_536,
            max_remembered: 262_144,
            silence: Duration::from_secs(30),
            subscriber_queue: 8_192,
        }
    }
}
