//! The stream to the collector: connects, sends batches in order, and starts again where the last
//! acknowledgement left off. A collector that is away costs memory up to a bound, then the oldest.

use super::{
    fold::{Folded, fold},
    outbox::{Batch, Item, Outbox},
};
use crate::{capture::chain, metrics::Metrics};
use jiff::Timestamp;
use portolan_proto::{Header, encode, v1};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::mpsc::{self, Receiver, Sender},
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Endpoint};
use tracing::{info, warn};

/// Records kept while the collector is away.
const BOUND: usize = 65_536;
/// A batch is sent at this age, however small.
const BATCH_AGE: Duration = Duration::from_millis(200);
/// Batches on the wire without acknowledgement.
const IN_FLIGHT: usize = 16;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A collector that vanished without a word is noticed within about this long.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
const BACKOFF_FIRST: Duration = Duration::from_millis(200);
const BACKOFF_MOST: Duration = Duration::from_secs(10);
/// At the end, the collector has this long to acknowledge the rest.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Who sends.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The cluster's name.
    pub cluster: String,
    /// The node's name.
    pub node: String,
    /// A UUID of this run of the agent.
    pub boot: String,
}

/// A stream that is open.
struct Live {
    batches: Sender<v1::Batch>,
    acks: Streaming<v1::Ack>,
    sent: u64,
}

/// The way to the collector.
pub struct Uplink {
    endpoint: Endpoint,
    identity: Identity,
    outbox: Outbox,
    metrics: Arc<Metrics>,
    live: Option<Live>,
    backoff: Duration,
    retry_at: Instant,
}

impl Uplink {
    /// A way to the collector at this endpoint; nothing is connected yet.
    pub fn new(endpoint: Endpoint, identity: Identity, metrics: Arc<Metrics>) -> Self {
        Self {
            endpoint: endpoint
                .connect_timeout(CONNECT_TIMEOUT)
                .http2_keep_alive_interval(KEEP_ALIVE)
                .keep_alive_timeout(CONNECT_TIMEOUT),
            identity,
            outbox: Outbox::new(BOUND),
            metrics,
            live: None,
            backoff: BACKOFF_FIRST,
            retry_at: Instant::now(),
        }
    }

    /// Sends what comes until the sender is gone; then waits a little for the last acknowledgements.
    pub async fn run(mut self, mut items: Receiver<Item>) {
        let mut age = interval(BATCH_AGE);
        age.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                item = items.recv() => match item {
                    Some(item) => self.outbox.push(item, Timestamp::now()),
                    None => break,
                },
                _ = age.tick() => self.outbox.seal(),
                () = sleep_until(self.retry_at), if self.live.is_none() => self.connect().await,
                ack = next_ack(&mut self.live) => self.on_ack(ack),
            }
            self.send();
        }
        self.outbox.seal();
        if timeout(LAST_WORDS, self.finish()).await.is_err() {
            warn!(batches = self.outbox.waiting(), "The collector did not acknowledge the last batches.");
        }
    }

    async fn finish(&mut self) {
        while !self.outbox.is_empty() {
            if self.live.is_none() {
                sleep_until(self.retry_at).await;
                self.connect().await;
            }
            self.send();
            let ack = next_ack(&mut self.live).await;
            self.on_ack(ack);
        }
    }

    async fn connect(&mut self) {
        match timeout(CONNECT_TIMEOUT, self.open()).await {
            Ok(Ok(live)) => {
                info!(collector = %self.endpoint.uri(), "Connected to the collector.");
                self.live = Some(live);
            }
            Ok(Err(error)) => self.failed(&chain(error.as_ref())),
            Err(_elapsed) => self.failed("no answer to the opening of the stream"),
        }
    }

    async fn open(&self) -> Result<Live, Box<dyn std::error::Error + Send + Sync>> {
        let channel = self.endpoint.connect().await?;
        let (batches, receiver) = mpsc::channel(IN_FLIGHT);
        let mut client = v1::ingest_client::IngestClient::new(channel);
        let acks = client.stream(ReceiverStream::new(receiver)).await?.into_inner();
        // What was sent on an earlier stream and not acknowledged is sent again; the collector knows
        // a batch by its number.
        Ok(Live { batches, acks, sent: 0 })
    }

    fn failed(&mut self, error: &str) {
        self.live = None;
        self.metrics.stream_failures.inc();
        warn!(collector = %self.endpoint.uri(), error, retry_in = ?self.backoff,
            "No stream to the collector; batches are kept.");
        self.retry_at = Instant::now() + jittered(self.backoff);
        self.backoff = (self.backoff * 2).min(BACKOFF_MOST);
    }

    fn on_ack(&mut self, ack: Result<v1::Ack, String>) {
        match ack {
            Ok(ack) if ack.boot == self.identity.boot => {
                self.backoff = BACKOFF_FIRST;
                self.metrics.batches_acked.inc_by(self.outbox.acknowledge(ack.sequence));
            }
            Ok(_) => {}
            Err(error) => self.failed(&error),
        }
    }

    /// Sends sealed batches as far as the stream takes them.
    fn send(&mut self) {
        if let Some(live) = &mut self.live {
            while let Some(batch) = self.outbox.after(live.sent) {
                let sequence = batch.sequence;
                let Ok(slot) = live.batches.try_reserve() else { break };
                slot.send(to_proto(&self.identity, batch));
                live.sent = sequence;
            }
        }
        self.metrics.batches_waiting.set(self.outbox.waiting() as i64);
    }
}

/// The next acknowledgement; waits for ever while there is no stream.
async fn next_ack(live: &mut Option<Live>) -> Result<v1::Ack, String> {
    match live {
        None => std::future::pending().await,
        Some(live) => match live.acks.message().await {
            Ok(Some(ack)) => Ok(ack),
            Ok(None) => Err("the collector ended the stream".to_owned()),
            Err(status) => Err(chain(&status)),
        },
    }
}

fn to_proto(Identity { cluster, node, boot }: &Identity, batch: &Batch) -> v1::Batch {
    let header = Header { cluster, node, boot, sequence: batch.sequence };
    let folded = fold(&batch.records);
    encode(header, folded.iter().map(Folded::view), &batch.losses)
}

/// Between half of it and all of it, so that a whole cluster does not come back at once.
fn jittered(backoff: Duration) -> Duration {
    let nanos = Timestamp::now().subsec_nanosecond().unsigned_abs();
    backoff.mul_f64(0.5 + f64::from(nanos % 1000) / 2000.0)
}
