//! A stream to the collector that is open: what is on it, and what came back.

use super::codec::{BatchCodec, METHOD};
pub(super) use crate::stream::batch::IN_FLIGHT;
use crate::{capture::chain, stream::outbox::Outgoing, stream::spool::Id};
use portolan_proto::v1;
use prost::bytes::Bytes;
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc::{self, Sender},
    time::Instant,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming, client::Grpc, transport::Endpoint};

/// A collector that takes batches and acknowledges none for so long is left, and asked anew.
const STALLED: Duration = Duration::from_mins(1);

/// Why a stream is no more.
pub(super) struct End {
    pub(super) error: String,
    /// The collector said that it cannot take a batch.
    pub(super) refuses: bool,
    /// Which, by run and sequence number, where that is certain.
    pub(super) refused: Option<(Arc<str>, u64)>,
}

impl<E: Into<String>> From<E> for End {
    fn from(error: E) -> Self {
        Self { error: error.into(), refuses: false, refused: None }
    }
}

/// A stream that is open.
pub(super) struct Live {
    batches: Sender<Bytes>,
    acks: Streaming<v1::Ack>,
    /// Sent on this stream last.
    pub(super) last: Option<Id>,
    in_flight: VecDeque<(Arc<str>, u64)>,
    window: usize,
    /// An answer was left out.
    left_out: bool,
    /// When the collector last had nothing to acknowledge, or did.
    well_at: Instant,
}

impl Live {
    /// A stream on which the first batch goes alone, where it must be known what becomes of it.
    pub(super) async fn open(
        endpoint: &Endpoint,
        alone: bool,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let mut client = Grpc::new(endpoint.connect().await?);
        let (batches, receiver) = mpsc::channel(IN_FLIGHT);
        client.ready().await?;
        let request = tonic::Request::new(ReceiverStream::new(receiver));
        let acks = client.streaming(request, METHOD, BatchCodec).await?.into_inner();
        // What was sent on an earlier stream and not acknowledged is sent again; the collector knows
        // a batch by its number.
        Ok(Self {
            batches,
            acks,
            last: None,
            in_flight: VecDeque::new(),
            window: if alone { 1 } else { IN_FLIGHT },
            left_out: false,
            well_at: Instant::now(),
        })
    }

    /// Whether one more batch may be sent.
    pub(super) fn has_room(&self) -> bool {
        self.in_flight.len() < self.window && self.batches.capacity() > 0
    }

    /// Sends a batch; there must be room.
    pub(super) fn send(&mut self, Outgoing { name, body }: Outgoing) {
        if self.in_flight.is_empty() {
            self.well_at = Instant::now();
        }
        self.last = Some(name.id);
        self.in_flight.push_back((name.boot, name.id.sequence));
        // Closed: the end of the acknowledgements says why.
        self.batches.try_send(body).ok();
    }

    /// The next acknowledgement, or why there will be none.
    pub(super) async fn next_ack(&mut self) -> Result<v1::Ack, End> {
        let stalled = tokio::time::sleep_until(self.well_at + STALLED);
        tokio::select! {
            ack = self.acks.message() => match ack {
                Ok(Some(ack)) => {
                    self.note(&ack);
                    Ok(ack)
                }
                Ok(None) => Err("the collector ended the stream".into()),
                Err(status) => Err(self.ended(&status)),
            },
            () = stalled, if !self.in_flight.is_empty() => {
                Err(format!("the collector acknowledged nothing for {STALLED:?}").into())
            }
        }
    }

    fn ended(&self, status: &Status) -> End {
        let refuses = matches!(status.code(), Code::InvalidArgument | Code::OutOfRange);
        let refused = match self.in_flight.front() {
            Some(only) if refuses && self.in_flight.len() == 1 => Some(only.clone()),
            _ => None,
        };
        End { error: chain(status), refuses, refused }
    }

    /// The collector answers in order: an answer that was left out will not come. What it was for is sent again
    /// once nothing else is on the wire.
    fn note(&mut self, ack: &v1::Ack) {
        let is_it = |(boot, sequence): &(Arc<str>, u64)| *sequence == ack.sequence && **boot == *ack.boot;
        let Some(at) = self.in_flight.iter().position(is_it) else { return };
        self.in_flight.drain(..=at);
        self.left_out |= at > 0;
        if self.left_out && self.in_flight.is_empty() {
            (self.left_out, self.last) = (false, None);
        }
        (self.window, self.well_at) = (IN_FLIGHT, Instant::now());
    }
}
