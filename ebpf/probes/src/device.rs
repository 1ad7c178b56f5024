//! Pod devices: the openings, answers and ends that cross them.

use crate::{
    conntrack, conversation,
    crossing::{connection, head, tell},
    maps::write,
    packet::{self, Bytes as _, Transport, chunk, icmp, plain, protocol},
};
use aya_ebpf::{EbpfContext as _, helpers::generated::bpf_ktime_get_ns, programs::TcContext};
use core::{hint::black_box, mem::MaybeUninit};
use portolan_ebpf_types::{Head, Translation, Unreachable, direction, kind, lost, tcp_flags};

/// Bytes before the IP header on an Ethernet device.
const ETHERNET: usize = 14;

const OPENS_OR_ENDS: u8 = tcp_flags::SYN | tcp_flags::FIN | tcp_flags::RST;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const SERVICE_VLAN: u16 = 0x88a8;
/// A service tag and a customer's.
const TAGS: usize = 2;

/// Looks at one packet; established TCP traffic leaves before anything else is done.
#[inline(always)]
pub fn observe(ctx: &TcContext, direction: u8) -> Option<()> {
    let kind = plain_kind(ctx);
    if kind == Plain::Midstream {
        return None;
    }
    let mut place = MaybeUninit::uninit();
    let head = head(ctx, direction, &mut place);
    let length = plain_headers(ctx, kind, head);
    match (head.protocol, length) {
        (protocol::TCP, Some(_)) => connection(ctx, head),
        (protocol::UDP, Some(length)) if conversation::count_known(head, length).is_some() => None,
        // The verifier takes no function that leaves a pointer where its answer should be, and the
        // compiler makes one of a function whose answer nobody wants.
        _ => black_box(full(ctx, head)),
    }
}

/// What the first look says of a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plain {
    /// TCP without SYN, FIN or RST.
    Midstream,
    /// Plain IPv4 with TCP or UDP.
    Ipv4,
    /// Plain IPv6 with TCP or UDP.
    Ipv6,
    /// To be looked at in full.
    No,
}

#[inline(always)]
fn plain_kind(ctx: &TcContext) -> Plain {
    let (start, end) = (ctx.data() + ETHERNET, ctx.data_end());
    let ip = start as *const u8;
    if start + plain::IPV4 + plain::UDP > end {
        return Plain::No;
    }
    let ether_type = u16::from_be(plain::at(ip.wrapping_sub(2), 0));
    if ether_type == IPV4 && plain::is_ipv4(ip) {
        let is_long = start + plain::IPV4 + plain::TCP <= end;
        plain_protocol::<{ plain::IPV4 }>(ip, plain::at(ip, 9), is_long, Plain::Ipv4)
    } else if ether_type == IPV6 && plain::is_ipv6(ip) && start + plain::IPV6 + plain::UDP <= end {
        let is_long = start + plain::IPV6 + plain::TCP <= end;
        plain_protocol::<{ plain::IPV6 }>(ip, plain::at(ip, 6), is_long, Plain::Ipv6)
    } else {
        Plain::No
    }
}

#[inline(always)]
fn plain_protocol<const IP: usize>(ip: *const u8, number: u8, is_long: bool, family: Plain) -> Plain {
    match number {
        protocol::TCP if is_long => {
            if plain::tcp_flags(ip.wrapping_add(IP)) & OPENS_OR_ENDS == 0 {
                Plain::Midstream
            } else {
                family
            }
        }
        protocol::UDP => family,
        _ => Plain::No,
    }
}

/// Takes in plain headers; answers the bytes after the IP header.
#[inline(always)]
fn plain_headers(ctx: &TcContext, kind: Plain, head: &mut Head) -> Option<u32> {
    let (start, end) = (ctx.data() + ETHERNET, ctx.data_end());
    let ip = start as *const u8;
    match kind {
        Plain::Ipv4 if start + plain::IPV4 + plain::UDP <= end => {
            let length = plain::ipv4(ip, head);
            let is_long = start + plain::IPV4 + plain::TCP <= end;
            plain_transport(ip.wrapping_add(plain::IPV4), is_long, head).map(|()| length)
        }
        Plain::Ipv6 if start + plain::IPV6 + plain::UDP <= end => {
            let length = plain::ipv6(ip, head)?;
            let is_long = start + plain::IPV6 + plain::TCP <= end;
            plain_transport(ip.wrapping_add(plain::IPV6), is_long, head).map(|()| length)
        }
        _ => None,
    }
}

