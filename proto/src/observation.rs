//! One agent's view of one attempt: what a batch holds many of.

use crate::Latencies;
use jiff::Timestamp;
use portolan_policy::{Flow, Protocol};
use std::net::SocketAddr;

/// The key by which two agents recognise the same attempt: what was on the wire between the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Connection {
    /// The transport protocol.
    pub protocol: Protocol,
    /// The source after source NAT; port 0 where the protocol has none.
    pub source: SocketAddr,
    /// The destination after destination NAT; port 0 where the protocol has none.
    pub destination: SocketAddr,
    /// The initial sequence number of the SYN; 0 where there is none.
    pub tcp_isn: u32,
    /// When the first packet of the attempt was seen.
    pub start: Timestamp,
}

/// What one agent itself saw of an attempt.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each asked by name")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Witness {
    /// The source's pod device is on the agent's node.
    pub source_local: bool,
    /// The destination's pod device is on the agent's node.
    pub destination_local: bool,
    /// The attempt was seen arriving at the destination pod's device, or the pod answered it.
    pub reached_pod: bool,
    /// The drop happened inside the destination pod, after arrival.
    pub dropped_in_pod: bool,
    /// A pod or policy that matters here changed within seconds of the attempt.
    pub recently_changed: bool,
    /// What dropped it is there to drop: no want of a route, of a listener or of room.
    pub filtered: bool,
    /// It was dropped for want of a way to its destination.
    pub no_way: bool,
    /// An ICMP error said that an administrator forbids it.
    pub forbidden: bool,
}

impl Witness {
    /// Its facts, a bit for each, from the lowest in their order.
    pub fn to_bits(self) -> u8 {
        let Self {
            source_local,
            destination_local,
            reached_pod,
            dropped_in_pod,
            recently_changed,
            filtered,
            no_way,
            forbidden,
        } = self;
        let low = [source_local, destination_local, reached_pod, dropped_in_pod];
        let high = [recently_changed, filtered, no_way, forbidden];
        low.iter().chain(&high).rev().fold(0, |bits, fact| bits << 1 | u8::from(*fact))
    }

    /// The facts of these bits.
    pub const fn from_bits(bits: u8) -> Self {
        Self {
            source_local: bits & 1 != 0,
            destination_local: bits & 1 << 1 != 0,
            reached_pod: bits & 1 << 2 != 0,
            dropped_in_pod: bits & 1 << 3 != 0,
            recently_changed: bits & 1 << 4 != 0,
            filtered: bits & 1 << 5 != 0,
            no_way: bits & 1 << 6 != 0,
            forbidden: bits & 1 << 7 != 0,
        }
    }
}

/// One agent's view of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The flow as this agent would tell it alone.
    pub flow: Flow,
    /// How long its handshakes took, where it stands for several.
    pub latencies: Option<Latencies>,
    /// The key by which the other node's view is found.
    pub connection: Connection,
    /// What this agent itself saw.
    pub witness: Witness,
}
