//! The baseline: a message for each record that spells everything out, counted by workloads in a map. Nothing is
//! joined, known twice or kept; one answer in the end.

use crate::{agents::Stream, traffic::Load};
use futures::{StreamExt as _, stream};
use portolan_policy::{End, Flow, PodEnd, Verdict, Who};
use portolan_proto::{Observation, decode, v1};
use prost::{Message as _, bytes::Bytes};
use std::{collections::HashMap, pin::Pin};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Server, server::TcpIncoming},
};

/// The first word of the process that serves it.
pub(crate) const WORD: &str = "--serve-naively";
/// Messages that may wait for the stream.
const ROOM: usize = 1024;

/// Serves at an address until it is killed.
pub(crate) async fn serve(address: &str) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let service = v1::ingest_server::IngestServer::new(Naive);
    Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener)).await?;
    Ok(())
}

struct Naive;

#[tonic::async_trait]
impl v1::ingest_server::Ingest for Naive {
    type StreamStream = Pin<Box<dyn futures::Stream<Item = Result<v1::Ack, Status>> + Send>>;

    async fn stream(
        &self,
        request: Request<Streaming<v1::Batch>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let answer = count(request.into_inner());
        Ok(Response::new(stream::once(answer).boxed()))
    }
}

/// Who called whom, at which port, and with which verdict.
type Edge = (String, String, Option<u16>, Verdict);

async fn count(mut messages: Streaming<v1::Batch>) -> Result<v1::Ack, Status> {
    let mut edges: HashMap<Edge, u64> = HashMap::new();
    while let Some(message) = messages.message().await? {
        let flow = v1::Flow::decode(message.content.as_slice());
        let flow = flow.map_err(|error| Status::invalid_argument(error.to_string()))?;
        let flow: Flow = flow.try_into().map_err(|_| Status::invalid_argument("no flow"))?;
        let edge = (name(&flow.source), name(&flow.destination), flow.destination.port(), flow.verdict);
        *edges.entry(edge).or_default() += flow.attempts;
    }
    Ok(v1::Ack { boot: String::new(), sequence: edges.values().sum() })
}

fn name(end: &End) -> String {
    match end.who() {
        Who::Pod(PodEnd { namespace, workload, .. }) => format!("{namespace}/{}", workload.name),
        other => other.ip().to_string(),
    }
}

/// Messages for the baseline, one a record.
pub(crate) struct Messages {
    messages: Vec<Bytes>,
    pub(crate) bytes: u64,
}

impl Messages {
    /// The records of batches, in their order.
    pub(crate) fn of(load: Load) -> anyhow::Result<Self> {
        let mut messages = Vec::new();
        for (_, batch) in load.batches.into_iter().flatten() {
            let observations = decode(&v1::Batch::decode(batch)?)?.observations;
            messages.extend(observations.into_iter().map(message));
        }
        let bytes = messages.iter().map(|message| message.len() as u64 + 5).sum();
        Ok(Self { messages, bytes })
    }

    pub(crate) fn records(&self) -> u64 {
        self.messages.len() as u64
    }

    /// Sends all of them on one stream, and waits until they are counted.
    pub(crate) async fn send(self, endpoint: &str) -> anyhow::Result<()> {
        let records = self.records();
        let stream = Stream::open(endpoint, ROOM).await?;
        for message in self.messages {
            stream.send(message).await?;
        }
        let counted = stream.finish().await?.map_or(0, |ack| ack.sequence);
        anyhow::ensure!(counted == records, "of {records} messages the baseline counted {counted}");
        Ok(())
    }
}

/// The flow as content of a message of the same service.
fn message(observation: Observation) -> Bytes {
    let content = v1::Flow::from(observation.flow).encode_to_vec();
    Bytes::from(v1::Batch { content, ..v1::Batch::default() }.encode_to_vec())
}
