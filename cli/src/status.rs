//! `portolan status`: how the collector and its agents are doing.

use crate::{
    client::CollectorAddress,
    failure::Failure,
    output::{Form, Output},
    render::{clean, size, span, table},
};
use anyhow::{Context as _, anyhow};
use clap::Args;
use jiff::Timestamp;
use portolan_policy::Verdict;
use portolan_proto::{
    timestamp,
    v1::{self, status_client::StatusClient},
};
use serde::{Serialize, Serializer};
use std::{collections::BTreeMap, process::ExitCode};

/// Print how the collector and its agents are doing.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    address: CollectorAddress,
    /// A summary for people, or JSON.
    #[arg(short, long, value_enum, default_value_t = Form::Text, value_name = "text|json")]
    #[arg(hide_possible_values = true)]
    output: Form,
}

/// Asks the collector and prints its answer.
pub(crate) async fn run(args: StatusArgs) -> Result<ExitCode, Failure> {
    let StatusArgs { address, output } = args;
    let mut client = StatusClient::new(address.connect().await?);
    let answer = client.get(v1::GetStatusRequest {}).await.map_err(|status| address.failed(&status))?;
    let report = Report::new(answer.into_inner())?;
    let text = match output {
        Form::Text => report.text(Timestamp::now()),
        Form::Json => serde_json::to_string_pretty(&report).context("cannot write the status as JSON")?,
    };
    let mut output = Output::new();
    output.line(&text).and_then(|_| output.flush()).context("cannot write the status")?;
    Ok(ExitCode::SUCCESS)
}

/// The answer, in the order it is printed.
#[derive(Debug, Serialize)]
struct Report {
    version: String,
    uptime_seconds: i64,
    flows: Flows,
    ledger: Option<Ledger>,
    graph: Option<Graph>,
    joins: Joins,
    subscribers: Subscribers,
    /// Attempts. A list, to keep the order of the verdicts; a map in JSON.
    #[serde(serialize_with = "as_map")]
    verdicts: Vec<(String, u64)>,
    agent_streams: u64,
    nodes: Vec<Node>,
}

#[derive(Debug, Serialize)]
struct Flows {
    kept: u64,
    total: u64,
    evicted: u64,
}

#[derive(Debug, Serialize)]
struct Ledger {
    durable: bool,
    bytes: u64,
    flow_bytes: u64,
    blocks: u64,
    keep_seconds: i64,
    keep_bytes: u64,
    commits: u64,
    damaged: u64,
    segments_dropped: u64,
}

impl Ledger {
    fn new(wire: v1::LedgerStatus) -> Self {
        let v1::LedgerStatus {
            durable,
            bytes,
            flow_bytes,
            blocks,
            keep_age,
            keep_bytes,
            commits,
            damaged,
            segments_dropped,
        } = wire;
        let keep_seconds = keep_age.map_or(0, |age| age.seconds);
        Self {
            durable,
            bytes,
            flow_bytes,
            blocks,
            keep_seconds,
            keep_bytes,
            commits,
            damaged,
            segments_dropped,
        }
    }

    fn text(&self) -> String {
        format!(
            "{}, {} in all, {} of flows in {} blocks; at most {} and {}; {} commits, {} damaged",
            if self.durable { "on disk" } else { "in memory" },
            size(self.bytes),
            size(self.flow_bytes),
            self.blocks,
            size(self.keep_bytes),
            span(self.keep_seconds),
            self.commits,
            self.damaged
        )
    }
}

#[derive(Debug, Serialize)]
struct Graph {
    edges: u64,
    cells: u64,
    bytes: u64,
    keep_bytes: u64,
    checkpoints: u64,
    damaged: u64,
    missed: u64,
    other: u64,
    clamped: u64,
    behind: u64,
}

impl Graph {
    fn new(wire: v1::GraphStatus) -> Self {
        let v1::GraphStatus {
            edges,
            cells,
            bytes,
            keep_bytes,
            checkpoints,
            damaged,
            missed,
            other,
            clamped,
            behind,
        } = wire;
        Self { edges, cells, bytes, keep_bytes, checkpoints, damaged, missed, other, clamped, behind }
    }

