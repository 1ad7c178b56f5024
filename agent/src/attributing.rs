//! What becomes of what was captured: attributed, counted, and passed on.

use crate::{
    attribute::Attributor,
    capture::{Captured, Conntrack, Lost},
    clock::Clock,
    connections::Attempt,
    event::FiveTuple,
    metrics::{ByVerdict, Metrics},
    sink::{Sink, SinkError},
};
use portolan_policy::{History, Loss, Verdict};
use prometheus_client::metrics::counter::Counter;
use std::sync::Arc;
use tracing::warn;

/// Attributes what was captured, once the cluster state is complete.
pub(crate) struct Attributing {
    attributor: Attributor,
    conntrack: Option<Conntrack>,
    sink: Sink,
    metrics: Arc<Metrics>,
    /// The counters of flows, in the order of the verdicts.
    flows: [Counter; Verdict::ALL.len()],
}

impl Attributing {
    /// Passes on to this sink.
    pub(crate) fn new(attributor: Attributor, sink: Sink, metrics: Arc<Metrics>) -> Self {
        let counter = |verdict: Verdict| {
            let label = ByVerdict { verdict: verdict.as_str() };
            metrics.flows.get_or_create(&label).clone()
        };
        Self { attributor, conntrack: open_conntrack(), sink, flows: Verdict::ALL.map(counter), metrics }
    }

    /// Takes what was captured, and shows all that came of it.
    pub(crate) async fn take(&mut self, captured: Captured, history: &History) -> Result<(), SinkError> {
        match captured {
            Captured::Attempts(attempts) => {
                let clock = Clock::now();
                for attempt in attempts {
                    self.tell(attempt, history, clock).await?;
                }
                self.sink.flush().await
            }
            // The metrics have it already.
            Captured::Lost(Lost { cause, count, from, to }) => {
                let (cause, clock) = (cause.as_str(), Clock::now());
                let (from, to) = (clock.timestamp(from), clock.timestamp(to));
                warn!(cause, count, %from, %to, "Something was lost.");
                self.sink.lose(Loss { cause: cause.to_owned(), count, from, to }).await
            }
        }
    }

    async fn tell(&mut self, mut attempt: Attempt, history: &History, clock: Clock) -> Result<(), SinkError> {
        for location in attempt.drops.locations() {
            self.attributor.places.learn(location);
        }
        let conntrack = &mut self.conntrack;
        let backend = |original: &FiveTuple| translated(conntrack, original);
        let Some(record) = self.attributor.attribute(&mut attempt, history, clock, backend) else {
            self.metrics.unattributed.inc();
            return Ok(());
        };
        self.flows[record.verdict as usize].inc();
        self.sink.put(record).await
    }
}

/// An opening to a service that was never answered carries no backend: the node's conntrack table
/// still knows the one it chose.
fn translated(table: &mut Option<Conntrack>, original: &FiveTuple) -> Option<FiveTuple> {
    match table.as_mut()?.translated(original) {
        Ok(translated) => translated,
        Err(error) => {
            warn!(%error, "The conntrack table cannot be asked: unanswered attempts show the service only.");
            *table = None;
            None
        }
    }
}

fn open_conntrack() -> Option<Conntrack> {
    match Conntrack::open() {
        Ok(conntrack) => Some(conntrack),
        Err(error) => {
            warn!(%error, "No conntrack table here: unanswered attempts to a service show no backend.");
            None
        }
    }
}
