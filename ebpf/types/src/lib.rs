//! The fixed records that the BPF programs write and the agent reads. No logic.
//!
//! Addresses hold 16 bytes; an IPv4 address stands in the first four. Ports are in host order.
//! The feature `user` adds the safe casts that user space needs.
#![no_std]
#![expect(clippy::inline_always, reason = "BPF programs must not call: the stack is 512 bytes")]

/// What a record is about: the kind that its [`Head`] begins with, and so the record's type.
pub mod kind {
    /// A TCP packet with SYN, FIN or RST, or an SCTP ABORT, on a pod device.
    pub const CONNECTION: u8 = 1;
    /// The first packet of a UDP, SCTP or ICMP echo conversation on a pod device.
    pub const FIRST: u8 = 2;
    /// The first answer of such a conversation on a pod device.
    pub const ANSWER: u8 = 3;
    /// An ICMP destination unreachable on a pod device; the record is an [`Unreachable`](super::Unreachable).
    pub const UNREACHABLE: u8 = 4;
    /// The kernel dropped a packet; the record is a [`Drop`](super::Drop).
    pub const DROP: u8 = 5;
    /// A TCP socket came to its end; the record is a [`SocketEnd`](super::SocketEnd).
    pub const SOCKET_END: u8 = 6;
    /// The handshake of an accepted connection was completed; the record is a [`Head`](super::Head) with the
    /// local end as source.
    pub const SOCKET_OPEN: u8 = 7;
}

/// Which way a packet crossed a device, seen from the node.
pub mod direction {
    /// From the device into the node: the pod sent it.
    pub const FROM_DEVICE: u8 = 0;
    /// From the node to the device: the pod is about to receive it.
    pub const TO_DEVICE: u8 = 1;
    /// Not seen on a device.
    pub const NONE: u8 = 2;
}

/// TCP header flags.
pub mod tcp_flags {
    /// The sender has finished.
    pub const FIN: u8 = 0x01;
    /// A connection is being opened.
    pub const SYN: u8 = 0x02;
    /// The connection is reset.
    pub const RST: u8 = 0x04;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 0x10;
}

/// Indices of the per-CPU counters of what could not be kept.
pub mod lost {
    /// The ring buffer was full for a record that may have been the only one of an opening: a SYN, the
    /// first packet of a conversation, a drop.
    pub const OPENINGS: u32 = 0;
    /// The ring buffer was full for another record: an answer, an end, an error.
    pub const RECORDS: u32 = 1;
    /// The conversation map was full.
    pub const CONVERSATIONS: u32 = 2;
    /// How many counters there are.
    pub const COUNT: u32 = 3;
}

/// Indices of the tracepoints that have two programs each.
pub mod turn {
    /// `kfree_skb`.
    pub const DROPS: u32 = 0;
    /// `inet_sock_set_state`.
    pub const SOCKETS: u32 = 1;
    /// How many there are.
    pub const COUNT: u32 = 2;
}

/// `ctinfo` of conntrack from here on means the reply direction.
pub const FIRST_REPLY_INFO: u8 = 3;

/// [`Head::conntrack_info`] of a packet without a conntrack entry.
pub const NO_CONNTRACK: u8 = 0xff;

/// A five-tuple without its protocol. In whole words: what is not aligned, a BPF program moves by the byte.
///
/// Of an ICMP echo the identifier is the port of whoever asks, and the other port is 0: two that ask each other with
/// one identifier have two conversations.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Tuple {
    /// Source address.
    pub source: [u8; 16],
    /// Destination address.
    pub destination: [u8; 16],
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Padding.
    pub reserved: u32,
}

/// What every record about a packet begins with. A packet on a pod device that has no conntrack entry
/// to tell of is this and nothing more.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Head {
    /// One of [`kind`].
    pub kind: u8,
    /// The IP protocol number.
    pub protocol: u8,
    /// 4 or 6.
    pub family: u8,
    /// One of [`direction`].
    pub direction: u8,
    /// [`tcp_flags`].
    pub flags: u8,
    /// `ctinfo` of the conntrack entry, 3 and above meaning the reply direction; or [`NO_CONNTRACK`].
    pub conntrack_info: u8,
    /// Type and code of the ICMP error.
    pub icmp: [u8; 2],
    /// Monotonic time in nanoseconds.
    pub time_ns: u64,
    /// Interface index, in the node's network namespace where the device is a pod's.
    pub ifindex: u32,
    /// TCP sequence number.
    pub sequence: u32,
    /// The packet's tuple; for ICMP errors that of the packet complained about.
    pub tuple: Tuple,
    /// Inode number of the network namespace that a drop happened in; 0 on a device.
    pub netns: u32,
    /// Padding.
    pub reserved: u32,
}

