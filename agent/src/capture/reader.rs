//! What the probes leave in their maps: records, counters, conversations.

use super::probes::{ProbesError, take_map};
use crate::{
    connections::{ConversationCounters, Counters},
    event::{Event, FiveTuple},
};
use aya::{
    Ebpf,
    maps::{HashMap, MapData, PerCpuArray, RingBuf},
};
use portolan_ebpf_types::{Busy, Conversation, ConversationKey, Tuple, lost};
use portolan_policy::Protocol;
use std::net::IpAddr;

/// Records read in one round at the most, so that ticks and commands have their turn.
const ROUND: usize = 131_072;

const KEY: usize = size_of::<ConversationKey>();
const VALUE: usize = size_of::<Conversation>();
const BUSY: usize = size_of::<Busy>();

/// The reading end of the probes.
pub struct Reader {
    events: RingBuf<MapData>,
    lost: PerCpuArray<MapData, u64>,
    conversations: HashMap<MapData, [u8; KEY], [u8; VALUE]>,
    busy: PerCpuArray<MapData, [u8; BUSY]>,
}

impl Reader {
    /// Takes the maps out of a loaded object.
    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self, ProbesError> {
        Ok(Self {
            events: take_map(ebpf, "EVENTS")?,
            lost: take_map(ebpf, "LOST")?,
            conversations: take_map(ebpf, "CONVERSATIONS")?,
            busy: take_map(ebpf, "BUSY")?,
        })
    }

    /// Reads every event that waits, and hands each to `take`; answers how many were not understood.
    pub fn drain(&mut self, mut take: impl FnMut(Event)) -> u64 {
        let mut unknown = 0;
        for _ in 0..ROUND {
            let Some(record) = self.events.next() else { break };
            match Event::decode(&record) {
                Some(event) => take(event),
                None => unknown += 1,
            }
        }
        unknown
    }

    /// Events and conversations that the kernel could not keep, since load.
    pub fn lost(&self) -> [u64; lost::COUNT as usize] {
        std::array::from_fn(|index| {
            self.lost.get(&(index as u32), 0).map_or(0, |counters| counters.iter().sum())
        })
    }

    /// Adds what CPUs have counted by themselves of one side of a busy conversation.
    fn add_busy(&self, ifindex: u32, tuple: &FiveTuple, born_ns: u64, counters: &mut Counters) {
        let (family, tuple) = raw_tuple(tuple);
        let Ok(slots) = self.busy.get(&Busy::slot(&tuple, ifindex), 0) else { return };
        let slots = slots.iter().filter_map(|slot| bytemuck::try_pod_read_unaligned::<Busy>(slot).ok());
        for slot in slots.filter(|slot| slot.is_of(&tuple, ifindex, family) && slot.last_ns >= born_ns) {
            counters.packets += slot.packets;
            counters.bytes += slot.bytes;
            counters.last = counters.last.max(slot.last_ns);
        }
    }
}

impl ConversationCounters for Reader {
    fn read(&mut self, ifindex: u32, tuple: &FiveTuple) -> Option<Counters> {
        let value = self.conversations.get(&key(ifindex, tuple), 0).ok()?;
        let value: Conversation = bytemuck::try_pod_read_unaligned(&value).ok()?;
        let mut counters = Counters {
            packets: value.packets.iter().sum(),
            bytes: value.bytes.iter().sum(),
            last: value.last_ns,
        };
        if value.is_busy() && tuple.protocol == Protocol::Udp {
            let back = tuple.reversed();
            self.add_busy(ifindex, tuple, value.born_ns, &mut counters);
            // Between an end and itself both sides are one.
            if back != *tuple {
                self.add_busy(ifindex, &back, value.born_ns, &mut counters);
            }
        }
        Some(counters)
    }

    fn forget(&mut self, ifindex: u32, tuple: &FiveTuple) {
        // It is gone already when the other end of the tuple was asked for.
        drop(self.conversations.remove(&key(ifindex, tuple)));
    }
}

fn key(ifindex: u32, tuple: &FiveTuple) -> [u8; KEY] {
    let (family, raw) = raw_tuple(tuple);
    let mut key = ConversationKey::default();
    key.set(ifindex, tuple.protocol.number(), family, &raw);
    bytemuck::cast(key)
}

/// The family and the tuple as the kernel's side writes them.
fn raw_tuple(tuple: &FiveTuple) -> (u8, Tuple) {
    let family = if tuple.source.ip.is_ipv4() { 4 } else { 6 };
    let raw = Tuple {
        source: octets(tuple.source.ip),
        destination: octets(tuple.destination.ip),
        source_port: tuple.source.port,
        destination_port: tuple.destination.port,
        reserved: 0,
    };
    (family, raw)
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(ip) => ip.octets(),
    }
}
