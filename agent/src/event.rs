//! What the probes said, in the agent's own types: bytes from the ring become events, or nothing.
//!
//! Does no I/O. Addresses are canonical: an IPv4-mapped IPv6 address is IPv4 (M4).

use portolan_ebpf_types::{self as raw, FIRST_REPLY_INFO, NO_CONNTRACK, direction, kind, tcp_flags};
use portolan_policy::Protocol;
use std::{
    hash::{Hash, Hasher},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Monotonic time of the kernel in nanoseconds.
pub type Nanos = u64;

/// One end of a connection on the wire; whoever asks for an ICMP echo has its identifier as port, whoever answers 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// The IP address.
    pub ip: IpAddr,
    /// The port.
    pub port: u16,
}

/// A five-tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FiveTuple {
    /// The transport protocol.
    pub protocol: Protocol,
    /// Who sends.
    pub source: Address,
    /// Who receives.
    pub destination: Address,
}

impl Hash for FiveTuple {
    /// In whole words: it is done several times for each packet that is told.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { protocol, source, destination } = self;
        let ports = [source.port, destination.port, protocol.number().into()];
        state.write_u64(ports.into_iter().fold(0, |word, part| word << 16 | u64::from(part)));
        match (source.ip, destination.ip) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                state.write_u64(u64::from(source.to_bits()) << 32 | u64::from(destination.to_bits()));
            }
            (source, destination) => {
                state.write_u128(wide(source));
                state.write_u128(wide(destination));
            }
        }
    }
}

fn wide(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

impl FiveTuple {
    /// The five-tuple of the other direction.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self { protocol: self.protocol, source: self.destination, destination: self.source }
    }

    /// Whether this is the answer to an echo: the identifier is the port of who asks.
    pub(crate) const fn is_echo_reply(&self) -> bool {
        !self.protocol.has_ports() && self.source.port == 0 && self.destination.port != 0
    }
}

/// What conntrack knows about a packet: the connection before and after translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// As the initiator sees it.
    pub original: FiveTuple,
    /// The same direction, as the destination sees it.
    pub translated: FiveTuple,
    /// Whether a packet of the event's tuple is an answer.
    pub is_reply: bool,
}

impl Translation {
    /// The same connection, spoken of by a packet of the other direction.
    const fn turned(self) -> Self {
        Self { is_reply: !self.is_reply, ..self }
    }
}

/// Which way a packet crossed a device, seen from the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crossing {
    /// It came from the device: the pod sent it.
    FromDevice,
    /// It goes to the device: the pod is about to receive it.
    ToDevice,
}

/// What a packet on a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A TCP SYN with its sequence number.
    Syn(u32),
    /// A TCP SYN and ACK.
    SynAck,
    /// A TCP FIN.
    Fin,
    /// A TCP reset.
    Reset,
    /// The first packet of a UDP or ICMP echo conversation.
    First,
    /// The first answer of such a conversation.
    Answer,
    /// An ICMP unreachable about a packet of the tuple.
    Unreachable {
        /// Who sent it.
        by: IpAddr,
        /// Whether it says that an administrator forbids it.
        prohibited: bool,
    },
}

/// A packet that was seen on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// When.
    pub at: Nanos,
    /// What it is.
    pub what: What,
    /// Which way it went.
    pub crossing: Crossing,
    /// The device.
    pub ifindex: u32,
    /// The packet's five-tuple; for an ICMP error that of the packet it complains about.
    pub tuple: FiveTuple,
    /// What conntrack knows about it.
    pub translation: Option<Translation>,
}

/// A packet that the kernel dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drop {
    /// When.
    pub at: Nanos,
    /// The packet's five-tuple.
    pub tuple: FiveTuple,
    /// What conntrack knows about it.
    pub translation: Option<Translation>,
    /// The sequence number, where the packet is a SYN without ACK.
    pub syn: Option<u32>,
    /// A SYN-ACK or a reset: the answer to an opening, and never one itself.
    pub is_answer: bool,
    /// The network namespace that it was dropped in.
    pub netns: u32,
    /// The device it was on, or the node's side of it.
    pub ifindex: u32,
    /// The number of the kernel's drop reason.
    pub reason: u32,
    /// The kernel address that dropped it.
    pub location: u64,
}

