//! Which side of a connection an agent speaks for, and whether the other side has a speaker.

use portolan_policy::{End, Flow, PodEnd, Who};
use portolan_proto::Observation;
use serde::{Deserialize, Serialize};

/// The side of a connection that a view tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Side {
    /// The source's node.
    Source,
    /// The destination's node.
    Destination,
    /// One node holds both ends.
    Both,
}

impl Side {
    /// The side that `node` speaks for.
    ///
    /// A node that holds neither pod saw the attempt in passing: it speaks for the end whose
    /// address it has, or else for the way from the source.
    pub(crate) fn of(observation: &Observation, node: &str) -> Self {
        let witness = &observation.witness;
        match (witness.source_local, witness.destination_local) {
            (true, true) => Self::Both,
            (false, true) => Self::Destination,
            (false, false) if node_of(&observation.flow.destination) == Some(node) => Self::Destination,
            (true | false, false) => Self::Source,
        }
    }

    /// The side that is left to speak.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Source => Self::Destination,
            Self::Destination => Self::Source,
            Self::Both => Self::Both,
        }
    }
}

/// Whether the other side's agent will have something to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Certainty {
    /// What left the source may have been dropped before it came here, or it is no business of a pod.
    MayHaveSeen,
    /// What came from a pod has left its device.
    HasSeen,
}

/// The agent on the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer<'flow> {
    /// Its node.
    pub(crate) node: &'flow str,
    /// Whether it will have something to tell.
    pub(crate) certainty: Certainty,
}

/// The agent that may tell the other side of `flow`.
///
/// A source at another node's address is waited for: it may be a pod there behind source NAT. A
/// destination that is no pod has no device that an agent watches.
pub(crate) fn peer<'flow>(side: Side, flow: &'flow Flow, node: &str) -> Option<Peer<'flow>> {
    let (source, destination) = (&flow.source, &flow.destination);
    let (end, certainty) = match (side, source.who(), destination.who()) {
        (Side::Destination, Who::Pod(_), _) => (source, Certainty::HasSeen),
        (Side::Destination, Who::Node { .. }, _) => (source, Certainty::MayHaveSeen),
        (Side::Source, _, Who::Pod(_)) => (destination, Certainty::MayHaveSeen),
        _ => return None,
    };
    let other = node_of(end).filter(|other| *other != node && !other.is_empty())?;
    Some(Peer { node: other, certainty })
}

fn node_of(end: &End) -> Option<&str> {
    match end.who() {
        Who::Pod(PodEnd { node, .. }) | Who::Node { node, .. } => Some(node),
        Who::Service { .. } | Who::External { .. } => None,
    }
}
