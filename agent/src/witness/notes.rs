//! From notes before and after netfilter's hooks to a word about an attempt. Pure.

use super::program::{NOTE, POINT, TUPLE};
use crate::{
    connections::Attempt,
    event::{Address, FiveTuple, Nanos},
    remembered::Remembered,
};
use portolan_ebpf_types::ConntrackTuple;
use portolan_policy::Protocol;
use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
};

/// Openings that are remembered until their attempt is over, and for how long.
const REMEMBERED: usize = 65_536;
const KEPT: Nanos = 3_600_000_000_000;
/// How far clocks of the evidence lie apart, and how long a program behind NFQUEUE may think.
const SLACK: Nanos = 1_000_000_000;
/// Times in which notes were lost that are told apart.
const GAPS: usize = 1024;

/// Where a note was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    /// Before the first rule that forwards.
    Before = 0,
    /// After the last rule of all.
    After = 1,
}

/// The first packet of a connection at one point of its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) at: Nanos,
    /// As the initiator sees it.
    pub(super) tuple: FiveTuple,
    pub(super) point: Point,
}

impl Note {
    /// Reads a note of the ring; `None` for a packet of no interest.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; NOTE] = bytes.first_chunk()?;
        let at = u64::from_ne_bytes(*bytes.first_chunk()?);
        let point = match bytes[POINT] {
            0 => Point::Before,
            1 => Point::After,
            _ => return None,
        };
        let tuple = bytemuck::try_pod_read_unaligned(bytes.get(TUPLE..POINT)?).ok()?;
        Some(Self { at, tuple: five_tuple(&tuple)?, point })
    }
}

/// Of an echo conntrack knows the identifier as the source's port, and type and code as the other one.
fn five_tuple(tuple: &ConntrackTuple) -> Option<FiveTuple> {
    let protocol = Protocol::from_number(tuple.protocol)?;
    let [source_port, destination_port] = [tuple.source_port, tuple.destination_port].map(u16::from_be_bytes);
    let destination_port = if protocol.has_ports() { destination_port } else { 0 };
    Some(FiveTuple {
        protocol,
        source: Address { ip: ip(tuple.family, &tuple.source)?, port: source_port },
        destination: Address { ip: ip(tuple.family, &tuple.destination)?, port: destination_port },
    })
}

fn ip(family: u16, bytes: &[u8; 16]) -> Option<IpAddr> {
    let [a, b, c, d, ..] = *bytes;
    match i32::from(family) {
        libc::AF_INET => Some(Ipv4Addr::new(a, b, c, d).into()),
        libc::AF_INET6 => Some(Ipv6Addr::from(*bytes).to_canonical()),
        _ => None,
    }
}

/// What was seen of one tuple.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// The first and the last time that it came to the hooks.
    came: [Nanos; 2],
    /// The last time that it left them.
    left: Option<Nanos>,
}

/// The notes of a node.
#[derive(Debug)]
pub(super) struct Notes {
    seen: Remembered<FiveTuple, Seen>,
    /// When notes were lost: between which two looks, in order.
    gaps: VecDeque<[Nanos; 2]>,
}

impl Notes {
    /// None yet.
    pub(super) fn new() -> Self {
        Self { seen: Remembered::new(REMEMBERED, KEPT), gaps: VecDeque::new() }
    }

    /// Takes in a note. One that passed and comes again is another attempt.
    pub(super) fn take(&mut self, Note { at, tuple, point }: Note) {
        let new = || Seen { came: [at; 2], left: None };
        let seen = self.seen.entry(at, tuple, new);
        match point {
            Point::Before if seen.left.is_some() => *seen = new(),
            Point::Before => seen.came[1] = at,
            Point::After => seen.left = Some(at),
        }
    }

    /// Takes in that notes were lost between two looks.
    pub(super) fn lose(&mut self, from: Nanos, to: Nanos) {
        match self.gaps.back_mut() {
            Some(last) if from <= last[1] => last[1] = to,
            _ => self.gaps.push_back([from, to]),
        }
        if self.gaps.len() > GAPS
            && let Some([from, _]) = self.gaps.pop_front()
            && let Some(next) = self.gaps.front_mut()
        {
            // What lay between the two counts as lost as well.
            next[0] = from;
        }
    }

    /// Whether an attempt passed all of netfilter's hooks, where it was seen to come to them. That it did not leave
    /// them cannot be said of a time in which notes were lost.
    pub(super) fn passed(&self, attempt: &Attempt) -> Option<bool> {
        let seen = self.seen.get(&attempt.original)?;
        let its_time = attempt.started.saturating_sub(SLACK)..=attempt.last.saturating_add(SLACK);
        if seen.left.is_some_and(|at| its_time.contains(&at)) {
            return Some(true);
        }
        let came = seen.came.iter().any(|at| its_time.contains(at));
        (came && !self.has_gap(&its_time)).then_some(false)
    }

    fn has_gap(&self, time: &RangeInclusive<Nanos>) -> bool {
        self.gaps.iter().any(|[from, to]| from <= time.end() && time.start() <= to)
    }

    /// How many were forgotten for want of room since this was last asked.
    pub(super) fn take_forgotten(&mut self) -> u64 {
        self.seen.take_forgotten()
    }
}

#[cfg(test)]
mod tests;
