//! The one thread that applies batches: takes what is there, applies all of it, makes it durable in
//! one transaction, has the graph count it, then acknowledges all of it.

use crate::{
    clock::Now,
    graph::Keeper,
    intake::{Batch, Intake},
    ledger::{Ledger, StoreError},
};
use jiff::Timestamp;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::{
    mpsc::{self, error::TryRecvError},
    oneshot,
};
use tracing::warn;

/// Batches that may wait for the thread. Each stream sends one at a time, and waits where this is full.
const QUEUE: usize = 256;

/// Observations of one transaction, after which no more batches are taken into it.
const GROUP: usize = 16_384;

/// How often old flows are looked for.
const CLEAN: Duration = Duration::from_secs(1);

/// How long a clean-up may fail before it is said again.
const SAY_AGAIN: Duration = Duration::from_mins(1);

/// What the thread is asked.
#[derive(Debug)]
enum Job {
    /// To apply a batch, and to say so when it is durable.
    Apply(Box<Batch>, oneshot::Sender<()>),
    /// To let time pass.
    Tick,
    /// To end after what came before.
    Stop,
}

/// The way to the thread.
#[derive(Clone, Debug)]
pub(crate) struct Inbox(mpsc::Sender<Job>);

impl Inbox {
    /// Has a batch applied. True when it is durable, false when the thread has ended.
    pub(crate) async fn apply(&self, batch: Batch) -> bool {
        let (done, durable) = oneshot::channel();
        self.0.send(Job::Apply(Box::new(batch), done)).await.is_ok() && durable.await.is_ok()
    }

    /// Lets time pass, unless the thread is busy: then it does so anyway.
    pub(crate) fn tick(&self) {
        self.0.try_send(Job::Tick).ok();
    }

    /// Ends the thread after what came before.
    pub(crate) async fn stop(&self) {
        self.0.send(Job::Stop).await.ok();
    }
}

/// The state that others look at between two steps. The lock is never held during a commit.
pub(crate) type SharedIntake = Arc<Mutex<Intake>>;

/// Takes the lock. A panic elsewhere must not end the collector: the state is sound after every step.
pub(crate) fn lock(intake: &Mutex<Intake>) -> MutexGuard<'_, Intake> {
    intake.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the thread owns.
#[derive(Debug)]
pub(crate) struct Writer {
    intake: SharedIntake,
    ledger: Ledger,
    keeper: Keeper,
    started: Instant,
    jobs: mpsc::Receiver<Job>,
    cleaned: Duration,
    /// When it was last said that a clean-up failed.
    said: Option<Duration>,
}

/// What a group of jobs leaves to be done after its transaction.
#[derive(Debug, Default)]
struct Group {
    acks: Vec<oneshot::Sender<()>>,
    observations: usize,
    stops: bool,
}

impl Writer {
    /// A thread that is to be [`run`](Self::run), and the way to it.
    pub(crate) fn new(
        intake: SharedIntake,
        ledger: Ledger,
        keeper: Keeper,
        started: Instant,
    ) -> (Self, Inbox) {
        let (sender, jobs) = mpsc::channel(QUEUE);
        let writer = Self { intake, ledger, keeper, started, jobs, cleaned: Duration::ZERO, said: None };
        (writer, Inbox(sender))
    }

    /// Works until it is told to stop, or until nothing can be made durable any more.
    pub(crate) fn run(mut self) -> Result<(), StoreError> {
        let mut stops = false;
        while !stops {
            match self.next() {
                Ok(job) => stops = self.apply(job)?,
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => break,
            }
            let now = self.now();
            self.keeper.step(now)?;
            self.ledger.check()?;
            self.clean(now);
        }
        self.ledger.shelf().close();
        self.keeper.checkpoint()
    }

    /// The next job. Waits for it, unless the graph has something to do meanwhile.
    fn next(&mut self) -> Result<Job, TryRecvError> {
        if self.keeper.is_behind() {
            return self.jobs.try_recv();
        }
        self.jobs.blocking_recv().ok_or(TryRecvError::Disconnected)
    }

    /// Makes durable what this job and those behind it bring, and says so. True where one of them was to stop.
    fn apply(&mut self, job: Job) -> Result<bool, StoreError> {
        let Group { acks, observations: _, stops } = self.group(job);
        let now = self.now();
        let effects = lock(&self.intake).take_effects();
        if !effects.is_empty() {
            let flows = self.ledger.commit(effects, now.wall)?;
            self.keeper.add(&flows, now.wall);
        }
        for ack in acks {
            // Who asked may be gone.
            ack.send(()).ok();
        }
        Ok(stops)
    }

    /// Applies this job and those that wait behind it.
    fn group(&mut self, first: Job) -> Group {
        let intake = Arc::clone(&self.intake);
        let mut intake = lock(&intake);
        let mut group = Group::default();
        let mut next = Some(first);
        while let Some(job) = next {
            self.step(&mut intake, job, &mut group);
            let full = group.observations >= GROUP || group.stops;
            next = if full { None } else { self.jobs.try_recv().ok() };
        }
        if !group.stops {
            // Where the queue is always full, no tick gets in.
            intake.tick(self.now());
        }
        group
    }

    fn step(&self, intake: &mut Intake, job: Job, group: &mut Group) {
        let now = self.now();
        match job {
            Job::Apply(batch, ack) => {
                group.observations += batch.observations.len();
                intake.apply(now, *batch, &|connection| self.ledger.told(connection));
                group.acks.push(ack);
            }
            Job::Tick => intake.tick(now),
            Job::Stop => {
                group.stops = true;
                // What waits on disk waits for the next run.
                if !self.ledger.is_durable() {
                    intake.flush(now);
                }
            }
        }
    }

    /// Lets go of what is old. A failure costs room, not truth: it is said, and tried again.
    fn clean(&mut self, now: Now) {
        if now.uptime.saturating_sub(self.cleaned) < CLEAN {
            return;
        }
        self.cleaned = now.uptime;
        let said = self.said.is_some_and(|said| now.uptime.saturating_sub(said) < SAY_AGAIN);
        if let Err(error) = self.ledger.clean(now.wall, self.keeper.through())
            && !said
        {
            self.said = Some(now.uptime);
            warn!(%error, cause = %error.source, "Old flows stay, dropping them failed.");
        }
    }

    fn now(&self) -> Now {
        Now { uptime: self.started.elapsed(), wall: Timestamp::now() }
    }
}
