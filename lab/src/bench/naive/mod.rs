//! The baseline: what a simple observer of flows does. A program on the same hooks as Portolan's looks up or inserts the
//! five-tuple of every packet in a table and counts there; a reader empties the table every five seconds.
//!
//! ```text
//! every packet ─► program ─► table (LRU, per CPU) ─► reader, in batches
//! ```
//! It knows no outcome, no drop, no translation, no pod and no policy: it is what counting alone costs.

mod program;
mod table;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::net::if_::if_nametoindex;
use nix::time::{ClockId, clock_gettime};

use super::BenchError;
use super::bpf::descriptor;
use super::scene::{NODE, Scene};
use program::{Direction, assemble};
use table::Table;

pub(super) use table::Read;

const PROG_LOAD: libc::c_long = 5;
const LINK_CREATE: libc::c_long = 28;
const SCHED_CLS: u32 = 3;
const TCX_INGRESS: u32 = 46;
const TCX_EGRESS: u32 = 47;

/// How often the table is emptied.
const PERIOD: Duration = Duration::from_secs(5);

/// The running baseline.
#[derive(Debug)]
pub(super) struct Naive {
    /// They hold the programs on their devices.
    links: Vec<OwnedFd>,
    stop: Sender<()>,
    reader: JoinHandle<io::Result<(Read, Duration)>>,
}

impl Naive {
    /// Attaches to the devices of all pods; it observes when this returns.
    pub(super) fn start(scene: &Scene) -> Result<Self, BenchError> {
        let veths = scene.veths()?;
        let (table, links) = scene
            .lab
            .within(NODE, || {
                let table = Table::create()?;
                let links = attach(&table, &veths)?;
                Ok((table, links))
            })?
            .map_err(BenchError::Baseline)?;
        let (stop, stopped) = mpsc::channel();
        let reader = thread::spawn(move || {
            let mut table = table;
            let mut read = Read::default();
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(PERIOD) {
                read.add(table.drain()?);
            }
            let before = own_time()?;
            read.add(table.drain()?);
            Ok((read, own_time()?.saturating_sub(before)))
        });
        Ok(Self { links, stop, reader })
    }

    /// Empties the table for the last time; what was read in all, and the processor time of that last reading.
    pub(super) fn stop(self) -> Result<(Read, Duration), BenchError> {
        let Self { links, stop, reader } = self;
        drop(stop);
        let result = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        drop(links);
        result.map_err(BenchError::Baseline)
    }
}

impl Read {
    /// Counts another reading too.
    pub(super) fn add(&mut self, other: Self) {
        let Self { flows, packets } = other;
        self.flows += flows;
        self.packets += packets;
    }
}

/// The attributes of `BPF_PROG_LOAD`, as far as they are given.
#[repr(C)]
struct Load {
    kind: u32,
    instructions: u32,
    code: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
}

/// The attributes of `BPF_LINK_CREATE`, as far as they are given.
#[repr(C)]
struct Link {
    program: u32,
    device: u32,
    place: u32,
    flags: u32,
}

fn attach(table: &Table, veths: &[String]) -> io::Result<Vec<OwnedFd>> {
    let programs = [
        (load(&assemble(table.number(), Direction::FromPod))?, TCX_INGRESS),
        (load(&assemble(table.number(), Direction::ToPod))?, TCX_EGRESS),
    ];
    let mut links = Vec::new();
    for veth in veths {
        let device = if_nametoindex(veth.as_str())?;
        for (program, place) in &programs {
            let mut link = Link { program: program.as_raw_fd() as u32, device, place: *place, flags: 0 };
            links.push(descriptor(LINK_CREATE, &mut link)?);
        }
    }
    Ok(links)
}

fn load(code: &[u64]) -> io::Result<OwnedFd> {
    static LICENSE: &[u8; 4] = b"GPL\0";
    let mut log = vec![0_u8; 1 << 16];
    let mut attributes = Load {
        kind: SCHED_CLS,
        instructions: code.len() as u32,
        code: code.as_ptr() as u64,
        license: LICENSE.as_ptr() as u64,
        log_level: 1,
        log_size: log.len() as u32,
        log: log.as_mut_ptr() as u64,
    };
    descriptor(PROG_LOAD, &mut attributes).map_err(|err| {
        let said = String::from_utf8_lossy(&log);
        let tail: Vec<&str> = said.trim_end_matches('\0').lines().rev().take(4).collect();
        io::Error::new(err.kind(), format!("{err}; the verifier says, last line first: {}", tail.join(" | ")))
    })
}

/// Processor time of this thread.
fn own_time() -> io::Result<Duration> {
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?))
}
