//! Reading headers into a record, wherever their bytes are: on a device or in a dropped buffer.
//!
//! Two ways to the same end: [`plain`] reads the usual headers in place, from memory whose length was
//! compared before; everything else is read piece by piece through [`Bytes`].

use core::mem::MaybeUninit;
use portolan_ebpf_types::{Head, Tuple};

/// IP protocol numbers that the probes look at.
pub mod protocol {
    pub const ICMP: u8 = 1;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const ICMPV6: u8 = 58;
    pub const SCTP: u8 = 132;
}

/// ICMP types that the probes look at.
pub mod icmp {
    /// Bytes before what an error quotes.
    pub const HEADER: u32 = 8;
    pub const ECHO_REPLY: u8 = 0;
    pub const UNREACHABLE: u8 = 3;
    pub const ECHO_REQUEST: u8 = 8;
    /// "Fragmentation needed" is path MTU discovery, not a refusal.
    pub const CODE_FRAGMENTATION_NEEDED: u8 = 4;
    pub const V6_UNREACHABLE: u8 = 1;
    /// Of the problems with parameters one is a refusal: a protocol that the host does not speak.
    pub const V6_PARAMETER_PROBLEM: u8 = 4;
    pub const CODE_NO_SUCH_PROTOCOL: u8 = 1;
    pub const V6_ECHO_REQUEST: u8 = 128;
    pub const V6_ECHO_REPLY: u8 = 129;
}

/// SCTP chunk types that the probes look at.
pub mod chunk {
    /// Type, flags and length.
    pub const HEADER: usize = 4;
    pub const INIT_ACK: u8 = 2;
    pub const ABORT: u8 = 6;
}

/// Headers without options, extensions or fragments, read where they lie.
///
/// Every function reads no further than it says, and its caller has compared that much.
pub mod plain {
    use super::{is_mapped, protocol};
    use portolan_ebpf_types::Head;

    pub const IPV4: usize = 20;
    pub const IPV6: usize = 40;
    pub const TCP: usize = 20;
    pub const UDP: usize = 8;

    /// Reads an integer at a distance, in one load: the processors that BPF compiles for need no alignment, and
    /// what the compiler must take for unaligned it would read by the byte.
    #[inline(always)]
    pub fn at<T: Copy>(start: *const u8, offset: usize) -> T {
        // SAFETY: the caller has compared; only integers are read.
        unsafe { start.add(offset).cast::<T>().read_volatile() }
    }

    /// Reads an integer that is written in network order.
    #[inline(always)]
    fn number(start: *const u8, offset: usize) -> u16 {
        u16::from_be(at(start, offset))
    }

    /// Reads an IPv6 address.
    #[inline(always)]
    fn address(start: *const u8, offset: usize, address: &mut [u8; 16]) {
        let words = address.as_mut_ptr().cast::<u64>();
        // SAFETY: the addresses of a tuple are two aligned words each.
        unsafe {
            words.write(at(start, offset));
            words.add(1).write(at(start, offset + 8));
        }
    }

    /// Reads an IPv4 address into the beginning of one that is zero.
    #[inline(always)]
    fn short_address(start: *const u8, offset: usize, address: &mut [u8; 16]) {
        let [a, b, c, d, ..] = address;
        [*a, *b, *c, *d] = at::<u32>(start, offset).to_ne_bytes();
    }

    /// Whether a plain IPv4 header begins here; reads its first ten bytes.
    #[inline(always)]
    pub fn is_ipv4(ip: *const u8) -> bool {
        const MORE_OR_OFFSET: u16 = 0x3fff;
        at::<u8>(ip, 0) == 0x45 && number(ip, 6) & MORE_OR_OFFSET == 0
    }

    /// Takes protocol and addresses from a plain IPv4 header into a record that is new; answers the bytes
    /// after it.
    #[inline(always)]
    pub fn ipv4(ip: *const u8, head: &mut Head) -> u32 {
        head.family = 4;
        head.protocol = at(ip, 9);
        short_address(ip, 12, &mut head.tuple.source);
        short_address(ip, 16, &mut head.tuple.destination);
        u32::from(number(ip, 2)).saturating_sub(IPV4 as u32)
    }

    /// Whether an IPv6 header begins here; reads its first byte.
    #[inline(always)]
    pub fn is_ipv6(ip: *const u8) -> bool {
        at::<u8>(ip, 0) >> 4 == 6
    }

