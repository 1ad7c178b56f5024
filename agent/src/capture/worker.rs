//! The capture thread: drains the ring on a timer, closes attempts, passes them on.

use super::{
    handover::{Captured, Giver},
    probes::{Cost, Probes, chain},
};
use crate::{
    clock::monotonic,
    connections::{Attempt, Connections},
    event::Nanos,
    metrics::{ByProbe, Metrics},
};
use aya::programs::{ProgramError, tc::TcError};
use portolan_ebpf_types::lost;
use prometheus_client::metrics::counter::Counter;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// How often the ring is drained: the reader is never woken per event.
const DRAIN_EVERY: Duration = Duration::from_millis(20);

/// Rounds between two looks at what the probes cost.
const COST_EVERY: u32 = 50;

/// What the capture thread is told.
#[derive(Debug)]
pub enum Command {
    /// Attach to this device if it is new.
    Attach {
        /// Its index.
        ifindex: u32,
        /// Its name.
        name: String,
    },
    /// A device is gone.
    Gone {
        /// Its index.
        ifindex: u32,
    },
    /// These are all the devices there are: what else is attached to is gone.
    Present(Vec<(u32, String)>),
}

/// The capture thread's belongings.
pub struct Worker {
    probes: Probes,
    connections: Connections,
    commands: Receiver<Command>,
    out: Giver,
    metrics: Arc<Metrics>,
    rounds: u32,
    /// What was lost and could not be told yet.
    untold: BTreeMap<&'static str, Untold>,
    /// What was lost in the kernel, as far as it was counted here.
    counted: [u64; lost::COUNT as usize],
    /// When losses were last looked for.
    looked: Nanos,
    /// When the probes' cost was last looked at, and what they missed.
    costed: Nanos,
}

/// Losses of one cause that could not be told yet.
#[derive(Clone, Copy, Debug)]
struct Untold {
    count: u64,
    from: Nanos,
    to: Nanos,
}

impl Untold {
    const fn of(self, cause: &'static str) -> Captured {
        let Self { count, from, to } = self;
        Captured::Lost { cause, count, from, to }
    }
}

const CAUSES: [&str; lost::COUNT as usize] = ["kernel-ring-full", "kernel-map-full"];
const PROBE_MISSED: &str = "probe-missed";
const TABLE_FULL: &str = "attempt-table-full";
const QUEUE_FULL: &str = "attempt-queue-full";

impl Worker {
    /// A worker that has not begun.
    pub fn new(
        probes: Probes,
        connections: Connections,
        commands: Receiver<Command>,
        out: Giver,
        metrics: &Arc<Metrics>,
    ) -> Self {
        Self {
            probes,
            connections,
            commands,
            out,
            metrics: Arc::clone(metrics),
            rounds: 0,
            untold: BTreeMap::new(),
            counted: Default::default(),
            looked: monotonic(),
            costed: monotonic(),
        }
    }

