//! The kernel's run-time statistics of BPF programs: switched on for as long as a guard lives, and what they cost.
//!
//! The kernel holds them on for an open descriptor, so that they go off again whatever becomes of this process.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use crate::bpf::{ENABLE_STATS, Kind, PROG_TEST_RUN, call, descriptor, load};

/// Runs of the empty program in one trial.
const TRIAL: u32 = 500_000;

/// Statistics are on while this lives.
#[derive(Debug)]
#[must_use = "statistics go off when their guard is dropped"]
pub(super) struct Statistics {
    _held: OwnedFd,
}

impl Statistics {
    /// Switches them on.
    pub(super) fn enable() -> io::Result<Self> {
        /// The one kind there is: run time.
        const RUN_TIME: u32 = 0;
        descriptor(ENABLE_STATS, &mut [RUN_TIME]).map(|held| Self { _held: held })
    }
}

/// What the statistics make of a program that does nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Floor {
    /// Nanoseconds per run that they count for it.
    pub(super) counted: f64,
    /// Nanoseconds per run that they add to it.
    pub(super) added: f64,
}

impl Floor {
    /// Measures it. The statistics must be off before.
    pub(super) fn measure() -> io::Result<Self> {
        let program = Empty::load()?;
        let without = program.run()?;
        let _on = Statistics::enable()?;
        let with = program.run()?;
        Ok(Self {
            counted: program.counted()?,
            added: (with.as_nanos() as f64 - without.as_nanos() as f64).max(0.0),
        })
    }
}

/// A program that returns at once.
struct Empty(OwnedFd);

/// The attributes of `BPF_PROG_TEST_RUN`, as far as they are given.
#[repr(C)]
struct Trial {
    program: u32,
    result: u32,
    size_in: u32,
    size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    nanos: u32,
}

impl Empty {
    fn load() -> io::Result<Self> {
        /// `r0 = 0; exit`
        static CODE: [u64; 2] = [0xb7, 0x95];
        load(Kind::SOCKET_FILTER, &CODE).map(Self)
    }

    /// Runs it many times; how long one run takes, by the kernel's clock, in whole nanoseconds.
    fn run(&self) -> io::Result<Duration> {
        /// The smallest frame that the kernel takes: addresses, type, some bytes.
        static FRAME: [u8; 64] = [0; 64];
        let mut trial = Trial {
            program: self.0.as_raw_fd() as u32,
            result: 0,
            size_in: FRAME.len() as u32,
            size_out: 0,
            data_in: FRAME.as_ptr() as u64,
            data_out: 0,
            repeat: TRIAL,
            nanos: 0,
        };
        call(PROG_TEST_RUN, &mut trial)?;
        Ok(Duration::from_nanos(u64::from(trial.nanos)))
    }

    /// Nanoseconds per run by the statistics.
    fn counted(&self) -> io::Result<f64> {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", self.0.as_raw_fd()))?;
        let field = |name: &str| {
            let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|value| value.trim().parse::<f64>().ok())
        };
        match (field("run_time_ns"), field("run_cnt")) {
            (Some(nanos), Some(runs)) if runs > 0.0 => Ok(nanos / runs),
            _ => Err(io::Error::other("the kernel counted no run of the trial program")),
        }
    }
}
