//! TCP sockets that come to their end, with what the kernel counted about them.

use crate::{
    dialled,
    kernel::{fill, load, netns_of},
    layout,
    maps::{POD_NETNS, emit},
    packet::protocol,
    zeroed::zeroed,
};
use aya_ebpf::{
    helpers::generated::{bpf_ktime_get_ns, bpf_skc_to_tcp_sock},
    programs::BtfTracePointContext,
};
use core::mem::MaybeUninit;
use portolan_ebpf_types::{Head, NO_CONNTRACK, SocketEnd, Tuple, direction, kind, lost};

const TCP_ESTABLISHED: i32 = 1;
const TCP_SYN_SENT: i32 = 2;
const TCP_SYN_RECV: i32 = 3;
const TCP_CLOSE: i32 = 7;
const TCP_LISTEN: i32 = 10;
/// The bit that says that the peer's FIN came.
const SOCK_DONE: u32 = 1;
const EHOSTUNREACH: u8 = 113;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// Looks at one state change: what was dialled at the first one of a client, the completed handshake of a
/// server, and the last one of all.
#[inline(always)]
pub fn observe(ctx: &BtfTracePointContext) -> Option<()> {
    let (old_state, new_state): (i32, i32) = (ctx.arg(1), ctx.arg(2));
    if new_state == TCP_SYN_SENT {
        return dialled::remember(ctx.arg(0));
    }
    let is_open = old_state == TCP_SYN_RECV && new_state == TCP_ESTABLISHED;
    if !is_open && (new_state != TCP_CLOSE || old_state == TCP_LISTEN) {
        return None;
    }
    let sk: *const u8 = ctx.arg(0);
    if load::<u16>(sk, layout::SK_PROTOCOL.load()) != u16::from(protocol::TCP) {
        return None;
    }
    let netns = netns_of(sk, layout::SK_NET.load())?;
    if netns != layout::NODE_NETNS.load() && POD_NETNS.get_ptr(netns).is_none() {
        return None;
    }
    // SAFETY: the helper takes any socket, and answers with null for one that is not TCP.
    let tcp: *const u8 = unsafe { bpf_skc_to_tcp_sock(sk.cast_mut().cast()) }.cast_const().cast();
    if tcp.is_null() {
        return None;
    }
    if is_open {
        return open(tcp, netns);
    }
    let mut end = MaybeUninit::uninit();
    let end: &mut SocketEnd = zeroed(&mut end);
    end.kind = kind::SOCKET_END;
    end.old_state = old_state as u8;
    // SAFETY: the helper has no preconditions.
    end.time_ns = unsafe { bpf_ktime_get_ns() };
    end.netns = netns;
    end.segments_out = load(tcp, layout::TCP_SEGS_OUT.load());
    end.segments_in = load(tcp, layout::TCP_SEGS_IN.load());
    end.retransmits = load(tcp, layout::TCP_RETRANS.load());
    // What the kernel says was acknowledged counts SYN and FIN as well, and what was received the FIN.
    let sent: u64 = load(tcp, layout::TCP_BYTES_SENT.load());
    end.bytes_sent = sent.saturating_sub(load(tcp, layout::TCP_BYTES_RETRANS.load()));
    let received: u64 = load(tcp, layout::TCP_BYTES_RECEIVED.load());
    let flags: u64 = load(tcp, layout::SK_FLAGS.load());
    end.bytes_received = received.saturating_sub(flags >> SOCK_DONE & 1);
    end.srtt_us = load::<u32>(tcp, layout::TCP_SRTT.load()) >> 3;
    end.error = error(tcp);
    end.family = ends(tcp, &mut end.tuple)?;
    emit(&*end, lost::RECORDS)
}

#[inline(always)]
fn open(tcp: *const u8, netns: u32) -> Option<()> {
    let mut head = MaybeUninit::uninit();
    let head: &mut Head = zeroed(&mut head);
    head.kind = kind::SOCKET_OPEN;
    head.protocol = protocol::TCP;
    head.direction = direction::NONE;
    head.conntrack_info = NO_CONNTRACK;
    // SAFETY: the helper has no preconditions.
    head.time_ns = unsafe { bpf_ktime_get_ns() };
    head.netns = netns;
    head.family = ends(tcp, &mut head.tuple)?;
    emit(&*head, lost::RECORDS)
}

/// What it ended with; or, where it ended of itself, the last error that it was told of and went on after. A program that
/// waits for its connection may have read that error, and so taken it off the socket: the ICMP packet that brought it waits on.
#[inline(always)]
fn error(tcp: *const u8) -> u8 {
    let ended: u32 = load(tcp, layout::SK_ERR.load());
    let told: u32 = load(tcp, layout::SK_ERR_SOFT.load());
    let waiting: u32 = load(tcp, layout::SK_ERROR_QUEUE.load());
    match (ended, told, waiting) {
        (0, 0, 0) => 0,
        (0, 0, _) => EHOSTUNREACH,
        (0, told, _) => told as u8,
        (ended, _, _) => ended as u8,
    }
}

/// Takes the local end as source and the peer as destination; answers the family. The port is read from `inet_sport`: the
/// socket's own number is taken back before the last state change.
#[inline(always)]
fn ends(tcp: *const u8, tuple: &mut Tuple) -> Option<u8> {
    tuple.source_port = u16::from_be(load(tcp, layout::SK_SPORT.load()));
    tuple.destination_port = u16::from_be(load(tcp, layout::SK_DPORT.load()));
    let source = tuple.source.as_mut_ptr();
    let destination = tuple.destination.as_mut_ptr();
    match load::<u16>(tcp, layout::SK_FAMILY.load()) {
        AF_INET => {
            fill(tcp as u64, layout::SK_SADDR.load(), source.cast::<[u8; 4]>())?;
            fill(tcp as u64, layout::SK_DADDR.load(), destination.cast::<[u8; 4]>())?;
            Some(4)
        }
        AF_INET6 => {
            fill(tcp as u64, layout::SK_SADDR6.load(), source.cast::<[u8; 16]>())?;
            fill(tcp as u64, layout::SK_DADDR6.load(), destination.cast::<[u8; 16]>())?;
            Some(6)
        }
        _ => None,
    }
}
