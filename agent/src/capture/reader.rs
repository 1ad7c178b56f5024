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
use portolan_ebpf_types::{Conversation, ConversationKey, Tuple, lost};
use std::net::IpAddr;

/// Records read in one round at the most, so that ticks and commands have their turn.
const ROUND: usize = 131_072;

const KEY: usize = size_of::<ConversationKey>();
const VALUE: usize = size_of::<Conversation>();

/// The reading end of the probes.
pub struct Reader {
    events: RingBuf<MapData>,
    lost: PerCpuArray<MapData, u64>,
    conversations: HashMap<MapData, [u8; KEY], [u8; VALUE]>,
}

impl Reader {
    /// Takes the maps out of a loaded object.
    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self, ProbesError> {
        Ok(Self {
            events: take_map(ebpf, "EVENTS")?,
            lost: take_map(ebpf, "LOST")?,
            conversations: take_map(ebpf, "CONVERSATIONS")?,
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
}

impl ConversationCounters for Reader {
    fn read(&mut self, ifindex: u32, tuple: &FiveTuple) -> Option<Counters> {
        let value = self.conversations.get(&key(ifindex, tuple), 0).ok()?;
        let value: Conversation = bytemuck::try_pod_read_unaligned(&value).ok()?;
        Some(Counters {
            packets: value.packets.iter().sum(),
            bytes: value.bytes.iter().sum(),
            last: value.last_ns,
        })
    }

    fn forget(&mut self, ifindex: u32, tuple: &FiveTuple) {
        // It is gone already when the other end of the tuple was asked for.
        drop(self.conversations.remove(&key(ifindex, tuple)));
    }
}

fn key(ifindex: u32, tuple: &FiveTuple) -> [u8; KEY] {
    let family = if tuple.source.ip.is_ipv4() { 4 } else { 6 };
    let raw = Tuple {
        source: octets(tuple.source.ip),
        destination: octets(tuple.destination.ip),
        source_port: tuple.source.port,
        destination_port: tuple.destination.port,
    };
    let mut key = ConversationKey::default();
    key.set(ifindex, tuple.protocol.number(), family, &raw);
    bytemuck::cast(key)
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
