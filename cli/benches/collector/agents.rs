//! What sends batches: a stream for each node, each batch as the bytes that it is.

use crate::{cluster::NODES, traffic::Load};
use anyhow::Context as _;
use futures::future::try_join_all;
use portolan_agent::stream::{BatchCodec, METHOD};
use portolan_proto::v1;
use prost::bytes::Bytes;
use std::collections::VecDeque;
use tokio::sync::mpsc::{self, Sender};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, client::Grpc, transport::Endpoint};

/// Batches of one node that wait for their acknowledgement, as many as an agent's.
const IN_FLIGHT: usize = 16;

/// A stream to an ingest service.
pub(crate) struct Stream {
    messages: Sender<Bytes>,
    acks: Streaming<v1::Ack>,
}

impl Stream {
    pub(crate) async fn open(endpoint: &str, room: usize) -> anyhow::Result<Self> {
        let channel = Endpoint::from_shared(endpoint.to_owned())?.connect().await?;
        let mut client = Grpc::new(channel);
        let (messages, receiver) = mpsc::channel(room);
        client.ready().await?;
        let request = tonic::Request::new(ReceiverStream::new(receiver));
        let acks = client.streaming(request, METHOD, BatchCodec).await?.into_inner();
        Ok(Self { messages, acks })
    }

    pub(crate) async fn send(&self, message: Bytes) -> anyhow::Result<()> {
        self.messages.send(message).await.context("the server ended the stream")
    }

    /// Ends the stream, and waits for the answer to all of it.
    pub(crate) async fn finish(self) -> anyhow::Result<Option<v1::Ack>> {
        let Self { messages, mut acks } = self;
        drop(messages);
        Ok(acks.message().await?)
    }
}

/// A stream for each node.
pub(crate) struct Agents(Vec<Stream>);

impl Agents {
    pub(crate) async fn connect(endpoint: &str) -> anyhow::Result<Self> {
        Ok(Self(try_join_all((0..NODES).map(|_| Stream::open(endpoint, IN_FLIGHT))).await?))
    }

    /// Sends everything, and returns when it is acknowledged.
    pub(crate) async fn send(&mut self, load: &mut Load) -> anyhow::Result<()> {
        let all = self.0.iter_mut().zip(std::mem::take(&mut load.batches));
        try_join_all(all.map(|(stream, batches)| send_all(stream, batches))).await?;
        Ok(())
    }
}

async fn send_all(stream: &mut Stream, mut batches: VecDeque<(u64, Bytes)>) -> anyhow::Result<()> {
    let mut in_flight = VecDeque::new();
    while !batches.is_empty() || !in_flight.is_empty() {
        while in_flight.len() < IN_FLIGHT
            && let Some((sequence, batch)) = batches.pop_front()
        {
            stream.send(batch).await?;
            in_flight.push_back(sequence);
        }
        let ack = stream.acks.message().await?.context("the collector ended the stream")?;
        anyhow::ensure!(in_flight.pop_front() == Some(ack.sequence), "another batch was acknowledged");
    }
    Ok(())
}
