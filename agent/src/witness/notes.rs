//! From notes before and after netfilter's hooks to a word about an attempt. Pure.

use super::program::{NOTE, POINT, TUPLE};
use crate::{
    connections::Attempt,
    event::{Address, FiveTuple, Nanos},
    remembered::Remembered,
};
use portolan_ebpf_types::ConntrackTuple;
use portolan_policy::Protocol;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Openings that are remembered until their attempt is over, and for how long.
const REMEMBERED: usize = 65_536;
const KEPT: Nanos = 3_600_000_000_000;
/// How far clocks of the evidence lie apart, and how long a program behind NFQUEUE may think.
const SLACK: Nanos = 1_000_000_000;

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

/// Of an echo conntrack knows the identifier as the source's port.
fn five_tuple(tuple: &ConntrackTuple) -> Option<FiveTuple> {
    let protocol = Protocol::from_number(tuple.protocol)?;
    let [source_port, destination_port] = [tuple.source_port, tuple.destination_port].map(u16::from_be_bytes);
    let destination_port = if protocol.has_ports() { destination_port } else { source_port };
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
pub(super) struct Notes(Remembered<FiveTuple, Seen>);

impl Notes {
    /// None yet.
    pub(super) fn new() -> Self {
        Self(Remembered::new(REMEMBERED, KEPT))
    }

    /// Takes in a note. One that passed and comes again is another attempt.
    pub(super) fn take(&mut self, Note { at, tuple, point }: Note) {
        let new = || Seen { came: [at; 2], left: None };
        let seen = self.0.entry(at, tuple, new);
        match point {
            Point::Before if seen.left.is_some() => *seen = new(),
            Point::Before => seen.came[1] = at,
            Point::After => seen.left = Some(at),
        }
    }

    /// Whether an attempt passed all of netfilter's hooks, where it was seen to come to them.
    pub(super) fn passed(&self, attempt: &Attempt) -> Option<bool> {
        let seen = self.0.get(&attempt.original)?;
        let its_time = attempt.started.saturating_sub(SLACK)..=attempt.last.saturating_add(SLACK);
        if seen.left.is_some_and(|at| its_time.contains(&at)) {
            return Some(true);
        }
        seen.came.iter().any(|at| its_time.contains(at)).then_some(false)
    }

    /// How many were forgotten for want of room since this was last asked.
    pub(super) fn take_forgotten(&mut self) -> u64 {
        self.0.take_forgotten()
    }
}

#[cfg(test)]
mod tests;