    /// Captures until told to stop; then reports what is still open.
    pub fn run(mut self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            self.wait_for_commands(Instant::now() + DRAIN_EVERY);
            self.round();
        }
        let mut over = self.drain();
        self.connections.flush(&mut self.probes, &mut over);
        self.count_losses();
        self.out.finish(over, self.untold.into_iter().map(|(cause, untold)| untold.of(cause)));
    }

    /// Waits for the next round. A new device is attached to at once: its pod is about to talk.
    fn wait_for_commands(&mut self, until: Instant) {
        loop {
            match self.commands.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Command::Attach { ifindex, name }) => self.attach(ifindex, &name),
                Ok(Command::Gone { ifindex }) => self.gone(ifindex),
                Ok(Command::Present(devices)) => self.present(&devices),
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => {
                    std::thread::sleep(until.saturating_duration_since(Instant::now()));
                    return;
                }
            }
        }
    }

    /// Attaches to a device; one that vanishes meanwhile is no failure.
    pub fn attach(&mut self, ifindex: u32, name: &str) {
        match self.probes.attach(ifindex, name) {
            Ok(true) => info!(ifindex, device = name, "Attached to a pod interface."),
            Ok(false) => {}
            Err(error) if is_gone(&error) => {
                debug!(ifindex, device = name, "The interface vanished before it could be attached to.");
            }
            Err(error) => {
                self.metrics.attach_failures.inc();
                warn!(ifindex, device = name, error = %chain(&error),
                    "Cannot attach to a pod interface: its connections are not seen.");
            }
        }
        self.metrics.devices.set(self.probes.attached().len() as i64);
    }

    fn present(&mut self, devices: &[(u32, String)]) {
        let is_present = |ifindex: &u32| devices.iter().any(|(present, _)| present == ifindex);
        for ifindex in self.probes.attached().filter(|ifindex| !is_present(ifindex)).collect::<Vec<_>>() {
            self.gone(ifindex);
        }
        for (ifindex, name) in devices {
            self.attach(*ifindex, name);
        }
    }

    fn gone(&mut self, ifindex: u32) {
        let mut over = self.drain();
        self.probes.detach(ifindex);
        self.connections.device_gone(ifindex, &mut self.probes, &mut over);
        self.metrics.devices.set(self.probes.attached().len() as i64);
        self.send(over);
    }

    fn round(&mut self) {
        let mut over = self.drain();
        self.connections.tick(monotonic(), &mut self.probes, &mut over);
        self.metrics.open_attempts.set(self.connections.len() as i64);
        self.send(over);
        self.tell_losses();
        self.tell_costs();
    }

    /// The probes' cost changes slowly: now and then is enough.
    fn tell_costs(&mut self) {
        self.rounds = (self.rounds + 1) % COST_EVERY;
        if self.rounds != 0 {
            return;
        }
        for Cost { probe, runs, nanos, missed } in self.probes.costs() {
            let label = ByProbe { probe };
            let raise = |counter: &Counter, value: u64| {
                counter.inc_by(value.saturating_sub(counter.get()));
            };
            raise(&self.metrics.probe_runs.get_or_create(&label), runs);
            let known = self.metrics.probe_missed.get_or_create(&label).get();
            self.lose(PROBE_MISSED, missed.saturating_sub(known), self.costed);
            raise(&self.metrics.probe_missed.get_or_create(&label), missed);
            self.metrics.probe_run_seconds.get_or_create(&label).set(nanos as f64 / 1e9);
        }
        self.costed = monotonic();
    }

    fn drain(&mut self) -> Vec<Attempt> {
        let mut over = Vec::new();
        let mut events = 0;
        let unknown = self.probes.drain(|event| {
            events += 1;
            self.connections.on_event(&event, &mut over);
        });
        self.metrics.events.inc_by(events);
        self.metrics.unknown_events.inc_by(unknown);
        over
    }

    fn send(&mut self, over: Vec<Attempt>) {
        let refused = self.out.give(over);
        self.lose(QUEUE_FULL, refused, self.looked);
    }

    /// Tells what was lost; what cannot be told yet stays.
    fn tell_losses(&mut self) {
        self.count_losses();
        let out = &self.out;
        self.untold.retain(|&cause, untold| !out.tell(untold.of(cause)));
    }

    /// Adds up what was lost since the last time.
    fn count_losses(&mut self) {
        let lost = self.probes.lost();
        for (index, cause) in CAUSES.into_iter().enumerate() {
            self.lose(cause, lost[index].saturating_sub(self.counted[index]), self.looked);
            self.counted[index] = lost[index];
        }
        let refused = self.connections.take_evicted();
        self.lose(TABLE_FULL, refused, self.looked);
        self.looked = monotonic();
    }

    /// So many were lost between then and now.
    fn lose(&mut self, cause: &'static str, count: u64, from: Nanos) {
        if count > 0 {
            let to = monotonic();
            let untold = self.untold.entry(cause).or_insert(Untold { count: 0, from, to });
            untold.count += count;
            untold.to = to;
        }
    }
}

/// Whether the device vanished before or while it was attached to.
fn is_gone(error: &ProgramError) -> bool {
    let io = match error {
        ProgramError::TcError(TcError::IoError(io)) => io,
        ProgramError::SyscallError(call) => &call.io_error,
        _ => return false,
    };
    matches!(io.raw_os_error(), Some(libc::ENODEV | libc::ENXIO))
}
