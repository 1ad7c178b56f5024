//! `portolan.v1.Ingest`: reads batches, has them applied, acks.

use super::room::Room;
use crate::{
    hub::Hub,
    intake::{Batch, GivenUp},
    names::Names,
    nodes,
};
use futures::{Stream, StreamExt as _, stream};
use jiff::Timestamp;
use portolan_policy::Loss;
use portolan_proto::{Decoded, MAX_CONTENT, MAX_GIVEN_UP, Observation, decode_sharing, timestamp, v1};
use std::{collections::HashSet, pin::Pin, sync::Arc};
use tonic::{Request, Response, Status, Streaming};
use tracing::{debug, info, warn};

/// The longest name that Kubernetes allows, which is also enough for a boot id.
const MAX_NAME: usize = 253;

/// Takes batches from the agents.
#[derive(Debug)]
pub(super) struct IngestService {
    hub: Arc<Hub>,
    room: Room,
}

impl IngestService {
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        Self { hub, room: Room::new() }
    }
}

#[tonic::async_trait]
impl v1::ingest_server::Ingest for IngestService {
    type StreamStream = Pin<Box<dyn Stream<Item = Result<v1::Ack, Status>> + Send>>;

    async fn stream(
        &self,
        request: Request<Streaming<v1::Batch>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let intake = AgentStream {
            batches: request.into_inner(),
            room: self.room.clone(),
            presence: Presence::begin(Arc::clone(&self.hub)),
            ended: false,
        };
        Ok(Response::new(stream::unfold(intake, AgentStream::next_ack).boxed()))
    }
}

/// One agent's stream. The next batch is read when the ack of the last one has been taken, so an
/// agent can never make the collector queue.
struct AgentStream {
    batches: Streaming<v1::Batch>,
    room: Room,
    presence: Presence,
    ended: bool,
}

impl AgentStream {
    async fn next_ack(mut self) -> Option<(Result<v1::Ack, Status>, Self)> {
        if self.ended {
            return None;
        }
        let answer = self.answer().await.transpose()?;
        self.ended = answer.is_err();
        Some((answer, self))
    }

    async fn answer(&mut self) -> Result<Option<v1::Ack>, Status> {
        let stopping = self.presence.hub.stopping().clone();
        let Some(message) = stopping.run_until_cancelled(self.batches.message()).await else {
            return Err(Status::unavailable("the collector is stopping"));
        };
        let batch = match message {
            Ok(Some(batch)) => batch,
            Ok(None) => return Ok(None),
            Err(error) => {
                debug!(%error, "Agent stream broke.");
                return Err(error);
            }
        };
        // What is read takes many times the memory of what was sent.
        let Some(_room) = stopping.run_until_cancelled(self.room.enter(&batch)).await else {
            return Err(Status::unavailable("the collector is stopping"));
        };
        let batch =
            read(batch, self.presence.hub.names()).inspect_err(|error| warn!(%error, "Batch refused."))?;
        self.presence.note(&batch.node)?;
        let ack = v1::Ack { boot: batch.boot.clone(), sequence: batch.sequence };
        if self.presence.hub.apply(batch).await {
            Ok(Some(ack))
        } else {
            Err(Status::unavailable("the collector is stopping"))
        }
    }
}

/// The agents that are there because this stream is open.
struct Presence {
    hub: Arc<Hub>,
    nodes: HashSet<String>,
}

impl Presence {
    fn begin(hub: Arc<Hub>) -> Self {
        hub.metrics().agent_streams.inc();
        Self { hub, nodes: HashSet::new() }
    }

    fn note(&mut self, node: &str) -> Result<(), Status> {
        if self.nodes.contains(node) {
            return Ok(());
        }
        if !self.hub.connected(node) {
            warn!(node, "Agent refused, too many are known.");
            return Err(Status::resource_exhausted(format!("{} agents are known already", nodes::MOST)));
        }
        info!(node, "Agent connected.");
        self.nodes.insert(node.to_owned());
        Ok(())
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.hub.metrics().agent_streams.dec();
        for node in &self.nodes {
            info!(node, "Agent disconnected.");
            self.hub.disconnected(node);
        }
    }
}

