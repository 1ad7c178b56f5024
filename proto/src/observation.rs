//! One agent's view of one attempt: what a batch holds many of.

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

/// One agent's view of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The flow as this agent would tell it alone.
    pub flow: Flow,
    /// The key by which the other node's view is found.
    pub connection: Connection,
    /// What this agent itself saw.
    pub witness: Witness,
}