/// The kernel's `nf_conntrack_tuple`, copied as it is: ports are in network order. The loader makes
/// sure that the running kernel has this layout.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct ConntrackTuple {
    /// Source address.
    pub source: [u8; 16],
    /// Source port, or the identifier of an ICMP echo.
    pub source_port: [u8; 2],
    /// The address family.
    pub family: u16,
    /// Destination address.
    pub destination: [u8; 16],
    /// Destination port, or type and code of an ICMP echo.
    pub destination_port: [u8; 2],
    /// The IP protocol number.
    pub protocol: u8,
    /// Which of the two directions.
    pub direction: u8,
}

/// A conntrack entry.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Translation {
    /// The original direction.
    pub original: ConntrackTuple,
    /// The reply direction.
    pub reply: ConntrackTuple,
}

/// A packet on a pod device, with its conntrack entry.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Translated {
    /// The packet.
    pub head: Head,
    /// Its entry.
    pub translation: Translation,
}

/// An ICMP destination unreachable on a pod device.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Unreachable {
    /// The packet that it complains about.
    pub head: Head,
    /// The entry of the error itself.
    pub translation: Translation,
    /// Who sent the error.
    pub offender: [u8; 16],
}

/// A packet that the kernel dropped.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Drop {
    /// The packet.
    pub head: Head,
    /// Its entry.
    pub translation: Translation,
    /// Where the kernel dropped it.
    pub location: u64,
    /// The number of the drop reason.
    pub reason: u32,
    /// Padding.
    pub reserved: u32,
}

/// What the kernel knew about a TCP socket when it closed.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct SocketEnd {
    /// [`kind::SOCKET_END`].
    pub kind: u8,
    /// The TCP state before CLOSE.
    pub old_state: u8,
    /// 4 or 6.
    pub family: u8,
    /// The number of the error that it ended with, or that it had last heard of; 0 for none.
    pub error: u8,
    /// Smoothed round trip in microseconds.
    pub srtt_us: u32,
    /// Monotonic time in nanoseconds.
    pub time_ns: u64,
    /// Inode number of the socket's network namespace.
    pub netns: u32,
    /// Segments sent.
    pub segments_out: u32,
    /// Segments received.
    pub segments_in: u32,
    /// Segments sent again.
    pub retransmits: u32,
    /// Payload bytes sent, each once.
    pub bytes_sent: u64,
    /// Payload bytes received.
    pub bytes_received: u64,
    /// Local address and port as source, the peer as destination.
    pub tuple: Tuple,
}

/// Which of the two programs of a tracepoint is at work on a CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Turn {
    /// 1 while the first runs.
    pub running: u64,
    /// How often the second ran for the first.
    pub taken: u64,
}

/// What a program dialled, where the socket was then led elsewhere.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dialled {
    /// The address, as in [`Tuple`].
    pub address: [u8; 16],
    /// The port.
    pub port: u16,
    /// 4 or 6.
    pub family: u16,
    /// Padding.
    pub reserved: u32,
}

/// Key of the conversation map: one UDP, SCTP or ICMP echo conversation on one device.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct ConversationKey {
    /// The device.
    pub ifindex: u32,
    /// The IP protocol number.
    pub protocol: u8,
    /// 4 or 6.
    pub family: u8,
    /// Padding.
    pub reserved: u16,
    /// The tuple with the smaller end as source, whoever sent first.
    pub tuple: Tuple,
}

/// Value of the conversation map.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Conversation {
    /// Packets sent by the key's source and by its destination.
    pub packets: [u64; 2],
    /// Payload bytes sent by the key's source and by its destination.
    pub bytes: [u64; 2],
    /// Monotonic time of the last packet, coarse.
    pub last_ns: u64,
    /// Monotonic time of the first packet, coarse.
    pub born_ns: u64,
    /// 1 when the key's source sent first, 0 when its destination did.
    pub source_first: u32,
    /// 1 when the other side has answered.
    pub answered: u32,
}

