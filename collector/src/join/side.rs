//! Which side of a connection an agent speaks for, and whether the other side has a speaker.

use portolan_policy::{End, Flow, PodEnd};
use portolan_proto::Observation;

/// The side of a connection that a view tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

/// The node whose agent may tell the other side of `flow`.
///
/// A source at another node's address is waited for: it may be a pod there behind source NAT. A
/// destination that is no pod has no device that an agent watches.
pub(crate) fn waits_for<'flow>(side: Side, flow: &'flow Flow, node: &str) -> Option<&'flow str> {
    let other = match side {
        Side::Source if matches!(flow.destination, End::Pod(_)) => node_of(&flow.destination)?,
        Side::Destination => node_of(&flow.source)?,
        Side::Source | Side::Both => return None,
    };
    (other != node && !other.is_empty()).then_some(other)
}

fn node_of(end: &End) -> Option<&str> {
    match end {
        End::Pod(PodEnd { node, .. }) | End::Node { node, .. } => Some(node),
        End::Service { .. } | End::External { .. } => None,
    }
}
