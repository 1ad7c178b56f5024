//! What the graph answers: edges over a window.

use super::latencies::Latencies;
use jiff::Timestamp;
use portolan_policy::{Outcome, Protocol, SideDecision, Verdict};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// One end of an edge, at workload level.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Party {
    /// The pods of one owner.
    Workload {
        /// Their namespace.
        namespace: String,
        /// The kind of the owner.
        kind: String,
        /// Its name.
        name: String,
    },
    /// A node and what runs in its network.
    Node {
        /// Its name.
        name: String,
    },
    /// A service behind which no endpoint was chosen.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Any other address.
    External {
        /// The address.
        ip: IpAddr,
    },
    /// What is beyond the bound on distinct parties or edges.
    Other,
}

/// Who talks to whom, and how.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Edge {
    /// Who opens connections.
    pub(crate) source: Party,
    /// Whom they reach or would reach.
    pub(crate) destination: Party,
    /// Namespace and name of the service that they are opened through.
    pub(crate) service: Option<(String, String)>,
    /// The port after destination NAT.
    pub(crate) port: Option<u16>,
    /// The transport protocol.
    pub(crate) protocol: Protocol,
}

/// How many attempts ended in one way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Count {
    /// What the network was seen to do.
    pub(crate) outcome: Outcome,
    /// Outcome and decision together.
    pub(crate) verdict: Verdict,
    /// The kernel's name for the drop.
    pub(crate) drop_reason: Option<String>,
    /// How many.
    pub(crate) attempts: u64,
}

/// The side of a connection that a decision is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Direction {
    /// The source's.
    Egress,
    /// The destination's.
    Ingress,
}

/// How many attempts the policies spoke about in one way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Decided {
    /// On which side.
    pub(crate) direction: Direction,
    /// What they say, without the reason of an undecidable one.
    pub(crate) decision: SideDecision,
    /// How many.
    pub(crate) attempts: u64,
    /// When the first of them began.
    pub(crate) first: Timestamp,
    /// When the last was seen.
    pub(crate) last: Timestamp,
}

/// What the attempts of an edge come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tally {
    /// How many.
    pub(crate) attempts: u64,
    /// Packets, both directions.
    pub(crate) packets: u64,
    /// Transport payload bytes, both directions.
    pub(crate) bytes: u64,
    /// Segments sent again, as far as sockets told.
    pub(crate) retransmits: u64,
    /// How many of the attempts were told before, with another outcome.
    pub(crate) revised: u64,
    /// When the first attempt began.
    pub(crate) first: Timestamp,
    /// When the last was seen.
    pub(crate) last: Timestamp,
    /// How long handshakes took, in microseconds.
    pub(crate) latencies: Latencies,
}

/// An edge over a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EdgeAnswer {
    /// Which.
    pub(crate) edge: Edge,
    /// All its attempts.
    pub(crate) tally: Tally,
    /// How they ended, sorted.
    pub(crate) counts: Vec<Count>,
    /// What the policies said, sorted.
    pub(crate) decisions: Vec<Decided>,
}

/// Which window somebody asks about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Question {
    /// From when on; from the beginning without.
    pub(crate) since: Option<Timestamp>,
    /// Until when; until the end without.
    pub(crate) until: Option<Timestamp>,
}

/// Why a question has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AskError {
    /// The window is none.
    #[error("the window ends at {until}, before it begins at {since}: ask for a later end")]
    Backwards {
        /// Where it begins.
        since: Timestamp,
        /// Where it ends.
        until: Timestamp,
    },
}
