//! Reading headers into an event, wherever their bytes are: on a device or in a dropped buffer.

use core::mem::MaybeUninit;
use portolan_ebpf_types::{Event, Tuple};

/// IP protocol numbers that the probes look at.
pub mod protocol {
    pub const ICMP: u8 = 1;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const ICMPV6: u8 = 58;
}

/// ICMP types that the probes look at.
pub mod icmp {
    pub const ECHO_REPLY: u8 = 0;
    pub const UNREACHABLE: u8 = 3;
    pub const ECHO_REQUEST: u8 = 8;
    /// "Fragmentation needed" is path MTU discovery, not a refusal.
    pub const CODE_FRAGMENTATION_NEEDED: u8 = 4;
    pub const V6_UNREACHABLE: u8 = 1;
    pub const V6_ECHO_REQUEST: u8 = 128;
    pub const V6_ECHO_REPLY: u8 = 129;
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

/// Where the transport header begins and how many bytes are left from there on.
#[derive(Clone, Copy)]
pub struct Transport {
    pub offset: u32,
    pub length: u32,
}

/// Extension headers are followed this far.
const EXTENSIONS: usize = 4;

/// Reads the IP header at `offset` into family, protocol and addresses of the event.
/// Fragments after the first are nobody's beginning.
#[inline(always)]
pub fn ip(bytes: &impl Bytes, offset: u32, event: &mut Event) -> Option<Transport> {
    let first: u8 = bytes.read(offset)?;
    match first >> 4 {
        4 => ipv4(bytes, offset, u32::from(first & 0xf) * 4, event),
        6 => ipv6(bytes, offset, event),
        _ => None,
    }
}

#[inline(always)]
fn ipv4(bytes: &impl Bytes, offset: u32, header_length: u32, event: &mut Event) -> Option<Transport> {
    let [_, _, length0, length1, _, _, fragment0, fragment1, _, protocol] = bytes.read::<[u8; 10]>(offset)?;
    if header_length < 20 || u16::from_be_bytes([fragment0 & 0x1f, fragment1]) != 0 {
        return None;
    }
    event.family = 4;
    event.protocol = protocol;
    event.tuple = Tuple::default();
    bytes.fill(offset + 12, event.tuple.source.as_mut_ptr().cast::<[u8; 4]>())?;
    bytes.fill(offset + 16, event.tuple.destination.as_mut_ptr().cast::<[u8; 4]>())?;
    let total = u32::from(u16::from_be_bytes([length0, length1]));
    Some(Transport { offset: offset + header_length, length: total.saturating_sub(header_length) })
}

#[inline(always)]
fn ipv6(bytes: &impl Bytes, offset: u32, event: &mut Event) -> Option<Transport> {
    let [length0, length1, next] = bytes.read::<[u8; 3]>(offset + 4)?;
    let mut protocol = next;
    let mut extensions = 0;
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
                protocol = next;
                extensions += 8;
            }
            _ => break,
        }
    }
    event.family = 6;
    event.protocol = protocol;
    bytes.fill(offset + 8, &raw mut event.tuple.source)?;
    bytes.fill(offset + 24, &raw mut event.tuple.destination)?;
    // No router carries these, and user space would take them for IPv4 and never find them again.
    if is_mapped(&event.tuple.source) || is_mapped(&event.tuple.destination) {
        return None;
    }
    let payload = u32::from(u16::from_be_bytes([length0, length1]));
    Some(Transport { offset: offset + 40 + extensions, length: payload.saturating_sub(extensions) })
}

/// Whether this is an IPv4-mapped IPv6 address.
#[inline(always)]
fn is_mapped(address: &[u8; 16]) -> bool {
    let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = *address;
    u64::from_ne_bytes([a, b, c, d, e, f, g, h]) == 0
        && u32::from_ne_bytes([i, j, k, l]) == u32::from_be(0xffff)
}

/// Reads the two ports at the start of a transport header.
#[inline(always)]
pub fn ports(bytes: &impl Bytes, transport: Transport, event: &mut Event) -> Option<()> {
    let [a, b, c, d] = bytes.read::<[u8; 4]>(transport.offset)?;
    event.tuple.source_port = u16::from_be_bytes([a, b]);
    event.tuple.destination_port = u16::from_be_bytes([c, d]);
    Some(())
}

/// Reads the TCP header: ports, numbers, flags.
#[inline(always)]
pub fn tcp(bytes: &impl Bytes, transport: Transport, event: &mut Event) -> Option<()> {
    ports(bytes, transport, event)?;
    let [q0, q1, q2, q3, a0, a1, a2, a3, length, flags] = bytes.read::<[u8; 10]>(transport.offset + 4)?;
    event.sequence = u32::from_be_bytes([q0, q1, q2, q3]);
    event.acknowledgement = u32::from_be_bytes([a0, a1, a2, a3]);
    event.flags = flags;
    event.payload = transport.length.saturating_sub(u32::from(length >> 4) * 4);
    Some(())
}

/// Reads an ICMP echo: its identifier stands for both ports. Answers whether it is a request.
#[inline(always)]
pub fn echo(bytes: &impl Bytes, transport: Transport, event: &mut Event) -> Option<bool> {
    let [kind, _, _, _, id0, id1] = bytes.read::<[u8; 6]>(transport.offset)?;
    let request = match (event.protocol, kind) {
        (protocol::ICMP, icmp::ECHO_REQUEST) | (protocol::ICMPV6, icmp::V6_ECHO_REQUEST) => true,
        (protocol::ICMP, icmp::ECHO_REPLY) | (protocol::ICMPV6, icmp::V6_ECHO_REPLY) => false,
        _ => return None,
    };
    event.tuple.source_port = u16::from_be_bytes([id0, id1]);
    event.tuple.destination_port = event.tuple.source_port;
    Some(request)
}
