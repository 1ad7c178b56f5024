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
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::net::if_::if_nametoindex;
use nix::time::{ClockId, clock_gettime};

use super::BenchError;
use super::scene::{NODE, Scene};
use crate::bpf::{self, Kind};
use program::{Direction, assemble};
use table::Table;

pub(super) use table::Read;

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

fn attach(table: &Table, veths: &[String]) -> io::Result<Vec<OwnedFd>> {
    let programs = [(Kind::TCX_INGRESS, Direction::FromPod), (Kind::TCX_EGRESS, Direction::ToPod)];
    let mut links = Vec::new();
    for (kind, direction) in programs {
        let program = bpf::load(kind, &assemble(table.number(), direction))?;
        for veth in veths {
            let device = if_nametoindex(veth.as_str())?;
            links.push(bpf::attach(kind, program.as_fd(), device, 0)?);
        }
    }
    Ok(links)
}

/// Processor time of this thread.
fn own_time() -> io::Result<Duration> {
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?))
}