    /// What went wrong is told only where something did.
    fn text(&self) -> String {
        let wrong = [
            (self.other, "flows beyond its bounds"),
            (self.clamped, "flows with an impossible time"),
            (self.behind, "flows still to be counted"),
            (self.missed, "flows missed"),
            (self.damaged, "damaged"),
        ];
        let wrong = wrong.into_iter().filter(|(count, _)| *count > 0);
        let wrong = wrong.fold(String::new(), |told, (count, what)| format!("{told}, {count} {what}"));
        let (bytes, most) = (size(self.bytes), size(self.keep_bytes));
        format!("{} edges in the newest day, {bytes} in all, at most {most}{wrong}", self.edges)
    }
}

#[derive(Debug, Serialize)]
struct Joins {
    pending: u64,
    late: u64,
}

#[derive(Debug, Serialize)]
struct Subscribers {
    count: u64,
    missed: u64,
}

#[derive(Debug, Serialize)]
struct Node {
    #[serde(rename = "node")]
    name: String,
    cluster: String,
    live: bool,
    boot: String,
    sequence: u64,
    last_batch: Timestamp,
    clock_ahead_seconds: i64,
    observations: u64,
    duplicates: u64,
    malformed: u64,
    losses: BTreeMap<String, u64>,
}

impl Report {
    fn new(wire: v1::GetStatusResponse) -> anyhow::Result<Self> {
        let v1::GetStatusResponse {
            version,
            uptime,
            flows_kept,
            flows_total,
            flows_evicted,
            pending_joins,
            late_joins,
            subscribers,
            subscribers_missed,
            verdicts,
            nodes,
            ledger,
            graph,
            agent_streams,
        } = wire;
        Ok(Self {
            version,
            uptime_seconds: uptime.map_or(0, |uptime| uptime.seconds),
            flows: Flows { kept: flows_kept, total: flows_total, evicted: flows_evicted },
            ledger: ledger.map(Ledger::new),
            graph: graph.map(Graph::new),
            joins: Joins { pending: pending_joins, late: late_joins },
            subscribers: Subscribers { count: subscribers, missed: subscribers_missed },
            verdicts: verdicts.into_iter().map(verdict).collect(),
            agent_streams,
            nodes: nodes.into_iter().map(Node::new).collect::<anyhow::Result<_>>()?,
        })
    }

    fn text(&self, now: Timestamp) -> String {
        let Self {
            version,
            uptime_seconds,
            flows,
            ledger,
            graph,
            joins,
            subscribers,
            verdicts,
            agent_streams,
            nodes,
        } = self;
        let words = verdicts.iter().map(|(verdict, count)| format!("{verdict} {count}"));
        let ledger = ledger.as_ref().map_or_else(|| "unknown".to_owned(), Ledger::text);
        let graph = graph.as_ref().map_or_else(|| "unknown".to_owned(), Graph::text);
        let summary = [
            ("collector", format!("version {}, up {}", clean(version), span(*uptime_seconds))),
            ("flows", format!("{} made, {} kept, {} given up", flows.total, flows.kept, flows.evicted)),
            ("ledger", ledger),
            ("graph", graph),
            ("attempts", words.collect::<Vec<_>>().join(", ")),
            ("joins", format!("{} waiting, {} late", joins.pending, joins.late)),
            ("subscribers", format!("{}, {} flows missed", subscribers.count, subscribers.missed)),
        ];
        let summary = summary.map(|(name, text)| [name.to_owned(), text]);
        if nodes.is_empty() {
            return format!("{}\n\n{}", table(&summary), nobody(*agent_streams));
        }
        let head = ["NODE", "AGENT", "LAST BATCH", "SEQUENCE", "OBSERVATIONS", "MALFORMED", "LOST"];
        let mut rows = vec![head.map(str::to_owned)];
        rows.extend(nodes.iter().map(|node| node.row(now)));
        let clocks: String = nodes.iter().filter_map(Node::clock).collect();
        format!("{}\n\n{}{clocks}", table(&summary), table(&rows))
    }
}

