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
    capture::{Ledger, chain},
    connections::Attempt,
};
use portolan_policy::{Enforcer, Outcome};
use std::time::Duration;
use tracing::warn;

/// A tracer, if one was asked for and the node allows it.
#[derive(Debug)]
pub struct Trace(Option<Tracer>);

impl Trace {
    /// Traces at most so many openings a second, if at all; a conversation that was silent for so long is
    /// a new one. What stands in the way is told, and the rest goes on.
    pub fn start(rate: Option<u32>, silence: Duration, ledger: &Ledger) -> Self {
        let failed = |error: TraceError| {
            warn!(error = %chain(&error), "Openings are not traced: no flow names the rule that decided.");
        };
        Self(rate.and_then(|rate| Tracer::open(rate, silence, ledger.clone()).map_err(failed).ok()))
    }

    /// Follows traced packets; never comes back.
    pub async fn follow(&mut self) {
        match &mut self.0 {
            Some(tracer) => tracer.follow().await,
            None => std::future::pending().await,
        }
    }

    /// The rule that decided about an attempt, where the sample knows it.
    pub fn enforcer(&mut self, attempt: &Attempt, outcome: Outcome) -> Option<Enforcer> {
        self.0.as_mut()?.enforcer(attempt, outcome)
    }
}
