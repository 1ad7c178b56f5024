//! What the collector does with much behind it: answers, and starts again after a kill.

use crate::{process::Process, rounds::Bench, traffic::Traffic};
use futures::{TryStreamExt as _, future};
use jiff::{SignedDuration, Timestamp};
use portolan_proto::{timestamp_to_proto, v1};
use std::{
    fs, io,
    path::Path,
    time::{Duration, Instant},
};
use v1::{edges_response, flows_client::FlowsClient, graph_client::GraphClient};

/// How often a question is asked.
const QUESTIONS: usize = 5;
/// Attempts that are prepared at once.
const AT_ONCE: usize = 500_000;
/// Times that the collector is killed.
const KILLS: usize = 5;

/// A question, what it came to, and how long it took each time.
pub(crate) struct Answer {
    pub(crate) question: &'static str,
    pub(crate) flows: u64,
    pub(crate) took: Vec<Duration>,
}

/// Figures of a long history.
pub(crate) struct History {
    pub(crate) flows: u64,
    pub(crate) blocks: u64,
    /// Bytes of the blocks of flows, and of everything in the folder.
    pub(crate) flow_bytes: u64,
    pub(crate) folder: u64,
    pub(crate) records: u64,
    pub(crate) answers: Vec<Answer>,
    /// From the start of a process to its first answer, after a kill.
    pub(crate) starts: Vec<Duration>,
    pub(crate) memory: [u64; 2],
}

/// Makes the history as long as asked for, asks, kills and starts again.
pub(crate) async fn measure(
    mut bench: Bench,
    traffic: &mut Traffic<'_>,
    attempts: usize,
    folder: &Path,
) -> anyhow::Result<History> {
    while (bench.sent.attempts as usize) < attempts {
        let left = attempts - bench.sent.attempts as usize;
        bench.send(traffic.attempts(left.min(AT_ONCE))).await?;
    }
    bench.settle().await?;
    bench.check().await?;
    let answers = ask(&bench.collector).await?;
    let status = bench.collector.status().await?;
    let (sent, memory) = (bench.sent, bench.collector.memory()?);
    let mut collector = bench.into_collector();
    let mut starts = Vec::new();
    for _ in 0..KILLS {
        collector.kill()?;
        let (again, took) = Process::collector(folder).await?;
        collector = again;
        starts.push(took);
    }
    let kept = collector.status().await?.flows_kept;
    anyhow::ensure!(kept == sent.attempts, "of {} flows {kept} are left after the kill", sent.attempts);
    let ledger = status.ledger.unwrap_or_default();
    Ok(History {
        flows: kept,
        blocks: ledger.blocks,
        flow_bytes: ledger.flow_bytes,
        folder: size(folder)?,
        records: sent.records,
        answers,
        starts,
        memory,
    })
}

/// What the graph of a day came to, and how long it took each time.
pub(crate) struct GraphAnswer {
    /// Edges on which something happened.
    pub(crate) edges: u64,
    /// To the thousand with the most attempts, which are told.
    pub(crate) most: Vec<Duration>,
    /// To all of them, as far as an answer goes.
    pub(crate) all: Vec<Duration>,
}

/// Asks for the graph of the last day.
pub(crate) async fn ask_graph(collector: &Process) -> anyhow::Result<GraphAnswer> {
    let since = Some(timestamp_to_proto(Timestamp::now() - SignedDuration::from_hours(24)));
    let order = v1::EdgeOrder::Attempts.into();
    let most = v1::EdgesRequest { since, order, limit: Some(1000), ..v1::EdgesRequest::default() };
    let all = v1::EdgesRequest { since, ..v1::EdgesRequest::default() };
    let mut answer = GraphAnswer { edges: 0, most: Vec::new(), all: Vec::new() };
    for _ in 0..QUESTIONS {
        for (request, took) in [(&most, &mut answer.most), (&all, &mut answer.all)] {
            let mut client = GraphClient::new(collector.channel().await?);
            let begun = Instant::now();
            let mut items = client.edges(request.clone()).await?.into_inner();
            while let Some(response) = items.message().await? {
                if let Some(edges_response::Item::Covered(covered)) = response.item {
                    answer.edges = covered.matching;
                }
            }
            took.push(begun.elapsed());
        }
    }
    Ok(answer)
}

async fn ask(collector: &Process) -> anyhow::Result<Vec<Answer>> {
    let since = timestamp_to_proto(Timestamp::now() - SignedDuration::from_hours(24));
    let denied = v1::Filter { verdicts: vec![v1::Verdict::Denied.into()], ..v1::Filter::default() };
    let source = v1::EndFilter { namespaces: vec!["team-3".to_owned()], ..v1::EndFilter::default() };
    let of_team = v1::Filter { source: Some(source), ..denied.clone() };
    let day = |filter| v1::ObserveRequest {
        since: Some(since),
        include: vec![filter],
        ..v1::ObserveRequest::default()
    };
    let last = v1::ObserveRequest { last: Some(1000), ..v1::ObserveRequest::default() };
    let questions = [
        ("the last 1000 flows of all", last),
        ("the last 1000 denied ones of a day", v1::ObserveRequest { last: Some(1000), ..day(denied) }),
        ("those of a day that one namespace was denied, all of them", day(of_team)),
    ];
    let mut answers = Vec::new();
    for (question, request) in questions {
        let mut answer = Answer { question, flows: 0, took: Vec::new() };
        for _ in 0..QUESTIONS {
            let mut client = FlowsClient::new(collector.channel().await?);
            let begun = Instant::now();
            let flows = client.observe(request.clone()).await?.into_inner();
            answer.flows = flows.try_fold(0, |count, _| future::ready(Ok(count + 1))).await?;
            answer.took.push(begun.elapsed());
        }
        answers.push(answer);
    }
    Ok(answers)
}

/// Bytes of all files in a folder, as the disk has them.
pub(crate) fn size(folder: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A file may go while we look.
        let Ok(about) = entry.metadata() else { continue };
        sum += if about.is_dir() { size(&entry.path())? } else { about.blocks() * 512 };
    }
    Ok(sum)
}
