//! A real collector on a folder, that can be killed, and an agent's side of the stream to it.
#![allow(dead_code, reason = "each test crate needs its own part")]

use crate::{support::DEADLINE, world::Dice};
use portolan_proto::v1::{
    self, edges_response, flows_client::FlowsClient, graph_client::GraphClient, ingest_client::IngestClient,
    observe_response::Item, status_client::StatusClient,
};
use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, time::sleep};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

/// A port that was free a moment ago, for a collector that comes and goes.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A collector of its own process.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    port: u16,
}

impl Process {
    /// Starts one on a folder and waits until it serves.
    pub(crate) async fn start(data: &Path, port: u16, flags: &str) -> Self {
        let started = Self::try_start(data, port, flags).await;
        started.unwrap_or_else(|said| panic!("it ended: {said:#?}"))
    }

    /// The same of one that may end instead; what it said is the error.
    pub(crate) async fn try_start(data: &Path, port: u16, flags: &str) -> Result<Self, Vec<String>> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portolan"));
        command.args(["collector", "--metrics-listen", "127.0.0.1:0"]);
        command.args(["--listen", &format!("127.0.0.1:{port}"), "--data"]).arg(data);
        command.args(flags.split_whitespace()).env_remove("RUST_LOG");
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let (sender, mut receiver) = mpsc::unbounded_channel();
        // It must be read to the end, or the collector waits for its reader.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        loop {
            let line = tokio::time::timeout(DEADLINE, receiver.recv()).await.expect("it says so in time");
            let Some(line) = line else {
                child.wait().unwrap();
                return Err(said);
            };
            let ready = line.contains("Ledger opened");
            if ready {
                return Ok(Self { child, port });
            }
            said.push(line);
        }
    }

    /// SIGKILL, now.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// SIGTERM; it must end well.
    pub(crate) fn stop(mut self) {
        let status = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status();
        assert!(status.unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }

    pub(crate) async fn status(&self) -> v1::GetStatusResponse {
        let mut client = StatusClient::new(connect(self.port).await);
        client.get(v1::GetStatusRequest {}).await.unwrap().into_inner()
    }

    /// Waits until the status is as wanted.
    pub(crate) async fn until(&self, wanted: impl Fn(&v1::GetStatusResponse) -> bool) {
        let begin = Instant::now();
        loop {
            let status = self.status().await;
            if wanted(&status) {
                return;
            }
            assert!(begin.elapsed() < DEADLINE, "the status never was as wanted: {status:#?}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Every kept flow, as text, sorted.
    pub(crate) async fn flows(&self) -> Vec<String> {
        let mut flows: Vec<String> = self.kept().await.iter().map(|flow| format!("{flow:?}")).collect();
        flows.sort_unstable();
        flows
    }

    /// Every kept flow.
    pub(crate) async fn kept(&self) -> Vec<v1::Flow> {
        let mut client = FlowsClient::new(connect(self.port).await).max_decoding_message_size(usize::MAX);
        let mut stream = client.observe(v1::ObserveRequest::default()).await.unwrap().into_inner();
        let mut flows = Vec::new();
        while let Some(response) = stream.message().await.unwrap() {
            match response.item {
                Some(Item::Flow(flow)) => flows.push(flow),
                other => panic!("a flow and not {other:?}"),
            }
        }
        flows
    }

    /// Every edge of the graph.
    pub(crate) async fn edges(&self) -> Vec<v1::Edge> {
        let mut client = GraphClient::new(connect(self.port).await).max_decoding_message_size(usize::MAX);
        let mut stream = client.edges(v1::EdgesRequest::default()).await.unwrap().into_inner();
        let mut edges = Vec::new();
        while let Some(response) = stream.message().await.unwrap() {
            match response.item {
                Some(edges_response::Item::Edges(list)) => edges.extend(list.edges),
                Some(edges_response::Item::Covered(covered)) => assert_eq!(covered.damaged, 0),
                None => panic!("an item is empty"),
            }
        }
        edges
    }
}

/// No test leaves a collector behind, however it ends.
impl Drop for Process {
    fn drop(&mut self) {
        // One that was stopped is gone.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

async fn connect(port: u16) -> Channel {
    let begin = Instant::now();
    loop {
        match Channel::from_shared(format!("http://127.0.0.1:{port}")).unwrap().connect().await {
            Ok(channel) => return channel,
            Err(error) => assert!(begin.elapsed() < DEADLINE * 3, "no collector: {error}"),
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// Sends every batch until it is acknowledged, in order, over as many connections as it takes; sends
/// some again for no reason. Returns how often it had to connect.
pub(crate) async fn send_all(port: u16, batches: Vec<v1::Batch>, mut dice: Dice, pace: Duration) -> u32 {
    let (mut acked, mut connections) = (0, 0);
    while acked < batches.len() {
        connections += 1;
        let (sender, receiver) = mpsc::channel(1);
        let mut client = IngestClient::new(connect(port).await);
        let Ok(answer) = client.stream(ReceiverStream::new(receiver)).await else { continue };
        let mut acks = answer.into_inner();
        while acked < batches.len() {
            let again = acked > 0 && dice.below(8) == 0;
            let index = if again { dice.below(acked as u64) as usize } else { acked };
            let batch = batches[index].clone();
            let wanted = v1::Ack { boot: batch.boot.clone(), sequence: batch.sequence };
            if sender.send(batch).await.is_err() {
                break;
            }
            match acks.message().await {
                Ok(Some(ack)) => assert_eq!(ack, wanted),
                Ok(None) | Err(_) => break,
            }
            acked += usize::from(!again);
            sleep(pace).await;
        }
    }
    connections
}
