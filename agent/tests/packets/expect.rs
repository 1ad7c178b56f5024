//! What the probes are to tell and to remember, packet after packet, on one device.

use crate::parse::{End, Packet};
use portolan_ebpf_types::{direction, kind, tcp_flags};
use std::{collections::BTreeMap, net::IpAddr};

/// A record of the ring, without its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) kind: u8,
    pub(crate) direction: u8,
    pub(crate) protocol: u8,
    pub(crate) ends: [End; 2],
    pub(crate) flags: u8,
    pub(crate) sequence: u32,
    pub(crate) icmp: [u8; 2],
    pub(crate) offender: Option<IpAddr>,
}

/// The conversations of the device, by protocol and ends, the smaller end first.
pub(crate) type Conversations = BTreeMap<(u8, [End; 2]), Conversation>;

/// A conversation. Who opened it comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Conversation {
    pub(crate) opener: End,
    pub(crate) packets: [u64; 2],
    pub(crate) bytes: [u64; 2],
    pub(crate) answered: bool,
}

/// The probes of one device as they should be.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// Closing sockets are told elsewhere.
    pub(crate) sockets_tell: bool,
    /// The sockets of the pod behind the device are this kernel's.
    pub(crate) pod_is_known: bool,
    pub(crate) conversations: Conversations,
}

impl Model {
    /// What one packet leads to.
    pub(crate) fn see(&mut self, packet: Option<Packet>, direction: u8) -> Option<Record> {
        match packet? {
            Packet::Tcp { ends, flags, sequence } => self.tcp(ends, flags, sequence, direction),
            Packet::Talk { protocol, ends, payload, may_open } => {
                let kind = self.talk(protocol, ends, payload, may_open, direction)?;
                Some(record(kind, direction, protocol, ends))
            }
            Packet::Abort { ends } => {
                Some(Record { flags: tcp_flags::RST, ..record(kind::CONNECTION, direction, 132, ends) })
            }
            Packet::Unreachable { icmp, by, protocol, ends } => Some(Record {
                icmp,
                offender: Some(by),
                ..record(kind::UNREACHABLE, direction, protocol, ends)
            }),
        }
    }

    fn tcp(&mut self, ends: [End; 2], flags: u8, sequence: u32, direction: u8) -> Option<Record> {
        let has = |flag: u8| flags & flag != 0;
        let opens_or_breaks = has(tcp_flags::SYN) || has(tcp_flags::RST);
        // The kernel runs every packet with a socket on it.
        let told_by_socket = self.sockets_tell && (direction == direction::FROM_DEVICE || self.pod_is_known);
        let ends_in_order = has(tcp_flags::FIN) && !told_by_socket;
        if !opens_or_breaks && !ends_in_order {
            return None;
        }
        self.pod_is_known |= has(tcp_flags::SYN) && direction == direction::FROM_DEVICE;
        Some(Record { flags, sequence, ..record(kind::CONNECTION, direction, 6, ends) })
    }

    /// Counts; the first packet and the first answer are told.
    fn talk(
        &mut self,
        protocol: u8,
        ends: [End; 2],
        payload: u64,
        may_open: bool,
        direction: u8,
    ) -> Option<u8> {
        let [sender, _] = ends;
        let key = key(protocol, ends);
        let is_new = !self.conversations.contains_key(&key);
        if is_new && !may_open {
            return None;
        }
        let nothing = Conversation { opener: sender, packets: [0; 2], bytes: [0; 2], answered: false };
        let conversation = self.conversations.entry(key).or_insert(nothing);
        let side = usize::from(sender != conversation.opener);
        conversation.packets[side] += 1;
        conversation.bytes[side] += payload;
        if is_new {
            self.pod_is_known |= direction == direction::FROM_DEVICE;
            return Some(kind::FIRST);
        }
        let is_answer = side == 1 && !conversation.answered;
        conversation.answered |= is_answer;
        is_answer.then_some(kind::ANSWER)
    }
}

/// The same for both directions.
pub(crate) fn key(protocol: u8, mut ends: [End; 2]) -> (u8, [End; 2]) {
    ends.sort_unstable();
    (protocol, ends)
}

fn record(kind: u8, direction: u8, protocol: u8, ends: [End; 2]) -> Record {
    Record { kind, direction, protocol, ends, flags: 0, sequence: 0, icmp: [0; 2], offender: None }
}
