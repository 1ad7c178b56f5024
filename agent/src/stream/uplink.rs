//! The stream to the collector: connects, sends batches in order, and starts again with the first that was not
//! acknowledged. A collector that is away costs disk or memory up to a bound, then the oldest.

mod codec;
mod live;
mod way;

pub use codec::{BatchCodec, METHOD};

use super::{
    batch::{Identity, Item},
    outbox::{Bounds, Outbox},
    spool::{Left, Spool},
};
use crate::metrics::Metrics;
use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use jiff::Timestamp;
use live::End;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::mpsc::Receiver,
    time::{Instant, Interval, MissedTickBehavior, interval, timeout},
};
use tonic::transport::Endpoint;
use tracing::{info, warn};
use way::{Event, OPEN_TIMEOUT, Way};

/// Bytes of batches in memory, where there is no spool or it takes nothing.
const MEMORY: u64 = 32 << 20;
/// A batch is sent at this age, however small.
const BATCH_AGE: Duration = Duration::from_millis(200);
/// While nobody takes them, batches may wait for more records: a file each is dear.
const BATCH_AGE_ALONE: Duration = Duration::from_secs(1);
/// How often a disk that failed is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// A collector that vanished without a word is noticed within about this long.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// With jitter, so that a whole cluster does not come back at once.
const BACKOFF: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(200))
    .with_max_delay(Duration::from_secs(10))
    .without_max_times()
    .with_jitter();
/// At the end, the collector has this long to acknowledge the rest.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The way to the collector.
pub struct Uplink {
    endpoint: Endpoint,
    outbox: Outbox<Spool>,
    metrics: Arc<Metrics>,
    way: Way,
    backoff: ExponentialBackoff,
    /// The last stream ended because a batch could not be taken.
    was_refused: bool,
    sealed_at: Instant,
}

impl Uplink {
    /// A way to the collector at this endpoint; nothing is connected yet. Batches are kept in memory, or in a
    /// spool of so many bytes, after what earlier runs left in it.
    pub fn new(
        endpoint: Endpoint,
        identity: Identity,
        spool: Option<(Spool, Left)>,
        bytes: u64,
        metrics: Arc<Metrics>,
    ) -> Self {
        let endpoint = endpoint
            .connect_timeout(OPEN_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(OPEN_TIMEOUT);
        let (spool, left) = spool.unzip();
        let bounds = Bounds { memory: MEMORY, disk: bytes };
        let mut outbox = Outbox::new(identity, bounds, spool, Arc::clone(&metrics));
        outbox.take_over(left.unwrap_or_default(), Timestamp::now());
        let (backoff, now) = (BACKOFF.build(), Instant::now());
        Self { endpoint, outbox, metrics, way: Way::Closed(now), backoff, was_refused: false, sealed_at: now }
    }

    /// Sends what comes until the sender is gone; then waits a little for the last acknowledgements.
    ///
    /// It reads and writes files, so it wants a thread that may wait for the disk.
    pub async fn run(mut self, mut items: Receiver<Item>) {
        let (mut age, mut try_again) = (every(BATCH_AGE), every(TRY_AGAIN));
        loop {
            tokio::select! {
                item = items.recv() => match item {
                    Some(item) => self.outbox.push(item, Timestamp::now()),
                    None => break,
                },
                _ = age.tick() => self.on_age(),
                _ = try_again.tick() => self.outbox.try_again(),
                event = self.way.next() => self.on_event(event),
            }
            self.send();
        }
        self.outbox.seal(Timestamp::now());
        let finished = timeout(LAST_WORDS, self.finish()).await;
        if finished.is_err() || !self.outbox.is_empty() {
            self.say_left();
        }
    }

    /// Until all is acknowledged, or on disk and nobody there to take it.
    async fn finish(&mut self) {
        while !self.outbox.is_empty() && (self.way.is_open() || !self.outbox.is_filed()) {
            self.send();
            let event = self.way.next().await;
            self.on_event(event);
        }
    }

    fn say_left(&self) {
        let batches = self.outbox.waiting();
        if self.outbox.is_filed() {
            info!(batches, "The last batches are in the spool, for the next run to send.");
        } else {
            warn!(batches, "The collector did not acknowledge the last batches.");
        }
    }

    fn on_age(&mut self) {
        if self.way.is_open() || self.sealed_at.elapsed() >= BATCH_AGE_ALONE {
            self.outbox.seal(Timestamp::now());
            self.sealed_at = Instant::now();
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Due => self.way = Way::open(&self.endpoint, self.was_refused),
            Event::Opened(Ok(live)) => {
                info!(collector = %self.endpoint.uri(), "Connected to the collector.");
                self.way = Way::Open(live);
            }
            Event::Ack(Ok(ack)) => {
                self.backoff = BACKOFF.build();
                self.outbox.acknowledge(&ack.boot, ack.sequence);
            }
            Event::Opened(Err(end)) | Event::Ack(Err(end)) => self.failed(&end),
        }
    }

    fn failed(&mut self, End { error, refuses, refused }: &End) {
        self.metrics.stream_failures.inc();
        self.was_refused = *refuses;
        if let Some((boot, sequence)) = refused {
            self.outbox.refuse(boot, *sequence, Timestamp::now());
        }
        let wait = self.backoff.next().unwrap_or(OPEN_TIMEOUT);
        warn!(collector = %self.endpoint.uri(), error, retry_in = ?wait,
            "No stream to the collector; batches are kept.");
        self.way = Way::Closed(Instant::now() + wait);
    }

    /// Sends sealed batches as far as the stream takes them.
    fn send(&mut self) {
        let Way::Open(live) = &mut self.way else { return };
        while live.has_room()
            && let Some(batch) = self.outbox.after(live.last, Timestamp::now())
        {
            live.send(batch);
        }
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

#[cfg(test)]
mod kills;
#[cfg(test)]
mod tests;