#[inline(always)]
fn plain_transport(transport: *const u8, is_long: bool, head: &mut Head) -> Option<()> {
    if head.protocol != protocol::TCP {
        plain::ports(transport, head);
    } else if is_long {
        plain::tcp(transport, head);
    } else {
        return None;
    }
    Some(())
}

/// Looks at a packet piece by piece.
#[inline(never)]
fn full(ctx: &TcContext, head: &mut Head) -> Option<()> {
    let (offset, ether_type) = network(ctx)?;
    let transport = packet::ip(ctx, offset, head)?;
    if (head.family == 4) != (ether_type == IPV4) {
        return None;
    }
    match head.protocol {
        protocol::TCP => {
            packet::tcp(ctx, transport, head)?;
            if head.flags & OPENS_OR_ENDS == 0 { None } else { connection(ctx, head) }
        }
        protocol::UDP => {
            let transport = packet::udp(ctx, transport, head)?;
            conversation::observe(ctx, transport, head, true)
        }
        protocol::SCTP => sctp(ctx, transport, head),
        _ if packet::is_icmp(head) => icmp(ctx, transport, head),
        _ => None,
    }
}

/// Where the IP header begins, behind the tags that are still in the packet, and its EtherType.
#[inline(always)]
fn network(ctx: &TcContext) -> Option<(u32, u16)> {
    let mut offset = ETHERNET as u32;
    let mut ether_type = u16::from_be_bytes(ctx.read(offset - 2)?);
    for _ in 0..TAGS {
        if ether_type == VLAN || ether_type == SERVICE_VLAN {
            offset += 4;
            ether_type = u16::from_be_bytes(ctx.read(offset - 2)?);
        }
    }
    if ether_type == IPV4 || ether_type == IPV6 { Some((offset, ether_type)) } else { None }
}

/// SCTP without sockets of its own to ask: a conversation that an ABORT turns away.
#[inline(always)]
fn sctp(ctx: &TcContext, transport: Transport, head: &mut Head) -> Option<()> {
    const COMMON_HEADER: u32 = 12;
    packet::ports(ctx, transport, head)?;
    let [chunk, ..] = ctx.read::<[u8; chunk::HEADER]>(transport.offset + COMMON_HEADER)?;
    match chunk {
        chunk::ABORT => {
            head.flags = tcp_flags::RST;
            tell(ctx, head, kind::CONNECTION)
        }
        chunk => conversation::observe(ctx, transport, head, chunk != chunk::INIT_ACK),
    }
}

#[inline(always)]
fn icmp(ctx: &TcContext, transport: Transport, head: &mut Head) -> Option<()> {
    let [icmp_type, icmp_code, ..] = ctx.read::<[u8; icmp::HEADER as usize]>(transport.offset)?;
    let unreachable = match head.protocol {
        protocol::ICMP => icmp_type == icmp::UNREACHABLE && icmp_code != icmp::CODE_FRAGMENTATION_NEEDED,
        _ => {
            icmp_type == icmp::V6_UNREACHABLE
                || (icmp_type == icmp::V6_PARAMETER_PROBLEM && icmp_code == icmp::CODE_NO_SUCH_PROTOCOL)
        }
    };
    if !unreachable {
        let request = packet::echo(ctx, transport, head)?;
        return conversation::observe(ctx, transport, head, request);
    }
    let (offender, family) = (head.tuple.source, head.family);
    head.icmp = [icmp_type, icmp_code];
    let offending = packet::ip(ctx, transport.offset + icmp::HEADER, head)?;
    if head.family != family {
        return None;
    }
    match head.protocol {
        protocol::TCP | protocol::UDP | protocol::SCTP => packet::ports(ctx, offending, head)?,
        _ => packet::echo(ctx, offending, head).map(|_| ())?,
    }
    complaint(ctx, head, offender)
}

#[inline(always)]
fn complaint(ctx: &TcContext, head: &mut Head, offender: [u8; 16]) -> Option<()> {
    head.kind = kind::UNREACHABLE;
    // SAFETY: the helper has no preconditions.
    head.time_ns = unsafe { bpf_ktime_get_ns() };
    let entry =
        if head.direction == direction::TO_DEVICE { conntrack::entry(ctx.as_ptr() as u64) } else { None };
    write::<Unreachable>(lost::RECORDS, |record| {
        record.offender = offender;
        record.translation = Translation::default();
        if let Some(entry) = entry {
            head.conntrack_info = conntrack::describe(entry, &raw mut record.translation);
        }
        record.head = *head;
    })
}
