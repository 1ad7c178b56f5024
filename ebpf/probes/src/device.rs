//! Pod devices: the openings, answers and ends that cross them.

use crate::{
    conversation,
    crossing::{ETHERNET_HEADER, ifindex, learn_netns, send},
    maps::{DeviceScratch, device_scratch},
    packet::{self, Bytes as _, Transport, icmp, protocol},
};
use aya_ebpf::programs::TcContext;
use portolan_ebpf_types::{Event, kind, tcp_flags};

const OPENS_OR_ENDS: u8 = tcp_flags::SYN | tcp_flags::FIN | tcp_flags::RST;

/// Looks at one packet; established TCP traffic leaves before anything else is done.
#[inline(always)]
pub fn observe(ctx: &TcContext, direction: u8) -> Option<()> {
    if is_midstream_tcp(ctx) || conversation::count_known(ctx).is_some() {
        return None;
    }
    let scratch = device_scratch()?;
    scratch.event.direction = direction;
    scratch.event.ifindex = ifindex(ctx);
    let transport = packet::ip(ctx, ETHERNET_HEADER, &mut scratch.event)?;
    match scratch.event.protocol {
        protocol::TCP => tcp(ctx, transport, &mut scratch.event),
        protocol::UDP => {
            packet::ports(ctx, transport, &mut scratch.event)?;
            conversation::observe(ctx, transport, scratch, true)
        }
        protocol::ICMP | protocol::ICMPV6 => icmp(ctx, transport, scratch),
        _ => None,
    }
}

/// Whether this is plainly a TCP packet without SYN, FIN or RST. What is not plain is looked at.
#[inline(always)]
fn is_midstream_tcp(ctx: &TcContext) -> bool {
    const FLAGS: usize = 13;
    let start = ctx.data() + ETHERNET_HEADER as usize;
    let end = ctx.data_end();
    if start + 20 + FLAGS + 1 > end {
        return false;
    }
    let byte = |offset: usize| {
        // SAFETY: every offset asked for was compared with the end of the packet before.
        unsafe { *((start + offset) as *const u8) }
    };
    let flags = match (byte(0), byte(9), byte(6)) {
        (0x45, protocol::TCP, _) => byte(20 + FLAGS),
        (0x60..=0x6f, _, protocol::TCP) if start + 40 + FLAGS < end => byte(40 + FLAGS),
        _ => return false,
    };
    flags & OPENS_OR_ENDS == 0
}

#[inline(always)]
fn tcp(ctx: &TcContext, transport: Transport, event: &mut Event) -> Option<()> {
    packet::tcp(ctx, transport, event)?;
    if event.flags & OPENS_OR_ENDS == 0 {
        return None;
    }
    learn_netns(ctx, event);
    send(ctx, event, kind::TCP)
}

#[inline(always)]
fn icmp(ctx: &TcContext, transport: Transport, scratch: &mut DeviceScratch) -> Option<()> {
    let [icmp_type, icmp_code] = ctx.read::<[u8; 2]>(transport.offset)?;
    let unreachable = match scratch.event.protocol {
        protocol::ICMP => icmp_type == icmp::UNREACHABLE && icmp_code != icmp::CODE_FRAGMENTATION_NEEDED,
        _ => icmp_type == icmp::V6_UNREACHABLE,
    };
    if !unreachable {
        let request = packet::echo(ctx, transport, &mut scratch.event)?;
        return conversation::observe(ctx, transport, scratch, request);
    }
    let event = &mut scratch.event;
    event.icmp_type = icmp_type;
    event.icmp_code = icmp_code;
    event.offender = event.tuple.source;
    let offending = packet::ip(ctx, transport.offset + 8, event)?;
    match event.protocol {
        protocol::ICMP | protocol::ICMPV6 => {
            packet::echo(ctx, offending, event)?;
        }
        _ => packet::ports(ctx, offending, event)?,
    }
    send(ctx, event, kind::UNREACHABLE)
}
