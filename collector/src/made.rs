//! A flow as the collector made it: what its agents told of it, and its place among all flows.

use portolan_policy::Flow;
use portolan_proto::{Latencies, Observation};

/// A flow that nothing is known of yet but itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Joined {
    /// The flow.
    pub(crate) flow: Flow,
    /// How long its handshakes took, where it stands for several.
    pub(crate) latencies: Option<Latencies>,
}

impl Joined {
    /// The flow of a view, told by these.
    pub(crate) fn alone(view: Observation, reporter: portolan_policy::Reporter) -> Self {
        let Observation { flow, latencies, connection: _, witness: _ } = view;
        Self { flow: Flow { reporter, ..flow }, latencies }
    }
}

/// A flow that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Made {
    /// How many flows became durable before it, over all runs on its store: no other flow has the same.
    pub(crate) ordinal: u64,
    /// The flow.
    pub(crate) flow: Flow,
    /// How long its handshakes took, where it stands for several.
    pub(crate) latencies: Option<Latencies>,
}

impl Made {
    /// A flow that gets its place.
    pub(crate) fn new(ordinal: u64, Joined { flow, latencies }: Joined) -> Self {
        Self { ordinal, flow, latencies }
    }
}