    /// Takes protocol and addresses from an IPv6 header; answers the bytes after it, or nothing where
    /// an address is a mapped one.
    #[inline(always)]
    pub fn ipv6(ip: *const u8, head: &mut Head) -> Option<u32> {
        head.family = 6;
        head.protocol = at(ip, 6);
        address(ip, 8, &mut head.tuple.source);
        address(ip, 24, &mut head.tuple.destination);
        if is_mapped(&head.tuple.source) || is_mapped(&head.tuple.destination) {
            return None;
        }
        Some(u32::from(number(ip, 4)))
    }

    /// Takes the ports: the first four bytes of TCP, UDP and SCTP alike.
    #[inline(always)]
    pub fn ports(transport: *const u8, head: &mut Head) {
        head.tuple.source_port = number(transport, 0);
        head.tuple.destination_port = number(transport, 2);
    }

    /// The flags of a TCP header.
    #[inline(always)]
    pub fn tcp_flags(transport: *const u8) -> u8 {
        at(transport, 13)
    }

    /// Takes ports, sequence number and flags of a TCP header.
    #[inline(always)]
    pub fn tcp(transport: *const u8, head: &mut Head) {
        ports(transport, head);
        head.sequence = u32::from_be(at(transport, 4));
        head.flags = tcp_flags(transport);
    }

    /// Whether this protocol begins with two ports.
    #[inline(always)]
    pub fn has_ports(number: u8) -> bool {
        matches!(number, protocol::TCP | protocol::UDP | protocol::SCTP)
    }
}

/// Where packet bytes come from.
pub trait Bytes {
    /// Fills `destination` from this offset of the packet on.
    fn fill<T: Copy>(&self, offset: u32, destination: *mut T) -> Option<()>;

    /// Reads a `T` of plain integers at this offset of the packet.
    #[inline(always)]
    fn read<T: Copy>(&self, offset: u32) -> Option<T> {
        let mut value = MaybeUninit::uninit();
        self.fill(offset, value.as_mut_ptr())?;
        // SAFETY: it was filled, and only plain integers and arrays are read.
        Some(unsafe { value.assume_init() })
    }
}

/// Bytes on the stack that are read by the word: the verifier wants those aligned.
#[repr(C, align(4))]
#[derive(Clone, Copy)]
pub struct Words<const N: usize>(pub [u8; N]);

/// Where the transport header begins and how many bytes are left from there on, in this packet: of the first
/// fragment, others have the rest.
#[derive(Clone, Copy)]
pub struct Transport {
    pub offset: u32,
    pub length: u32,
    pub is_first_fragment: bool,
}

/// Extension headers are followed this far.
const EXTENSIONS: usize = 4;

/// Reads the IP header at `offset` into family, protocol and addresses.
/// Fragments after the first are nobody's beginning.
#[inline(always)]
pub fn ip(bytes: &impl Bytes, offset: u32, head: &mut Head) -> Option<Transport> {
    let first: u8 = bytes.read(offset)?;
    match first >> 4 {
        4 => ipv4(bytes, offset, u32::from(first & 0xf) * 4, head),
        6 => ipv6(bytes, offset, head),
        _ => None,
    }
}

#[inline(always)]
fn ipv4(bytes: &impl Bytes, offset: u32, header_length: u32, head: &mut Head) -> Option<Transport> {
    let [_, _, length0, length1, _, _, fragment0, fragment1, _, protocol] = bytes.read::<[u8; 10]>(offset)?;
    if header_length < 20 || u16::from_be_bytes([fragment0 & 0x1f, fragment1]) != 0 {
        return None;
    }
    head.family = 4;
    head.protocol = protocol;
    head.tuple = Tuple::default();
    bytes.fill(offset + 12, head.tuple.source.as_mut_ptr().cast::<[u8; 4]>())?;
    bytes.fill(offset + 16, head.tuple.destination.as_mut_ptr().cast::<[u8; 4]>())?;
    let total = u32::from(u16::from_be_bytes([length0, length1]));
    Some(Transport {
        offset: offset + header_length,
        length: total.saturating_sub(header_length),
        is_first_fragment: fragment0 & 0x20 != 0,
    })
}