/// Reads a batch. What makes it a batch must be right; a record that is wrong costs only itself.
fn read(wire: v1::Batch, names: &Names) -> Result<Batch, Status> {
    // A cluster may have no name.
    for (field, name, least) in
        [("cluster", &wire.cluster, 0), ("node", &wire.node, 1), ("boot", &wire.boot, 1)]
    {
        if !(least..=MAX_NAME).contains(&name.len()) {
            let length = name.len();
            return Err(Status::invalid_argument(format!(
                "field `{field}` of the batch has {length} bytes; it needs {least} to {MAX_NAME}"
            )));
        }
    }
    if wire.sequence == 0 {
        return Err(Status::invalid_argument("field `sequence` of the batch is 0; it counts from 1"));
    }
    let named = wire.given_up.len();
    if named > MAX_GIVEN_UP {
        return Err(Status::invalid_argument(format!(
            "field `given_up` of the batch names {named} batches; at most {MAX_GIVEN_UP} are looked for"
        )));
    }
    let (observations, malformed) = read_observations(&wire, names);
    let v1::Batch { cluster, node, boot, sequence, losses, given_up, .. } = wire;
    let mut losses = read_losses(losses);
    let (named, nameless): (Vec<_>, Vec<_>) = given_up
        .into_iter()
        .partition(|batch| (1..=MAX_NAME).contains(&batch.boot.len()) && batch.sequence > 0);
    // Nobody can say whether those came.
    losses.extend(nameless.into_iter().flat_map(|batch| read_losses(batch.losses)));
    let given_up = named.into_iter().map(|v1::GivenUp { boot, sequence, losses }| GivenUp {
        boot,
        sequence,
        losses: read_losses(losses),
    });
    let given_up = given_up.collect();
    Ok(Batch { cluster, node, boot, sequence, observations, malformed, losses, given_up })
}

fn read_losses(losses: Vec<v1::Loss>) -> Vec<Loss> {
    losses.into_iter().map(|loss| read_loss(loss, Timestamp::now())).collect()
}

/// The cause of a loss whose own is no name: empty, which no reader takes, or too long.
const UNNAMED: &str = "unnamed";

/// Reads a loss. Whatever else is wrong with it, what was lost must be counted: a time that cannot be
/// read is that of its arrival, and the earlier one is the first.
fn read_loss(v1::Loss { cause, count, from, to }: v1::Loss, now: Timestamp) -> Loss {
    let time = |field, value: Option<_>| value.and_then(|value| timestamp(value, field).ok()).unwrap_or(now);
    let cause = if (1..=MAX_NAME).contains(&cause.len()) { cause } else { UNNAMED.to_owned() };
    let (from, to) = (time("from", from), time("to", to));
    Loss { cause, count, from: from.min(to), to: from.max(to) }
}

/// Reads the records, and counts those that cannot be read. A batch whose records are broken altogether is taken all
/// the same: its agent could only send it again.
fn read_observations(wire: &v1::Batch, names: &Names) -> (Vec<Observation>, u64) {
    let v1::Batch { node, boot, sequence, .. } = wire;
    match decode_sharing(wire, names) {
        Ok(Decoded { observations, malformed, flaw }) => {
            // One line a batch: an agent of another version may get every one wrong.
            if let Some(error) = flaw {
                warn!(node, boot, sequence, malformed, %error, "Records malformed.");
            }
            (observations, malformed)
        }
        Err(error) => {
            warn!(node, boot, sequence, records = wire.records, %error, "Records of a batch are lost, it is broken.");
            (Vec::new(), broken_records(wire))
        }
    }
}

/// How many records are lost with a broken batch. It says so itself, but a record takes a byte at least.
fn broken_records(wire: &v1::Batch) -> u64 {
    let room = if wire.content.is_empty() { 0 } else { MAX_CONTENT.min(wire.content_length as usize) };
    u64::from(wire.records).min(room as u64).max(1)
}
