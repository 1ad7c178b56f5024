//! The very rule: a sample of openings is traced through nftables, which names the rule that decided.
//!
//! ```text
//! own table: marks openings -> the kernel tells each step -> Step -> Rulings -> the flow's `enforced_by`
//!                                    Rules: what is its comment? ┘
//! ```
//!
//! Optional, and off unless asked for. What it adds to the node's ruleset is one table of its own, which
//! decides nothing and goes with the agent. Rates, queues and memories are bounded; what they lose is counted.

mod event;
mod expression;
mod link;
mod listener;
mod packet;
mod rules;
mod rulings;
mod table;
mod tracer;
mod wire;

pub use tracer::{TraceError, Tracer};

use crate::{
    capture::{Captured, chain},
    connections::Attempt,
};
use portolan_policy::Flow;
use std::time::Duration;
use tracing::warn;

/// A tracer, if one was asked for and the node allows it.
#[derive(Debug)]
pub struct Trace(Option<Tracer>);

impl Trace {
    /// Traces at most so many openings a second, if at all; a conversation that was silent for so long is
    /// a new one. What stands in the way is told, and the rest goes on.
    pub fn start(rate: Option<u32>, silence: Duration) -> Self {
        let failed = |error: TraceError| {
            warn!(error = %chain(&error), "Openings are not traced: no flow names the rule that decided.");
        };
        Self(rate.and_then(|rate| Tracer::open(rate, silence).map_err(failed).ok()))
    }

    /// Follows traced packets; comes back only to tell of a loss.
    pub async fn next(&mut self) -> Captured {
        match &mut self.0 {
            Some(tracer) => tracer.next().await,
            None => std::future::pending().await,
        }
    }

    /// Writes on a flow the rule that decided about its attempt, where the sample knows it.
    pub fn name(&mut self, flow: &mut Flow, attempt: &Attempt) {
        if let Some(tracer) = &mut self.0 {
            flow.enforced_by = tracer.enforcer(attempt, flow.outcome);
        }
    }

    /// What was lost since this was last asked, one cause at a time.
    pub fn take_lost(&mut self) -> Option<Captured> {
        self.0.as_mut().and_then(Tracer::take_lost)
    }
}
