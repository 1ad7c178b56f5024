//! A collector on free ports, and an agent's side of the stream to it.
#![allow(dead_code, reason = "each test crate needs its own part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

pub(crate) mod build;

use portolan_collector::{Config, Error, Listeners, run};
use portolan_policy::Flow;
use portolan_proto::{
    Header, Observation, View, encode,
    v1::{
        self, flows_client::FlowsClient, ingest_client::IngestClient, observe_response::Item,
        status_client::StatusClient,
    },
};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming, transport::Channel};

/// How long anything may take before a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A running collector.
pub(crate) struct Collector {
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Error>>,
}

impl Collector {
    pub(crate) async fn start(config: Config) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), config).await
    }

    /// The same where agents and observers know it.
    pub(crate) async fn start_at(grpc: SocketAddr, config: Config) -> Self {
        let listeners = Listeners::bind(grpc, "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (grpc, http) = (listeners.grpc.local_addr().unwrap(), listeners.http.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(run(config, listeners, async {
            stopped.await.ok();
        }));
        Self { grpc, http, stop, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.grpc)
    }

    pub(crate) async fn channel(&self) -> Channel {
        Channel::from_shared(self.url()).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn agent(&self, node: &str) -> Agent {
        Agent::connect(self.channel().await, node).await
    }

    pub(crate) async fn observe(&self, request: v1::ObserveRequest) -> Result<Observer, Status> {
        let mut client = FlowsClient::new(self.channel().await);
        let answer = client.observe(request).await?;
        Ok(Observer { stream: answer.into_inner(), cursor: String::new() })
    }

    pub(crate) async fn status(&self) -> v1::GetStatusResponse {
        let mut client = StatusClient::new(self.channel().await);
        client.get(v1::GetStatusRequest {}).await.unwrap().into_inner()
    }

    /// Waits until the status is as wanted.
    pub(crate) async fn until(
        &self,
        wanted: impl Fn(&v1::GetStatusResponse) -> bool,
    ) -> v1::GetStatusResponse {
        let mut last = None;
        let wait = async {
            loop {
                let status = self.status().await;
                if wanted(&status) {
                    return status;
                }
                last = Some(status);
                sleep(Duration::from_millis(20)).await;
            }
        };
        let found = timeout(DEADLINE, wait).await.ok();
        found.unwrap_or_else(|| panic!("the status never was as wanted: {last:#?}"))
    }

    /// Stops it; it must end well and in time.
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        timeout(DEADLINE, self.task).await.expect("the collector ends in time").unwrap().unwrap();
    }
}

/// An agent that sends what a test tells it to.
pub(crate) struct Agent {
    node: String,
    pub(crate) boot: String,
    sequence: u64,
    batches: mpsc::Sender<v1::Batch>,
    acks: Streaming<v1::Ack>,
}

impl Agent {
    async fn connect(channel: Channel, node: &str) -> Self {
        let (batches, receiver) = mpsc::channel(16);
        let mut client = IngestClient::new(channel);
        let acks = client.stream(ReceiverStream::new(receiver)).await.unwrap().into_inner();
        let boot = "5c1f8a52-6f9e-4f0b-9f2d-1f6f4b0f0a01".to_owned();
        Self { node: node.to_owned(), boot, sequence: 0, batches, acks }
    }

    /// The next batch with these observations.
    #[expect(clippy::needless_pass_by_value, reason = "so a test reads better")]
    pub(crate) fn batch(&mut self, observations: Vec<Observation>) -> v1::Batch {
        self.sequence += 1;
        let (node, boot) = (self.node.as_str(), self.boot.as_str());
        let header = Header { cluster: "test", node, boot, sequence: self.sequence };
        encode(header, observations.iter().map(View::from), &[])
    }

    /// Sends a batch and waits for its ack.
    pub(crate) async fn send(&mut self, batch: v1::Batch) -> Result<v1::Ack, Status> {
        self.batches.send(batch).await.unwrap();
        let ack = timeout(DEADLINE, self.acks.message()).await.expect("an ack in time")?;
        Ok(ack.expect("an ack and not the end"))
    }

    /// Sends these observations in a batch of their own.
    pub(crate) async fn tell(&mut self, observations: Vec<Observation>) {
        let batch = self.batch(observations);
        let wanted = v1::Ack { boot: batch.boot.clone(), sequence: batch.sequence };
        assert_eq!(self.send(batch).await.unwrap(), wanted);
    }
}

/// A stream of flows.
pub(crate) struct Observer {
    stream: Streaming<v1::ObserveResponse>,
    /// Where it stands.
    pub(crate) cursor: String,
}

impl Observer {
    /// The next item; None at the end.
    pub(crate) async fn item(&mut self) -> Result<Option<Item>, Status> {
        loop {
            let response = timeout(DEADLINE, self.stream.message()).await.expect("an item in time")?;
            let Some(v1::ObserveResponse { item, cursor }) = response else { return Ok(None) };
            if !cursor.is_empty() {
                self.cursor = cursor;
            }
            if item.is_some() {
                return Ok(item);
            }
        }
    }

    /// The next flow.
    pub(crate) async fn flow(&mut self) -> Flow {
        match self.item().await.unwrap() {
            Some(Item::Flow(flow)) => flow.try_into().unwrap(),
            other => panic!("a flow and not {other:?}"),
        }
    }

    /// Every flow to the end.
    pub(crate) async fn flows(mut self) -> Vec<Flow> {
        let mut flows = Vec::new();
        while let Some(item) = self.item().await.unwrap() {
            match item {
                Item::Flow(flow) => flows.push(flow.try_into().unwrap()),
                Item::Missed(missed) => panic!("missed {missed:?}"),
            }
        }
        flows
    }
}

/// The source ports of the flows, in order.
pub(crate) fn ports(flows: &[Flow]) -> Vec<u16> {
    flows.iter().map(|flow| flow.source.port().unwrap_or(0)).collect()
}
