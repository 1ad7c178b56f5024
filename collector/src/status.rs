//! The report that the status service gives.

use crate::{clock::Now, intake::Intake, metrics::Metrics, nodes::Node};
use portolan_policy::Verdict;
use portolan_proto::{duration, timestamp_to_proto, v1};

/// How everything is doing.
pub(crate) fn report(intake: &Intake, metrics: &Metrics, now: Now) -> v1::GetStatusResponse {
    let verdicts = Verdict::ALL.map(|verdict| v1::VerdictCount {
        verdict: v1::Verdict::from(verdict).into(),
        count: metrics.flows_of(verdict),
    });
    let node = |(name, node): (&str, &Node)| node_status(name, node, intake.nodes.is_live(node, now.uptime));
    v1::GetStatusResponse {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime: Some(duration(now.uptime)),
        flows_kept: intake.recent.len() as u64,
        flows_capacity: intake.recent.capacity() as u64,
        flows_total: verdicts.iter().map(|verdict| verdict.count).sum(),
        flows_evicted: metrics.evicted.get(),
        pending_joins: intake.join.pending() as u64,
        late_joins: metrics.join.late.get(),
        subscribers: intake.subscribers.len() as u64,
        subscribers_missed: metrics.missed.get(),
        verdicts: verdicts.into(),
        nodes: intake.nodes.sorted().into_iter().map(node).collect(),
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
        observations: node.observations,
        duplicates: node.duplicates,
        malformed: node.malformed,
        losses: losses.map(|(cause, count)| v1::LossCount { cause: cause.clone(), count: *count }).collect(),
    }
}