/// A TCP socket that came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketEnd {
    /// When.
    pub at: Nanos,
    /// Local address as source.
    pub tuple: FiveTuple,
    /// Whether it closed before the handshake was done.
    pub gave_up: bool,
    /// Whether it was told that somebody turns its packets away.
    pub turned_away: bool,
    /// Segments that it sent.
    pub sent: u64,
    /// Segments, both directions.
    pub packets: u64,
    /// Payload bytes, both directions.
    pub bytes: u64,
    /// Segments that it sent again.
    pub retransmits: u64,
    /// The smoothed round trip in microseconds, where it measured one.
    pub srtt_us: Option<u64>,
}

/// A server's socket that completed a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOpen {
    /// When.
    pub at: Nanos,
    /// Local address as source.
    pub tuple: FiveTuple,
}

/// Anything that the probes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A packet crossed a device.
    Sighting(Sighting),
    /// The kernel dropped a packet.
    Drop(Drop),
    /// A socket was opened by its client.
    SocketOpen(SocketOpen),
    /// A socket closed.
    SocketEnd(SocketEnd),
}

/// TCP_SYN_SENT of the kernel's socket states.
const SYN_SENT: u8 = 2;

impl Event {
    /// Reads a record of the ring; `None` for one that this version does not know.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        match *bytes.first()? {
            kind::SOCKET_END => socket_end(&record(bytes)?),
            kind::SOCKET_OPEN => socket_open(&record(bytes)?),
            kind::DROP => drop(&record(bytes)?),
            kind::UNREACHABLE => unreachable(&record(bytes)?),
            _ if bytes.len() == size_of::<raw::Translated>() => {
                let raw::Translated { head, translation: entry } = record(bytes)?;
                sighting(&head, what(&head)?, translation(&head, &entry))
            }
            _ => {
                let head = record(bytes)?;
                sighting(&head, what(&head)?, None)
            }
        }
    }
}

fn record<T: bytemuck::Pod>(bytes: &[u8]) -> Option<T> {
    bytemuck::try_pod_read_unaligned(bytes).ok()
}

fn sighting(head: &raw::Head, what: What, translation: Option<Translation>) -> Option<Event> {
    let crossing = match head.direction {
        direction::FROM_DEVICE => Crossing::FromDevice,
        direction::TO_DEVICE => Crossing::ToDevice,
        _ => return None,
    };
    Some(Event::Sighting(Sighting {
        at: head.time_ns,
        what,
        crossing,
        ifindex: head.ifindex,
        tuple: five_tuple(head.protocol, head.family, &head.tuple)?,
        translation,
    }))
}

fn what(head: &raw::Head) -> Option<What> {
    match head.kind {
        kind::CONNECTION => connection_packet(head),
        kind::FIRST => Some(What::First),
        kind::ANSWER => Some(What::Answer),
        _ => None,
    }
}

fn connection_packet(head: &raw::Head) -> Option<What> {
    let has = |flag: u8| head.flags & flag != 0;
    if has(tcp_flags::RST) {
        Some(What::Reset)
    } else if has(tcp_flags::SYN) && has(tcp_flags::ACK) {
        Some(What::SynAck)
    } else if has(tcp_flags::SYN) {
        Some(What::Syn(head.sequence))
    } else if has(tcp_flags::FIN) {
        Some(What::Fin)
    } else {
        None
    }
}

fn unreachable(record: &raw::Unreachable) -> Option<Event> {
    /// ICMP says "unreachable" with this type; ICMPv6 with 1, or with 4 about a protocol.
    const V4_UNREACHABLE: u8 = 3;
    let [kind, code] = record.head.icmp;
    let family = if kind == V4_UNREACHABLE { 4 } else { 6 };
    // RFC 1812 and RFC 4443: prohibited for a network, a host, by an administrator; by policy, by route.
    let prohibited = matches!((kind, code), (V4_UNREACHABLE, 9 | 10 | 13) | (1, 1 | 5 | 6));
    let what = What::Unreachable { by: ip(family, &record.offender), prohibited };
    // The error goes against the packet that it is about, and the tuple is that packet's.
    let entry = translation(&record.head, &record.translation).map(Translation::turned);
    sighting(&record.head, what, entry)
}

