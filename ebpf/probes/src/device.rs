//! Pod devices: the openings, answers and ends that cross them.

use crate::{
    conntrack, conversation,
    kernel::{pointer, socket_netns},
    layout,
    maps::{DeviceScratch, POD_NETNS, device_scratch, emit},
    packet::{self, Bytes, Transport, icmp, protocol},
};
use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_ktime_get_ns, bpf_skb_load_bytes},
    programs::TcContext,
};
use core::mem::size_of;
use portolan_ebpf_types::{Event, direction, kind, tcp_flags};

pub const ETHERNET_HEADER: u32 = 14;
const OPENS_OR_ENDS: u8 = tcp_flags::SYN | tcp_flags::FIN | tcp_flags::RST;
const BPF_ANY: u64 = 0;

impl Bytes for TcContext {
    #[inline(always)]
    fn fill<T: Copy>(&self, offset: u32, destination: *mut T) -> Option<()> {
        // SAFETY: the destination has the size given; bytes outside of the packet give an error.
        let result =
            unsafe { bpf_skb_load_bytes(self.as_ptr(), offset, destination.cast(), size_of::<T>() as u32) };
        if result == 0 { Some(()) } else { None }
    }
}

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

/// Remembers the network namespace behind a device, when the pod's socket is still on the packet.
#[inline(always)]
pub fn learn_netns(ctx: &TcContext, event: &Event) {
    if event.direction != direction::FROM_DEVICE {
        return;
    }
    let Some(sk) = pointer(ctx.as_ptr() as u64, layout::SKB_SK.load()) else { return };
    let Some(netns) = socket_netns(sk) else { return };
    if POD_NETNS.get_ptr(netns).is_none() {
        let _ = POD_NETNS.insert(netns, event.ifindex, BPF_ANY);
    }
}

#[inline(always)]
pub fn send(ctx: &TcContext, event: &mut Event, kind: u8) -> Option<()> {
    event.kind = kind;
    // SAFETY: the helper has no preconditions.
    event.time_ns = unsafe { bpf_ktime_get_ns() };
    // An end has the tuple that the opening had on this device: its entry tells nothing new.
    if event.direction == direction::TO_DEVICE && event.flags & tcp_flags::FIN == 0 {
        conntrack::describe(ctx.as_ptr() as u64, event);
    }
    emit(&*event)
}

#[inline(always)]
pub fn ifindex(ctx: &TcContext) -> u32 {
    // SAFETY: the context is a valid `__sk_buff` for the whole program run.
    unsafe { (*ctx.skb.skb).ifindex }
}
