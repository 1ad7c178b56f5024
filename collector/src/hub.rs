//! What all connections share: the way to the writer, what it shows, and the clock.

use crate::{
    clock::Now,
    config::Config,
    graph::{Graph, Keeper, Settings},
    intake::{Batch, Intake},
    ledger::{Ledger, OpenFolderError, Shelf, StoreError},
    metrics::Metrics,
    names::Names,
    status,
    writer::{Inbox, SharedIntake, Writer, lock},
};
use jiff::Timestamp;
use portolan_proto::v1;
use std::{
    io,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};
use tokio::{
    sync::oneshot,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often time passes for those who wait.
const TICK: Duration = Duration::from_millis(100);

/// The state that all connections share.
#[derive(Debug)]
pub(crate) struct Hub {
    intake: SharedIntake,
    inbox: Inbox,
    shelf: Arc<Shelf>,
    graph: Arc<Graph>,
    metrics: Arc<Metrics>,
    names: Names,
    limits: status::Limits,
    stall: Duration,
    started: Instant,
    stopping: CancellationToken,
}

/// How the writer ended; nothing where it could not even say.
pub(crate) type End = oneshot::Receiver<Result<(), StoreError>>;

impl Hub {
    /// A collector that goes on where the last one on its folder stopped, and ends with the token.
    pub(crate) fn open(
        config: &Config,
        stopping: CancellationToken,
    ) -> Result<(Self, Writer), OpenFolderError> {
        let metrics = Arc::new(Metrics::new());
        let begin = Instant::now();
        let (ledger, restored) = Ledger::open(config, Arc::clone(&metrics), Timestamp::now())?;
        if let Some(path) = ledger.path() {
            info!(
                folder = %path.display(),
                flows = ledger.shelf().catalog().len(),
                waiting = restored.waits.len(),
                took = ?begin.elapsed(),
                "Ledger opened."
            );
        } else {
            warn!("No folder given: flows are kept in memory, and gone when the collector ends.");
        }
        let started = Instant::now();
        let intake = Arc::new(Mutex::new(Intake::new(config, Arc::clone(&metrics), restored)));
        let shelf = ledger.shelf();
        let (counters, settings) = (metrics.graph.clone(), Settings::from(config));
        let mut keeper = Keeper::open(ledger.store(), counters, settings, Timestamp::now());
        keeper.follow(ledger.shelf());
        let graph = keeper.graph();
        let (writer, inbox) = Writer::new(Arc::clone(&intake), ledger, keeper, started);
        let limits = status::Limits::of(config);
        let stall = config.stall;
        let names = Names::default();
        let hub = Self { intake, inbox, shelf, graph, metrics, names, limits, stall, started, stopping };
        Ok((hub, writer))
    }

    /// What is counted.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What batches name.
    pub(crate) const fn names(&self) -> &Names {
        &self.names
    }

    /// What is kept.
    pub(crate) fn shelf(&self) -> Arc<Shelf> {
        Arc::clone(&self.shelf)
    }

    /// How long somebody who asked may take nothing.
    pub(crate) fn stall(&self) -> Duration {
        self.stall
    }

    /// Who talks to whom.
    pub(crate) fn graph(&self) -> Arc<Graph> {
        Arc::clone(&self.graph)
    }

    /// Cancelled when the collector is to stop.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Applies a batch. True when its effects are durable; false when the collector is ending.
    pub(crate) async fn apply(&self, batch: Batch) -> bool {
        self.inbox.apply(batch).await
    }

    /// An agent's stream is open. False when there are too many agents to know one more.
    pub(crate) fn connected(&self, node: &str) -> bool {
        let mut intake = lock(&self.intake);
        let room = intake.nodes.has_room(node);
        if room {
            intake.nodes.connected(node, self.now());
        }
        room
    }

    /// An agent's stream has ended.
    pub(crate) fn disconnected(&self, node: &str) {
        lock(&self.intake).nodes.disconnected(node, self.now());
    }

    /// How everything is doing.
    pub(crate) fn status(&self) -> v1::GetStatusResponse {
        let report = status::Report { shelf: &self.shelf, metrics: &self.metrics, limits: self.limits };
        report.get(&lock(&self.intake), self.now())
    }

    /// Lets time pass until the collector stops, then lets the writer end.
    pub(crate) async fn keep_time(&self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while self.stopping.run_until_cancelled(ticks.tick()).await.is_some() {
            self.inbox.tick();
            self.shelf.tick();
        }
        self.inbox.stop().await;
    }

    fn now(&self) -> Now {
        Now { uptime: self.started.elapsed(), wall: Timestamp::now() }
    }
}

/// Starts the writer's thread.
pub(crate) fn start(writer: Writer) -> io::Result<End> {
    let (ended, end) = oneshot::channel();
    let run = move || {
        // Who would hear it may be gone.
        ended.send(writer.run()).ok();
    };
    thread::Builder::new().name("ledger".to_owned()).spawn(run)?;
    Ok(end)
}
