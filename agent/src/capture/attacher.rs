//! The attaching thread: hangs the programs on devices, keeps them in their place, lets go.
//!
//! A thread of its own: to attach by tcx the kernel waits until no CPU uses the old order of programs
//! any more, which takes ten milliseconds and more, and the ring must be read meanwhile.

use super::{
    ledger::Ledger,
    losses::LossCause,
    probes::{Cost, Probes, chain, current_name},
};
use crate::metrics::{ByProbe, Metrics};
use aya::programs::{ProgramError, tc::TcError};
use prometheus_client::metrics::counter::Counter;
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender},
    },
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// Between two looks at whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Between two looks at what the probes cost.
const COST_EVERY: Duration = Duration::from_secs(1);
/// Between two looks at who else hangs on the devices.
const ORDER_EVERY: Duration = Duration::from_secs(5);

/// What the attaching thread is told.
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
    /// Something was missed. These are all the devices there are: what else is attached to is gone.
    Present(Vec<(u32, String)>),
}

/// The attaching thread's belongings.
pub struct Attacher {
    /// The programs.
    pub probes: Probes,
    /// What it is told.
    pub commands: Receiver<Command>,
    /// Devices that it let go of, for whoever knows what was seen there.
    pub gone: SyncSender<u32>,
    /// Where losses are noted.
    pub ledger: Ledger,
    /// What it counts.
    pub metrics: Arc<Metrics>,
}

impl Attacher {
    /// Works until told to stop.
    pub fn run(mut self, stop: &CancellationToken) {
        let (mut costs, mut order) = (Instant::now(), Instant::now());
        while !stop.is_cancelled() {
            match self.commands.recv_timeout(LOOK_EVERY) {
                Ok(command) => self.obey(command),
                Err(RecvTimeoutError::Timeout) => {}
                // Nobody tells of devices any more; those that are attached to stay.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(LOOK_EVERY),
            }
            if is_due(&mut costs, COST_EVERY) {
                self.tell_costs();
            }
            if is_due(&mut order, ORDER_EVERY) {
                self.keep_in_place();
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Attach { ifindex, name } => {
                if self.attach(ifindex, &name) {
                    let earlier = current_name(ifindex).ok().and_then(|name| crossed(&name)).unwrap_or(0);
                    self.metrics.packets_before_attach.inc_by(earlier);
                }
            }
            Command::Gone { ifindex } => self.gone(ifindex),
            Command::Present(devices) => self.present(&devices),
        }
    }

    /// Attaches to a device, and answers whether it is new; one that vanishes meanwhile is no failure.
    pub fn attach(&mut self, ifindex: u32, name: &str) -> bool {
        let attached = self.probes.attach(ifindex);
        let is_new = matches!(attached, Ok(true));
        match attached {
            Ok(true) => info!(ifindex, device = name, "Attached to an interface."),
            Ok(false) => {}
            Err(error) if is_gone(&error) => {
                debug!(ifindex, device = name, "The interface vanished before it could be attached to.");
            }
            Err(error) => self.failed(ifindex, &error),
        }
        self.metrics.devices.set(self.probes.attached().len() as i64);
        is_new
    }

    fn failed(&self, ifindex: u32, error: &ProgramError) {
        self.metrics.attach_failures.inc();
        self.ledger.lose(LossCause::AttachFailed, 1);
        warn!(ifindex, error = %chain(error), "Cannot attach to an interface: its connections are not seen.");
    }

    fn gone(&mut self, ifindex: u32) {
        if self.probes.is_attached(ifindex) {
            self.probes.detach(ifindex);
            self.let_go(ifindex);
        }
    }

    /// Tells that nothing hangs on a device any more.
    fn let_go(&self, ifindex: u32) {
        self.metrics.devices.set(self.probes.attached().len() as i64);
        // The capture thread takes them in every round; when it has ended nobody asks.
        self.gone.send(ifindex).ok();
    }

    /// Netlink had more to tell than could be heard.
    fn present(&mut self, devices: &[(u32, String)]) {
        self.ledger.lose(LossCause::Interfaces, 1);
        let present: BTreeSet<u32> = devices.iter().map(|(ifindex, _)| *ifindex).collect();
        let attached: Vec<u32> = self.probes.attached().collect();
        for ifindex in attached.into_iter().filter(|ifindex| !present.contains(ifindex)) {
            self.gone(ifindex);
        }
        for (ifindex, name) in devices {
            self.attach(*ifindex, name);
        }
    }

    /// Others may have asked for our place since.
    fn keep_in_place(&mut self) {
        for ifindex in self.probes.displaced() {
            match self.probes.put_in_place(ifindex) {
                Ok(true) => {
                    self.ledger.lose(LossCause::ProgramsMoved, 1);
                    info!(
                        ifindex,
                        "Another program had taken the place of ours on an interface: moved back."
                    );
                }
                Ok(false) => warn!(
                    ifindex,
                    "Another program insists on its place on an interface: what it drops is not seen arriving there."
                ),
                Err(error) => {
                    if !is_gone(&error) {
                        self.failed(ifindex, &error);
                    }
                    self.let_go(ifindex);
                }
            }
        }
    }

    /// The probes' cost changes slowly: now and then is enough.
    fn tell_costs(&mut self) {
        for Cost { probe, runs, nanos, missed } in self.probes.costs() {
            let label = ByProbe { probe };
            let raise = |counter: &Counter, value: u64| {
                counter.inc_by(value.saturating_sub(counter.get()));
            };
            raise(&self.metrics.probe_runs.get_or_create(&label), runs);
            let known = self.metrics.probe_missed.get_or_create(&label).get();
            self.ledger.look(LossCause::ProbeMissed, missed.saturating_sub(known));
            raise(&self.metrics.probe_missed.get_or_create(&label), missed);
            self.metrics.probe_run_seconds.get_or_create(&label).set(nanos as f64 / 1e9);
        }
    }
}

/// Packets that have crossed a device so far, both ways, by the kernel's own count.
fn crossed(device: &str) -> Option<u64> {
    packets(&std::fs::read_to_string("/proc/thread-self/net/dev").ok()?, device)
}

fn packets(table: &str, device: &str) -> Option<u64> {
    const RECEIVED: usize = 1;
    const SENT: usize = 9;
    let mut lines = table.lines().filter_map(|line| line.trim_start().split_once(':'));
    let (_, counters) = lines.find(|(name, _)| *name == device)?;
    let counters: Vec<u64> = counters.split_whitespace().filter_map(|count| count.parse().ok()).collect();
    Some(counters.get(RECEIVED)? + counters.get(SENT)?)
}

fn is_due(last: &mut Instant, every: Duration) -> bool {
    let is_due = last.elapsed() >= every;
    if is_due {
        *last = Instant::now();
    }
    is_due
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

#[cfg(test)]
mod tests {
    use super::packets;

    const TABLE: &str = "\
        Inter-|   Receive                                                |  Transmit\n \
         face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
            lo:    1000      10    0    0    0     0          0         0     1000      10    0    0    0     0       0          0\n\
        cali12:     860       7    0    0    0     0          0         0      470       5    0    0    0     0       0          0\n";

    #[test]
    fn packets_of_both_directions_are_added_up() {
        assert_eq!(packets(TABLE, "cali12"), Some(12));
        assert_eq!(packets(TABLE, "lo"), Some(20));
        assert_eq!(packets(TABLE, "cali1"), None);
    }
}
