//! What an operator may set.

use crate::export::ExportConfig;
use std::{path::PathBuf, time::Duration};

/// A gibibyte.
const GIB: u64 = 1 << 30;

/// The settings of a collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where everything is kept; in memory without.
    pub data: Option<PathBuf>,
    /// A program that opens the store when it is called with [`OPEN_STORE`](crate::OPEN_STORE) and a folder. It is called
    /// once several runs have ended while they opened it: if it ends by a signal, the store is set aside.
    pub opener: Option<PathBuf>,
    /// How flows are exported, if they are.
    pub export: Option<ExportConfig>,
    /// For how long flows are kept.
    pub keep_flows: Duration,
    /// In how many bytes flows are kept.
    pub keep_bytes: u64,
    /// For how long the graph's minutes are kept.
    pub keep_minutes: Duration,
    /// For how long its hours are kept.
    pub keep_hours: Duration,
    /// For how long its days are kept.
    pub keep_days: Duration,
    /// In how many bytes the graph is kept.
    pub keep_graph_bytes: u64,
    /// How many external addresses the graph tells apart in a day.
    pub max_graph_addresses: usize,
    /// How many edges, by outcome, verdict and decision, it tells apart in a day.
    pub max_graph_cells: usize,
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
    /// How many connections are known on disk of which one side was told alone.
    pub max_told: u64,
    /// How long an agent without an open stream still counts as live.
    pub silence: Duration,
    /// How many flows wait for a subscriber that is slow.
    pub subscriber_queue: usize,
    /// How long somebody who asked for kept flows, or for the graph, may take nothing before others get the room.
    pub stall: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: None,
            opener: None,
            export: None,
            keep_flows: Duration::from_hours(7 * 24),
            keep_bytes: GIB / 4,
            keep_minutes: Duration::from_hours(24),
            keep_hours: Duration::from_hours(30 * 24),
            keep_days: Duration::from_hours(365 * 24),
            keep_graph_bytes: GIB / 8,
            max_graph_addresses: 10_000,
            max_graph_cells: 1_000_000,
            resend: Duration::from_hours(7 * 24),
            join_window: Duration::from_secs(7),
            patience: Duration::from_secs(28),
            clock_skew: Duration::from_secs(3),
            remember: Duration::from_mins(10),
            max_pending: 65_536,
            max_remembered: 262_144,
            max_told: 20_000_000,
            silence: Duration::from_secs(30),
            subscriber_queue: 8_192,
            stall: Duration::from_mins(1),
        }
    }
}