/// What is said where no node is known.
fn nobody(streams: u64) -> String {
    match streams {
        0 => "No agent is connected, and none has sent anything yet.".to_owned(),
        1 => "1 agent is connected, and has sent nothing yet.".to_owned(),
        _ => format!("{streams} agents are connected, and none has sent anything yet."),
    }
}

impl Node {
    fn new(wire: v1::NodeStatus) -> anyhow::Result<Self> {
        let v1::NodeStatus {
            cluster,
            node,
            boot,
            sequence,
            last_batch,
            live,
            observations,
            duplicates,
            malformed,
            losses,
            clock_ahead,
        } = wire;
        let last_batch =
            last_batch.ok_or_else(|| anyhow!("the collector tells no last batch of node {node}"))?;
        Ok(Self {
            last_batch: timestamp(last_batch, "last_batch")
                .with_context(|| format!("the status of node {node} cannot be understood"))?,
            name: node,
            cluster,
            live,
            boot,
            sequence,
            clock_ahead_seconds: clock_ahead.map_or(0, |ahead| ahead.seconds),
            observations,
            duplicates,
            malformed,
            losses: losses.into_iter().map(|v1::LossCount { cause, count }| (cause, count)).collect(),
        })
    }

    /// What is wrong with its clock, if anything.
    fn clock(&self) -> Option<String> {
        let Self { name, clock_ahead_seconds: ahead, .. } = self;
        (*ahead > 0).then(|| {
            format!(
                "\nThe clock of {} is {} ahead of the collector's: one of them is wrong.",
                clean(name),
                span(*ahead)
            )
        })
    }

    fn row(&self, now: Timestamp) -> [String; 7] {
        let ago = now.duration_since(self.last_batch).as_secs().max(0);
        let lost = self.losses.iter().map(|(cause, count)| format!("{} {count}", clean(cause)));
        let lost: Vec<_> = lost.collect();
        [
            clean(&self.name),
            if self.live { "live" } else { "silent" }.to_owned(),
            format!("{} ago", span(ago)),
            self.sequence.to_string(),
            self.observations.to_string(),
            self.malformed.to_string(),
            if lost.is_empty() { "0".to_owned() } else { lost.join(", ") },
        ]
    }
}

/// A verdict that this version does not know keeps its number.
fn verdict(wire: v1::VerdictCount) -> (String, u64) {
    let known = v1::Verdict::try_from(wire.verdict).ok().and_then(|known| Verdict::try_from(known).ok());
    let name = known.map_or_else(|| wire.verdict.to_string(), |known| known.as_str().to_owned());
    (name, wire.attempts)
}

fn as_map<S: Serializer>(pairs: &[(String, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, count)| (name, count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_the_network_cannot_move_the_cursor_of_a_terminal() {
        let hostile = "a\nb\u{1b}[31m\u{9b}".to_owned();
        let node = v1::NodeStatus {
            cluster: hostile.clone(),
            node: hostile.clone(),
            boot: hostile.clone(),
            last_batch: Some(portolan_proto::timestamp_to_proto(Timestamp::UNIX_EPOCH)),
            losses: vec![v1::LossCount { cause: hostile.clone(), count: 5 }],
            clock_ahead: Some(prost_types::Duration { seconds: 90, nanos: 0 }),
            ..v1::NodeStatus::default()
        };
        let wire =
            v1::GetStatusResponse { version: hostile, nodes: vec![node], ..v1::GetStatusResponse::default() };
        let text = Report::new(wire).unwrap().text(Timestamp::UNIX_EPOCH);
        assert!(!text.chars().any(|letter| letter.is_control() && letter != '\n'), "{text:?}");
        let row = text.lines().find(|line| line.contains("silent")).unwrap();
        assert!(row.starts_with("a\u{fffd}b") && row.ends_with(" 5"), "{row:?}");
    }
}
