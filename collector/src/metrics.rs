//! What the collector counts, for `/metrics` and for the status service alike.

use crate::{export, graph, join, ledger::StoreError, made::Made};
use portolan_policy::Verdict;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use std::{
    fmt,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};
use tracing::warn;

/// The content type of [`Metrics::encode`].
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LossLabels {
    node: String,
    cause: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NodeLabels {
    node: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabels {
    verdict: &'static str,
}

/// The counters and gauges of one collector.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// Batches applied.
    pub(crate) batches: Counter,
    /// Batches that had been applied before.
    pub(crate) duplicates: Counter,
    /// Observations taken.
    pub(crate) observations: Counter,
    /// Observations that could not be read.
    pub(crate) malformed: Counter,
    /// Transactions of the ledger.
    pub(crate) commits: Counter,
    /// How long they took.
    pub(crate) commit_seconds: Histogram,
    /// Rows, blocks and stores that are not what was written.
    pub(crate) damaged: Counter,
    /// Segments of flows that were dropped, too old or too many.
    pub(crate) segments_dropped: Counter,
    /// Bytes of the ledger.
    pub(crate) store_bytes: Gauge,
    /// Blocks of flows.
    pub(crate) blocks: Gauge,
    /// Blocks of flows that were read.
    pub(crate) blocks_read: Counter,
    /// Flows given up for newer ones.
    pub(crate) evicted: Counter,
    /// Connections told alone that were forgotten early.
    pub(crate) told_forgotten: Counter,
    /// Flows that subscribers did not take in time.
    pub(crate) missed: Counter,
    /// What the export counts.
    pub(crate) export: export::Counters,
    /// What the join counts.
    pub(crate) join: join::Counters,
    /// What the graph counts.
    pub(crate) graph: graph::Counters,
    /// Flows kept.
    pub(crate) kept: Gauge,
    /// Views that wait for the other node's.
    pub(crate) pending: Gauge,
    /// Subscribers.
    pub(crate) subscribers: Gauge,
    /// Streams of agents that are open.
    pub(crate) agent_streams: Gauge,
    flows: Family<VerdictLabels, Counter>,
    attempts: Family<VerdictLabels, Counter>,
    ahead: Family<NodeLabels, Gauge<f64, AtomicU64>>,
    losses: Family<LossLabels, Counter>,
}

impl Metrics {
    /// All at zero.
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("portolan_collector"),
            batches: Counter::default(),
            duplicates: Counter::default(),
            observations: Counter::default(),
            malformed: Counter::default(),
            commits: Counter::default(),
            commit_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            damaged: Counter::default(),
            segments_dropped: Counter::default(),
            store_bytes: Gauge::default(),
            blocks: Gauge::default(),
            blocks_read: Counter::default(),
            evicted: Counter::default(),
            told_forgotten: Counter::default(),
            missed: Counter::default(),
            export: export::Counters::default(),
            join: join::Counters::default(),
            graph: graph::Counters::default(),
            kept: Gauge::default(),
            pending: Gauge::default(),
            subscribers: Gauge::default(),
            agent_streams: Gauge::default(),
            flows: Family::default(),
            attempts: Family::default(),
            ahead: Family::default(),
            losses: Family::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let Self {
            registry,
            batches,
            duplicates,
            observations,
            malformed,
            commits,
            commit_seconds,
            damaged,
            segments_dropped,
            store_bytes,
            blocks,
            blocks_read,
            evicted,
            told_forgotten,
            missed,
            export: export::Counters { files, rows, bytes, missing, removed, failures, behind },
            join: join::Counters { late, repeated, cut_short, forgotten },
            graph,
            kept,
            pending,
            subscribers,
            agent_streams,
            flows,
            attempts,
            ahead,
            losses,
        } = self;
        graph.register(registry);
        let mut counter = |name, help, counter: &Counter| registry.register(name, help, counter.clone());
        counter("batches", "Batches applied", batches);
        counter("batches_duplicate", "Batches that had been applied before", duplicates);
        counter("observations", "Observations taken", observations);
        counter("observations_malformed", "Observations that could not be read", malformed);
        counter("ledger_commits", "Transactions of the ledger", commits);
        counter("ledger_damaged", "Rows, blocks and stores that are not what was written", damaged);
        counter(
            "ledger_segments_dropped",
            "Segments of flows dropped, too old or too many",
            segments_dropped,
        );
        counter("ledger_blocks_read", "Blocks of flows read for queries", blocks_read);
        counter("flows_evicted", "Flows given up for newer ones", evicted);
        counter("subscribers_missed", "Flows that subscribers did not take in time", missed);
        counter(
            "ledger_told_forgotten",
            "Connections told alone, forgotten early because they were too many",
            told_forgotten,
        );
        counter("joins_late", "Second views that came after the flow was made", late);
        counter("joins_repeated", "Views that had been heard before", repeated);
        counter("joins_cut_short", "Views that could not wait because too many did", cut_short);
        counter("joins_forgotten", "Connections forgotten early because too many were remembered", forgotten);
        counter("export_files", "Files exported", files);
        counter("export_rows", "Flows in them", rows);
        counter("export_bytes", "Bytes of them", bytes);
        counter("export_missing", "Flows that were gone before they were exported", missing);
        counter("export_files_removed", "Exported files removed because they were old", removed);
        counter("export_failures", "Failures of the export", failures);
        let mut gauge = |name, help, gauge: &Gauge| registry.register(name, help, gauge.clone());
        gauge("ledger_bytes", "Bytes of the ledger", store_bytes);
        gauge("ledger_blocks", "Blocks of flows", blocks);
        gauge("flows_kept", "Flows kept", kept);
        gauge("joins_pending", "Views that wait for the other node's", pending);
        gauge("export_behind", "Flows that no exported file has yet", behind);
        gauge("subscribers", "Subscribers", subscribers);
        gauge("agent_streams", "Streams of agents that are open", agent_streams);
        registry.register("ledger_commit_seconds", "Time of a transaction", commit_seconds.clone());
        registry.register("flows", "Flows made, by verdict", flows.clone());
        registry.register("attempts", "Attempts that they stand for, by verdict", attempts.clone());
        registry.register(
            "agent_clock_ahead_seconds",
            "How far a node's clock is ahead of the collector's, beyond what is tolerated",
            ahead.clone(),
        );
        registry.register("agent_records_lost", "Records that agents could not keep", losses.clone());
        for verdict in Verdict::ALL {
            let labels = VerdictLabels { verdict: verdict.as_str() };
            drop(flows.get_or_create(&labels));
            drop(attempts.get_or_create(&labels));
        }
    }

    /// Counts flows.
    pub(crate) fn count(&self, flows: &[Arc<Made>]) {
        let mut counts = [(0, 0); Verdict::ALL.len()];
        for Made { flow, .. } in flows.iter().map(AsRef::as_ref) {
            let (flows, attempts) = &mut counts[flow.verdict as usize];
            *flows += 1;
            *attempts = flow.attempts.saturating_add(*attempts);
        }
        for verdict in Verdict::ALL {
            let labels = VerdictLabels { verdict: verdict.as_str() };
            let (flows, attempts) = counts[verdict as usize];
            self.flows.get_or_create(&labels).inc_by(flows);
            self.attempts.get_or_create(&labels).inc_by(attempts);
        }
    }

    /// How many flows of a verdict there were, and how many attempts they stand for.
    pub(crate) fn counts_of(&self, verdict: Verdict) -> (u64, u64) {
        let labels = VerdictLabels { verdict: verdict.as_str() };
        (self.flows.get_or_create(&labels).get(), self.attempts.get_or_create(&labels).get())
    }

    /// Tells how far a node's clock is ahead. A clock that was never wrong is not told.
    pub(crate) fn clock_ahead(&self, node: &str, ahead: Duration) {
        let labels = NodeLabels { node: node.to_owned() };
        if ahead > Duration::ZERO || self.ahead.get(&labels).is_some() {
            self.ahead.get_or_create(&labels).set(ahead.as_secs_f64());
        }
    }

    /// Tells nothing more of a node's clock.
    pub(crate) fn forget_clock(&self, node: &str) {
        self.ahead.remove(&NodeLabels { node: node.to_owned() });
    }

    /// Counts what an agent lost. Nodes and causes are bounded by who keeps them.
    pub(crate) fn lost(&self, node: &str, cause: &str, count: u64) {
        let labels = LossLabels { node: node.to_owned(), cause: cause.to_owned() };
        self.losses.get_or_create(&labels).inc_by(count);
    }

    /// Counts and tells what the store cannot read.
    pub(crate) fn report(&self, error: &StoreError) {
        self.damaged.inc();
        warn!(%error, cause = %error.source, "Ledger damaged, goes on without.");
    }

    /// The same of a row that is not understood.
    pub(crate) fn report_row(&self, key: &[u8], problem: &str) {
        self.damaged.inc();
        let key: String = key.escape_ascii().take(200).map(char::from).collect();
        warn!(key, problem, "Row of the ledger damaged, goes on without.");
    }

    /// Everything in the OpenMetrics text format.
    pub(crate) fn encode(&self) -> Result<String, fmt::Error> {
        let mut body = String::new();
        text::encode(&mut body, &self.registry)?;
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{FlowExt as _, web_to_db};

    #[test]
    fn every_verdict_is_there_from_the_start_and_counts() {
        let metrics = Metrics::new();
        let folded = web_to_db().change(|flow| (flow.verdict, flow.attempts) = (Verdict::Denied, 7));
        metrics.count(&[Arc::new(Made { ordinal: 0, flow: folded, latencies: None })]);
        metrics.clock_ahead("n1", Duration::ZERO);
        metrics.clock_ahead("n2", Duration::from_secs(90));
        metrics.clock_ahead("n3", Duration::from_secs(90));
        metrics.forget_clock("n3");
        metrics.lost("n1", "ring-full", 3);
        let body = metrics.encode().unwrap();
        for line in [
            "portolan_collector_flows_total{verdict=\"allowed\"} 0",
            "portolan_collector_flows_total{verdict=\"denied\"} 1",
            "portolan_collector_agent_records_lost_total{node=\"n1\",cause=\"ring-full\"} 3",
            "portolan_collector_flows_kept 0",
            "portolan_collector_attempts_total{verdict=\"denied\"} 7",
            "portolan_collector_agent_clock_ahead_seconds{node=\"n2\"} 90.0",
        ] {
            assert!(body.lines().any(|found| found == line), "{line} in:\n{body}");
        }
        assert_eq!(body.matches("agent_clock_ahead_seconds{").count(), 1, "{body}");
    }
}