#[inline(always)]
fn ipv6(bytes: &impl Bytes, offset: u32, head: &mut Head) -> Option<Transport> {
    let [length0, length1, next] = bytes.read::<[u8; 3]>(offset + 4)?;
    let mut protocol = next;
    let mut extensions = 0;
    let mut is_first_fragment = false;
    for _ in 0..EXTENSIONS {
        let at = offset + 40 + extensions;
        match protocol {
            // Hop-by-hop, routing, destination options.
            0 | 43 | 60 => {
                let [next, length] = bytes.read::<[u8; 2]>(at)?;
                protocol = next;
                extensions += (u32::from(length) + 1) * 8;
            }
            44 => {
                let [next, _, fragment0, fragment1] = bytes.read::<[u8; 4]>(at)?;
                if u16::from_be_bytes([fragment0, fragment1]) & 0xfff8 != 0 {
                    return None;
                }
                is_first_fragment |= fragment1 & 1 != 0;
                protocol = next;
                extensions += 8;
            }
            // Authentication.
            51 => {
                let [next, length] = bytes.read::<[u8; 2]>(at)?;
                protocol = next;
                extensions += (u32::from(length) + 2) * 4;
            }
            _ => break,
        }
    }
    head.family = 6;
    head.protocol = protocol;
    bytes.fill(offset + 8, &raw mut head.tuple.source)?;
    bytes.fill(offset + 24, &raw mut head.tuple.destination)?;
    if is_mapped(&head.tuple.source) || is_mapped(&head.tuple.destination) {
        return None;
    }
    let payload = u32::from(u16::from_be_bytes([length0, length1]));
    Some(Transport {
        offset: offset + 40 + extensions,
        length: payload.saturating_sub(extensions),
        is_first_fragment,
    })
}

/// Whether this is an IPv4-mapped IPv6 address. No router carries these, and user space would take
/// them for IPv4 and never find them again.
#[inline(always)]
fn is_mapped(address: &[u8; 16]) -> bool {
    let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = *address;
    u64::from_ne_bytes([a, b, c, d, e, f, g, h]) == 0
        && u32::from_ne_bytes([i, j, k, l]) == u32::from_be(0xffff)
}

/// Reads the two ports at the start of a transport header. None is shorter than eight bytes, and an
/// ICMP error quotes no less.
#[inline(always)]
pub fn ports(bytes: &impl Bytes, transport: Transport, head: &mut Head) -> Option<()> {
    let [a, b, c, d, ..] = bytes.read::<[u8; plain::UDP]>(transport.offset)?;
    head.tuple.source_port = u16::from_be_bytes([a, b]);
    head.tuple.destination_port = u16::from_be_bytes([c, d]);
    Some(())
}

/// Reads a UDP header: the ports, and for a datagram in fragments the length of the whole, which stands nowhere else.
#[inline(always)]
pub fn udp(bytes: &impl Bytes, transport: Transport, head: &mut Head) -> Option<Transport> {
    ports(bytes, transport, head)?;
    if !transport.is_first_fragment {
        return Some(transport);
    }
    let length = u32::from(u16::from_be_bytes(bytes.read(transport.offset + 4)?));
    Some(Transport { length, ..transport })
}

/// Reads the TCP header: ports, sequence number, flags.
#[inline(always)]
pub fn tcp(bytes: &impl Bytes, transport: Transport, head: &mut Head) -> Option<()> {
    let header = bytes.read::<Words<{ plain::TCP }>>(transport.offset)?;
    plain::tcp(header.0.as_ptr(), head);
    Some(())
}

/// Whether this is an ICMP message that came by its own family: the other one makes nothing of it.
#[inline(always)]
pub fn is_icmp(head: &Head) -> bool {
    matches!((head.family, head.protocol), (4, protocol::ICMP) | (6, protocol::ICMPV6))
}

/// Reads an ICMP echo: its identifier stands for the port of whoever asks. Answers whether it is a request.
#[inline(always)]
pub fn echo(bytes: &impl Bytes, transport: Transport, head: &mut Head) -> Option<bool> {
    if !is_icmp(head) {
        return None;
    }
    let [kind, _, _, _, id0, id1, _, _] = bytes.read::<[u8; 8]>(transport.offset)?;
    let request = match (head.protocol, kind) {
        (protocol::ICMP, icmp::ECHO_REQUEST) | (protocol::ICMPV6, icmp::V6_ECHO_REQUEST) => true,
        (protocol::ICMP, icmp::ECHO_REPLY) | (protocol::ICMPV6, icmp::V6_ECHO_REPLY) => false,
        _ => return None,
    };
    let identifier = u16::from_be_bytes([id0, id1]);
    let (source, destination) = if request { (identifier, 0) } else { (0, identifier) };
    head.tuple.source_port = source;
    head.tuple.destination_port = destination;
    Some(request)
}
