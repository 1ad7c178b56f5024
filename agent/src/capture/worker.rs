//! The capture thread: drains the ring on a timer, closes attempts, passes them on.

use super::{
    losses::{KERNEL_LOSSES, LossCause, Losses, Lost},
    probes::{Cost, Probes, chain},
};
use crate::{
    clock::monotonic,
    connections::{Attempt, Connections},
    metrics::{ByProbe, Cause, Metrics},
};
use aya::programs::{ProgramError, tc::TcError};
use portolan_ebpf_types::lost;
use prometheus_client::metrics::counter::Counter;
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};
use tokio::sync::mpsc::{Sender, error::TrySendError};
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

/// What the capture thread tells.
#[derive(Debug)]
pub enum Captured {
    /// An attempt is over.
    Attempt(Box<Attempt>),
    /// Something could not be kept.
    Lost(Lost),
}

/// The capture thread's belongings.
pub struct Worker {
    probes: Probes,
    connections: Connections,
    commands: Receiver<Command>,
    out: Sender<Captured>,
    metrics: Arc<Metrics>,
    rounds: u32,
    losses: Losses,
    /// What was lost in the kernel, as far as it was counted here.
    counted: [u64; lost::COUNT as usize],
}

impl Worker {
    /// A worker that has not begun.
    pub fn new(
        probes: Probes,
        connections: Connections,
        commands: Receiver<Command>,
        out: Sender<Captured>,
        metrics: &Arc<Metrics>,
    ) -> Self {
        Self {
            probes,
            connections,
            commands,
            out,
            metrics: Arc::clone(metrics),
            rounds: 0,
            losses: Losses::new(monotonic()),
            counted: Default::default(),
        }
    }

    /// Captures until told to stop; then reports what is still open.
    pub fn run(mut self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            self.wait_for_commands(Instant::now() + DRAIN_EVERY);
            self.round();
        }
        self.end();
    }

    /// Tells all that is left. It may wait for room: nothing comes after it.
    fn end(mut self) {
        let mut over = self.drain();
        self.connections.flush(&mut self.probes, &mut over);
        self.count_losses();
        // Losses first: lines carry them in the next flow.
        let losses = self.losses.take().map(Captured::Lost);
        let attempts = over.into_iter().map(|attempt| Captured::Attempt(Box::new(attempt)));
        for captured in losses.chain(attempts) {
            if self.out.blocking_send(captured).is_err() {
                break;
            }
        }
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
        match self.probes.attach(ifindex) {
            Ok(true) => info!(ifindex, device = name, "Attached to a pod interface."),
            Ok(false) => {}
            Err(error) if is_gone(&error) => {
                debug!(ifindex, device = name, "The interface vanished before it could be attached to.");
            }
            Err(error) => {
                self.metrics.attach_failures.inc();
                self.lose(LossCause::AttachFailed, 1);
                warn!(ifindex, device = name, error = %chain(&error),
                    "Cannot attach to a pod interface: its connections are not seen.");
            }
        }
        self.metrics.devices.set(self.probes.attached().len() as i64);
    }

    /// Netlink had more to tell than could be heard.
    fn present(&mut self, devices: &[(u32, String)]) {
        self.lose(LossCause::Interfaces, 1);
        let present: BTreeSet<u32> = devices.iter().map(|(ifindex, _)| *ifindex).collect();
        for ifindex in self.probes.attached().filter(|ifindex| !present.contains(ifindex)).collect::<Vec<_>>()
        {
            self.gone(ifindex);
        }
        for (ifindex, name) in devices {
            self.attach(*ifindex, name);
        }
    }

    fn gone(&mut self, ifindex: u32) {
        if !self.probes.is_attached(ifindex) {
            return;
        }
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
            self.lose(LossCause::ProbeMissed, missed.saturating_sub(known));
            raise(&self.metrics.probe_missed.get_or_create(&label), missed);
            self.metrics.probe_run_seconds.get_or_create(&label).set(nanos as f64 / 1e9);
        }
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
        self.lose(LossCause::UnknownRecord, unknown);
        over
    }

    fn send(&mut self, over: Vec<Attempt>) {
        for attempt in over {
            match self.out.try_send(Captured::Attempt(Box::new(attempt))) {
                Ok(()) => {}
                Err(TrySendError::Full(_) | TrySendError::Closed(_)) => self.lose(LossCause::AttemptQueue, 1),
            }
        }
    }

    /// Tells what was lost; what cannot be told yet stays.
    fn tell_losses(&mut self) {
        self.count_losses();
        let out = &self.out;
        self.losses.tell(monotonic(), |lost| out.try_send(Captured::Lost(lost)).is_ok());
    }

    /// Adds up what was lost since the last time.
    fn count_losses(&mut self) {
        let now = monotonic();
        let lost = self.probes.lost();
        for (index, cause) in KERNEL_LOSSES.into_iter().enumerate() {
            let count = lost[index].saturating_sub(self.counted[index]);
            self.counted[index] = lost[index];
            self.count(cause, count);
            self.losses.look(cause, count, now);
        }
        let refused = self.connections.take_evicted();
        self.count(LossCause::AttemptTable, refused);
        self.losses.look(LossCause::AttemptTable, refused, now);
    }

    /// Something was lost right now.
    fn lose(&mut self, cause: LossCause, count: u64) {
        if count > 0 {
            self.count(cause, count);
            self.losses.lose(cause, count, monotonic());
        }
    }

    fn count(&self, cause: LossCause, count: u64) {
        if count > 0 {
            self.metrics.lost.get_or_create(&Cause { cause: cause.as_str() }).inc_by(count);
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
