//! The baseline's table of flows: a map of the kernel, emptied in batches.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::program::{KEY, VALUE};
use crate::bpf::{call, descriptor};

const MAP_CREATE: libc::c_long = 0;
const LOOKUP_AND_DELETE_BATCH: libc::c_long = 25;
const LRU_PERCPU_HASH: u32 = 10;
/// Flows between two readings; then the oldest goes.
const ENTRIES: u32 = 262_144;
/// Entries that are taken at once.
const BATCH: usize = 4096;

/// What was read of the table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::bench) struct Read {
    /// Entries.
    pub(in crate::bench) flows: u64,
    /// What they counted.
    pub(in crate::bench) packets: u64,
}

/// The table.
#[derive(Debug)]
pub(super) struct Table {
    map: OwnedFd,
    processors: usize,
    keys: Vec<u8>,
    values: Vec<u8>,
}

/// The attributes of `BPF_MAP_CREATE`, as far as they are given.
#[repr(C)]
struct Create {
    kind: u32,
    key: u32,
    value: u32,
    entries: u32,
}

/// The attributes of the batch commands.
#[repr(C)]
struct Batch {
    begin: u64,
    end: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    element_flags: u64,
    flags: u64,
}

impl Table {
    pub(super) fn create() -> io::Result<Self> {
        let mut attributes =
            Create { kind: LRU_PERCPU_HASH, key: KEY as u32, value: VALUE as u32, entries: ENTRIES };
        let processors = possible_processors()?;
        Ok(Self {
            map: descriptor(MAP_CREATE, &mut attributes)?,
            processors,
            keys: vec![0; BATCH * KEY],
            values: vec![0; BATCH * VALUE * processors],
        })
    }

    /// The number by which programs know it.
    pub(super) fn number(&self) -> i32 {
        self.map.as_raw_fd()
    }

    /// Takes out everything that is in it.
    pub(super) fn drain(&mut self) -> io::Result<Read> {
        let mut read = Read::default();
        let (mut begin, mut end) = (0_u32, 0_u32);
        let mut is_first = true;
        loop {
            let mut batch = Batch {
                begin: if is_first { 0 } else { &raw const begin as u64 },
                end: &raw mut end as u64,
                keys: self.keys.as_mut_ptr() as u64,
                values: self.values.as_mut_ptr() as u64,
                count: BATCH as u32,
                map: self.map.as_raw_fd() as u32,
                element_flags: 0,
                flags: 0,
            };
            let result = call(LOOKUP_AND_DELETE_BATCH, &mut batch);
            let is_last = matches!(&result, Err(err) if err.raw_os_error() == Some(libc::ENOENT));
            if !is_last {
                result?;
            }
            self.take(batch.count as usize, &mut read);
            if is_last {
                return Ok(read);
            }
            (begin, is_first) = (end, false);
        }
    }

    /// Sums what the processors counted.
    fn take(&self, count: usize, read: &mut Read) {
        let counters = self.values.chunks_exact(VALUE).take(count * self.processors);
        let packets = counters.filter_map(|value| value.first_chunk().copied().map(u64::from_ne_bytes));
        read.packets += packets.sum::<u64>();
        read.flows += count as u64;
    }
}

/// How many values a per-CPU map has for a key.
fn possible_processors() -> io::Result<usize> {
    const PATH: &str = "/sys/devices/system/cpu/possible";
    let text = fs::read_to_string(PATH)?;
    let last = text.trim().rsplit(['-', ',']).next().and_then(|last| last.parse::<usize>().ok());
    last.map(|last| last + 1).ok_or_else(|| io::Error::other(format!("{PATH} does not end with a number")))
}