/// What a CPU has counted, and not yet added to its conversation, of one side of a busy one: plain UDP only.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct Busy {
    /// The tuple of the packets.
    pub tuple: Tuple,
    /// The device.
    pub ifindex: u32,
    /// 4 or 6; 0 while the slot is nobody's.
    pub family: u32,
    /// Packets.
    pub packets: u64,
    /// Payload bytes.
    pub bytes: u64,
    /// Monotonic time of the last packet, coarse.
    pub last_ns: u64,
    /// From then on the conversation itself is counted on again.
    pub until_ns: u64,
}

impl Busy {
    /// Slots of each CPU.
    pub const SLOTS: u32 = 256;
    /// A conversation is busy from so many packets on.
    pub const FROM: u64 = 16;
    /// How long a CPU counts by itself: shorter than any silence that ends a conversation.
    pub const SPAN_NS: u64 = 250_000_000;

    /// The slot of packets of this tuple.
    #[inline(always)]
    #[must_use]
    pub fn slot(tuple: &Tuple, ifindex: u32) -> u32 {
        let ports = u32::from(tuple.source_port) << 16 | u32::from(tuple.destination_port);
        let ends = folded(&tuple.source).rotate_left(7) ^ folded(&tuple.destination);
        (ports ^ ends ^ ifindex).wrapping_mul(0x9e37_79b1) >> 24
    }

    /// Whether the slot is that of packets of this tuple.
    #[inline(always)]
    #[must_use]
    pub fn is_of(&self, tuple: &Tuple, ifindex: u32, family: u8) -> bool {
        self.ifindex == ifindex
            && self.family == u32::from(family)
            && rank(&self.tuple.source, self.tuple.source_port) == rank(&tuple.source, tuple.source_port)
            && rank(&self.tuple.destination, self.tuple.destination_port)
                == rank(&tuple.destination, tuple.destination_port)
    }
}

impl ConversationKey {
    /// Makes this the key of a packet, and answers whether its sender stands as the key's source.
    #[inline(always)]
    pub fn set(&mut self, ifindex: u32, protocol: u8, family: u8, tuple: &Tuple) -> bool {
        let ordered =
            rank(&tuple.source, tuple.source_port) <= rank(&tuple.destination, tuple.destination_port);
        self.ifindex = ifindex;
        self.protocol = protocol;
        self.family = family;
        self.tuple = if ordered { *tuple } else { tuple.reversed() };
        ordered
    }
}

impl Conversation {
    /// Counts packets of one side.
    #[inline(always)]
    pub fn add(&mut self, from_source: bool, packets: u64, bytes: u64, last_ns: u64) {
        let [source, destination] = &mut self.packets;
        let [source_bytes, destination_bytes] = &mut self.bytes;
        if from_source {
            *source += packets;
            *source_bytes += bytes;
        } else {
            *destination += packets;
            *destination_bytes += bytes;
        }
        self.last_ns = last_ns;
    }

    /// Whether it had so many packets that CPUs may count some by themselves.
    #[inline(always)]
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        self.packets[0] + self.packets[1] >= Busy::FROM
    }
}

#[inline(always)]
fn folded(address: &[u8; 16]) -> u32 {
    let (high, low, _) = rank(address, 0);
    let both = high ^ low.rotate_left(13);
    (both >> 32) as u32 ^ both as u32
}

/// Any total order of ends will do; whole words keep it cheap in the kernel.
#[inline(always)]
fn rank(address: &[u8; 16], port: u16) -> (u64, u64, u16) {
    let (mut high, mut low) = ([0; 8], [0; 8]);
    high.copy_from_slice(&address[..8]);
    low.copy_from_slice(&address[8..]);
    (u64::from_ne_bytes(high), u64::from_ne_bytes(low), port)
}

impl Tuple {
    /// The tuple of a packet in the other direction.
    #[inline(always)]
    #[must_use]
    pub const fn reversed(&self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            source_port: self.destination_port,
            destination_port: self.source_port,
            reserved: 0,
        }
    }
}
