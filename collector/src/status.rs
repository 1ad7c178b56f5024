//! The report that the status service gives.

use crate::{clock::Now, config::Config, intake::Intake, ledger::Shelf, metrics::Metrics, nodes::Node};
use portolan_policy::Verdict;
use portolan_proto::{duration, timestamp_to_proto, v1};
use std::time::Duration;

/// How much is kept at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    age: Duration,
    bytes: u64,
    graph_bytes: u64,
    durable: bool,
}

impl Limits {
    /// As configured.
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            age: config.keep_flows,
            bytes: config.keep_bytes,
            graph_bytes: config.keep_graph_bytes,
            durable: config.data.is_some(),
        }
    }
}

/// Where the report comes from.
#[derive(Debug)]
pub(crate) struct Report<'hub> {
    /// What is kept.
    pub(crate) shelf: &'hub Shelf,
    /// What is counted.
    pub(crate) metrics: &'hub Metrics,
    /// How much is kept at most.
    pub(crate) limits: Limits,
}

impl Report<'_> {
    /// How everything is doing.
    pub(crate) fn get(&self, intake: &Intake, now: Now) -> v1::GetStatusResponse {
        let Self { shelf, metrics, limits: _ } = self;
        let verdicts = Verdict::ALL.map(|verdict| {
            let (count, attempts) = metrics.counts_of(verdict);
            v1::VerdictCount { verdict: v1::Verdict::from(verdict).into(), count, attempts }
        });
        let node =
            |(name, node): (&str, &Node)| node_status(name, node, intake.nodes.is_live(node, now.uptime));
        let kept = shelf.catalog();
        v1::GetStatusResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime: Some(duration(now.uptime)),
            flows_kept: kept.len(),
            flows_total: verdicts.iter().map(|verdict| verdict.count).sum(),
            flows_evicted: metrics.evicted.get(),
            pending_joins: intake.join.pending() as u64,
            late_joins: metrics.join.late.get(),
            subscribers: shelf.subscribers() as u64,
            subscribers_missed: metrics.missed.get(),
            verdicts: verdicts.into(),
            nodes: intake.nodes.sorted().into_iter().map(node).collect(),
            ledger: Some(self.ledger(kept.bytes, kept.blocks.len() as u64)),
            graph: Some(self.graph()),
            agent_streams: metrics.agent_streams.get().unsigned_abs(),
        }
    }

    fn ledger(&self, flow_bytes: u64, blocks: u64) -> v1::LedgerStatus {
        let Self { shelf: _, metrics, limits: Limits { age, bytes, durable, graph_bytes: _ } } = *self;
        v1::LedgerStatus {
            durable,
            bytes: metrics.store_bytes.get().unsigned_abs(),
            flow_bytes,
            blocks,
            keep_age: Some(duration(age)),
            keep_bytes: bytes,
            commits: metrics.commits.get(),
            damaged: metrics.damaged.get(),
            segments_dropped: metrics.segments_dropped.get(),
        }
    }

    fn graph(&self) -> v1::GraphStatus {
        let graph = &self.metrics.graph;
        v1::GraphStatus {
            edges: graph.edges.get().unsigned_abs(),
            cells: graph.cells.get().unsigned_abs(),
            bytes: graph.bytes.get().unsigned_abs(),
            keep_bytes: self.limits.graph_bytes,
            checkpoints: graph.checkpoints.get(),
            damaged: graph.damaged.get(),
            missed: graph.missed.get(),
            other: graph.other_addresses.get() + graph.other_edges.get(),
            clamped: graph.clamped.get(),
            behind: graph.behind.get().unsigned_abs(),
        }
    }
}

fn node_status(name: &str, node: &Node, live: bool) -> v1::NodeStatus {
    let (boot, sequence) = node.applied.latest().unwrap_or_default();
    let losses = node.losses.iter();
    v1::NodeStatus {
        cluster: node.cluster.clone(),
        node: name.to_owned(),
        boot: boot.to_owned(),
        sequence,
        last_batch: Some(timestamp_to_proto(node.last_batch)),
        live,
        clock_ahead: (node.ahead > Duration::ZERO).then(|| duration(node.ahead)),
        observations: node.observations,
        duplicates: node.duplicates,
        malformed: node.malformed,
        losses: losses.map(|(cause, count)| v1::LossCount { cause: cause.clone(), count: *count }).collect(),
    }
}