fn drop(record: &raw::Drop) -> Option<Event> {
    let head = &record.head;
    let tuple = five_tuple(head.protocol, head.family, &head.tuple)?;
    let is_syn = tuple.protocol == Protocol::Tcp && head.flags & tcp_flags::SYN != 0;
    let has_ack = head.flags & tcp_flags::ACK != 0;
    let is_reset = tuple.protocol == Protocol::Tcp && head.flags & tcp_flags::RST != 0;
    Some(Event::Drop(Drop {
        at: head.time_ns,
        tuple,
        translation: translation(head, &record.translation),
        syn: (is_syn && !has_ack).then_some(head.sequence),
        is_answer: is_reset || (is_syn && has_ack),
        netns: head.netns,
        ifindex: head.ifindex,
        reason: record.reason,
        location: record.location,
    }))
}

fn socket_open(head: &raw::Head) -> Option<Event> {
    let tuple = five_tuple(head.protocol, head.family, &head.tuple)?;
    Some(Event::SocketOpen(SocketOpen { at: head.time_ns, tuple }))
}

fn socket_end(end: &raw::SocketEnd) -> Option<Event> {
    Some(Event::SocketEnd(SocketEnd {
        at: end.time_ns,
        tuple: five_tuple(Protocol::Tcp.number(), end.family, &end.tuple)?,
        gave_up: end.old_state == SYN_SENT,
        turned_away: is_refusal(end.error.into()),
        sent: end.segments_out.into(),
        packets: u64::from(end.segments_in) + u64::from(end.segments_out),
        bytes: end.bytes_sent.saturating_add(end.bytes_received),
        retransmits: end.retransmits.into(),
        srtt_us: (end.srtt_us > 0).then_some(end.srtt_us.into()),
    }))
}

/// The errors that the kernel makes of a reset and of an ICMP unreachable of any kind.
const fn is_refusal(errno: i32) -> bool {
    matches!(
        errno,
        libc::ECONNREFUSED
            | libc::EHOSTUNREACH
            | libc::ENETUNREACH
            | libc::ENOPROTOOPT
            | libc::EACCES
            | libc::EHOSTDOWN
            | libc::ENONET
    )
}

fn translation(head: &raw::Head, entry: &raw::Translation) -> Option<Translation> {
    if head.conntrack_info == NO_CONNTRACK {
        return None;
    }
    let read = |tuple: &raw::ConntrackTuple| {
        let tuple = raw::Tuple {
            source: tuple.source,
            destination: tuple.destination,
            source_port: u16::from_be_bytes(tuple.source_port),
            destination_port: u16::from_be_bytes(tuple.destination_port),
            reserved: 0,
        };
        five_tuple(head.protocol, head.family, &tuple)
    };
    let mut original = read(&entry.original)?;
    let mut translated = read(&entry.reply)?.reversed();
    if !original.protocol.has_ports() {
        // Conntrack keeps the echo identifier as source port of both directions, and type and code as the other
        // one. Source NAT may choose another identifier.
        translated.source.port = translated.destination.port;
        (original.destination.port, translated.destination.port) = (0, 0);
    }
    Some(Translation { original, translated, is_reply: head.conntrack_info >= FIRST_REPLY_INFO })
}

fn five_tuple(protocol: u8, family: u8, tuple: &raw::Tuple) -> Option<FiveTuple> {
    Some(FiveTuple {
        protocol: Protocol::from_number(protocol)?,
        source: Address { ip: ip(family, &tuple.source), port: tuple.source_port },
        destination: Address { ip: ip(family, &tuple.destination), port: tuple.destination_port },
    })
}

fn ip(family: u8, bytes: &[u8; 16]) -> IpAddr {
    let [a, b, c, d, ..] = *bytes;
    if family == 4 { Ipv4Addr::new(a, b, c, d).into() } else { Ipv6Addr::from(*bytes).to_canonical() }
}

#[cfg(test)]
mod tests;
