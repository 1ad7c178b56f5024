//! The one state behind all connections, its clock and its end.

use crate::{
    clock::Now,
    config::Config,
    intake::{Batch, Intake, Subscription},
    metrics::Metrics,
    status,
    subscribe::Wanted,
};
use jiff::Timestamp;
use portolan_proto::v1;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often time passes for those who wait.
const TICK: Duration = Duration::from_millis(100);

/// The state that all connections share. The lock is never held across an await.
#[derive(Debug)]
pub(crate) struct Hub {
    intake: Mutex<Intake>,
    metrics: Arc<Metrics>,
    started: Instant,
    stopping: CancellationToken,
}

impl Hub {
    /// A collector that starts now and ends with the token.
    pub(crate) fn new(config: &Config, stopping: CancellationToken) -> Self {
        let metrics = Arc::new(Metrics::new());
        let intake = Mutex::new(Intake::new(config, Arc::clone(&metrics)));
        Self { intake, metrics, started: Instant::now(), stopping }
    }

    /// What is counted.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Cancelled when the collector is to stop.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Applies a batch.
    pub(crate) fn apply(&self, batch: Batch) {
        self.lock().apply(self.now(), batch);
    }

    /// An agent's stream is open. False when there are too many agents to know one more.
    pub(crate) fn connected(&self, node: &str) -> bool {
        let mut intake = self.lock();
        let room = intake.nodes.has_room(node);
        if room {
            intake.nodes.connected(node, self.now());
        }
        room
    }

    /// An agent's stream has ended.
    pub(crate) fn disconnected(&self, node: &str) {
        self.lock().nodes.disconnected(node, self.now());
    }

    /// The kept flows and, when following, those to come. None when too many follow already.
    pub(crate) fn subscribe(&self, wanted: Wanted, follow: bool) -> Option<Subscription> {
        self.lock().subscribe(wanted, follow)
    }

    /// How everything is doing.
    pub(crate) fn status(&self) -> v1::GetStatusResponse {
        status::report(&self.lock(), &self.metrics, self.now())
    }

    /// Lets time pass until the collector stops, then lets go of what waits.
    pub(crate) async fn keep_time(&self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while self.stopping.run_until_cancelled(ticks.tick()).await.is_some() {
            self.lock().tick(self.now());
        }
        self.lock().close(self.now());
    }

    fn now(&self) -> Now {
        Now { uptime: self.started.elapsed(), wall: Timestamp::now() }
    }

    /// A panic elsewhere must not end the collector: the state is sound after every step.
    fn lock(&self) -> MutexGuard<'_, Intake> {
        self.intake.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
