//! What becomes of what was captured: attributed, counted, and passed on.

use crate::{
    attribute::Attributor,
    capture::{Captured, Conntrack, Ledger, Lost},
    clock::Clock,
    connections::Attempt,
    event::FiveTuple,
    metrics::{ByVerdict, Metrics},
    sink::{Sink, SinkError},
    trace::Trace,
    witness::Witness,
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
    trace: Trace,
    witness: Witness,
    metrics: Arc<Metrics>,
    /// The counters of flows, in the order of the verdicts.
    flows: [Counter; Verdict::ALL.len()],
}

impl Attributing {
    /// Passes on to this sink.
    pub(crate) fn new(
        attributor: Attributor,
        sink: Sink,
        trace: Trace,
        witness: Witness,
        metrics: Arc<Metrics>,
    ) -> Self {
        let counter = |verdict: Verdict| {
            let label = ByVerdict { verdict: verdict.as_str() };
            metrics.flows.get_or_create(&label).clone()
        };
        let (conntrack, flows) = (open_conntrack(), Verdict::ALL.map(counter));
        Self { attributor, conntrack, sink, trace, witness, metrics, flows }
    }

    /// Follows the trace and the witness; never comes back.
    pub(crate) async fn follow(&mut self) {
        tokio::join!(self.trace.follow(), self.witness.follow());
    }

    /// Tells what was lost while the last attempts were passed on.
    pub(crate) async fn tell_last_losses(&mut self, ledger: &Ledger) -> Result<(), SinkError> {
        self.witness.note_losses();
        for lost in ledger.take() {
            self.lose(lost).await?;
        }
        Ok(())
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
            Captured::Lost(lost) => self.lose(lost).await,
        }
    }

    /// Passes on a loss; the metrics have it already.
    async fn lose(&mut self, Lost { cause, count, from, to }: Lost) -> Result<(), SinkError> {
        let (cause, clock) = (cause.as_str(), Clock::now());
        let (from, to) = (clock.timestamp(from), clock.timestamp(to));
        warn!(cause, count, %from, %to, "Something was lost.");
        self.sink.lose(Loss { cause: cause.to_owned(), count, from, to }).await
    }

    async fn tell(&mut self, mut attempt: Attempt, history: &History, clock: Clock) -> Result<(), SinkError> {
        for location in attempt.drops.locations() {
            self.attributor.places.learn(location);
        }
        let conntrack = &mut self.conntrack;
        let backend = |original: &FiveTuple| translated(conntrack, original);
        let Some(mut record) = self.attributor.attribute(&mut attempt, history, clock, backend) else {
            self.metrics.unattributed.inc();
            return Ok(());
        };
        record.enforced_by = self.trace.enforcer(&attempt, record.outcome);
        record.passed_netfilter = self.witness.passed(&attempt);
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
