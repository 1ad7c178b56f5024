//! Pod devices: the openings, answers and ends that cross them.

use crate::{
    conntrack,
    kernel::{pointer, socket_netns},
    layout,
    maps::{CONVERSATIONS, DeviceScratch, POD_NETNS, count_lost, device_scratch, emit},
    packet::{self, Bytes, Transport, icmp, protocol},
};
use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_ktime_get_coarse_ns, bpf_ktime_get_ns, bpf_skb_load_bytes},
    programs::TcContext,
};
use core::mem::size_of;
use portolan_ebpf_types::{Event, direction, kind, lost, tcp_flags};

const ETHERNET_HEADER: u32 = 14;
const OPENS_OR_ENDS: u8 = tcp_flags::SYN | tcp_flags::FIN | tcp_flags::RST;
const BPF_ANY: u64 = 0;
const BPF_NOEXIST: u64 = 1;

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
    if is_midstream_tcp(ctx) {
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
            conversation(ctx, transport, scratch, true)
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
        return conversation(ctx, transport, scratch, request);
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

/// Counts a packet of a UDP or ICMP echo conversation; its first packet and first answer are told.
#[inline(always)]
fn conversation(
    ctx: &TcContext,
    transport: Transport,
    scratch: &mut DeviceScratch,
    may_open: bool,
) -> Option<()> {
    let event = &mut scratch.event;
    event.payload = transport.length.saturating_sub(8);
    let from_source = scratch.key.set(event.ifindex, event.protocol, event.family, &event.tuple);
    let side = usize::from(!from_source);
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_coarse_ns() };
    let Some(known) = CONVERSATIONS.get_ptr_mut(&scratch.key) else {
        return if may_open { open(ctx, scratch, from_source, now) } else { None };
    };
    // SAFETY: the map keeps the value alive for this program run. Each side of a conversation moves
    // its own counters, and its packets come one after the other.
    let known = unsafe { &mut *known };
    if side == 0 {
        known.packets[0] += 1;
        known.bytes[0] += u64::from(event.payload);
    } else {
        known.packets[1] += 1;
        known.bytes[1] += u64::from(event.payload);
    }
    known.last_ns = now;
    if (known.source_first != 0) == from_source || known.answered != 0 {
        return Some(());
    }
    known.answered = 1;
    send(ctx, event, kind::ANSWER)
}

#[inline(always)]
fn open(ctx: &TcContext, scratch: &mut DeviceScratch, from_source: bool, now: u64) -> Option<()> {
    let DeviceScratch { event, key, value } = scratch;
    // A conversation that is older than the agent may be met at an answer.
    let reply = conntrack::is_reply(ctx.as_ptr() as u64);
    value.last_ns = now;
    value.source_first = u32::from(from_source != reply);
    value.answered = u32::from(reply);
    if from_source {
        value.packets[0] = 1;
        value.bytes[0] = u64::from(event.payload);
    } else {
        value.packets[1] = 1;
        value.bytes[1] = u64::from(event.payload);
    }
    if CONVERSATIONS.insert(&*key, &*value, BPF_NOEXIST).is_err() {
        count_lost(lost::CONVERSATIONS);
        return None;
    }
    learn_netns(ctx, event);
    let told = send(ctx, event, if reply { kind::ANSWER } else { kind::FIRST });
    if told.is_none() {
        // Nobody will ever ask for it: make room, so that the next packet can tell.
        let _ = CONVERSATIONS.remove(&*key);
    }
    told
}

/// Remembers the network namespace behind a device, when the pod's socket is still on the packet.
#[inline(always)]
fn learn_netns(ctx: &TcContext, event: &Event) {
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
fn send(ctx: &TcContext, event: &mut Event, kind: u8) -> Option<()> {
    event.kind = kind;
    // SAFETY: the helper has no preconditions.
    event.time_ns = unsafe { bpf_ktime_get_ns() };
    if event.direction == direction::TO_DEVICE {
        conntrack::describe(ctx.as_ptr() as u64, event);
    }
    emit(&*event)
}

#[inline(always)]
fn ifindex(ctx: &TcContext) -> u32 {
    // SAFETY: the context is a valid `__sk_buff` for the whole program run.
    unsafe { (*ctx.skb.skb).ifindex }
}
