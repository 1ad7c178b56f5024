//! A packet that crosses a pod device: its bytes, its device, and what is told of it.

use crate::{
    conntrack::{self, Entry},
    kernel::{pointer, socket_netns},
    layout,
    maps::{POD_DEVICES, POD_NETNS, emit, write},
    packet::Bytes,
};
use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_ktime_get_ns, bpf_skb_load_bytes},
    programs::TcContext,
};
use core::mem::size_of;
use portolan_ebpf_types::{Head, NO_CONNTRACK, Translated, direction, kind, lost, tcp_flags};

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

/// The beginning of a record about a packet on this device.
#[inline(always)]
pub fn head(ctx: &TcContext, direction: u8) -> Head {
    Head { direction, ifindex: ifindex(ctx), conntrack_info: NO_CONNTRACK, ..Head::default() }
}

/// Tells of a packet of a connection, unless a socket will tell the same.
#[inline(always)]
pub fn connection(ctx: &TcContext, head: &mut Head) -> Option<()> {
    const TELLING: u8 = tcp_flags::SYN | tcp_flags::RST;
    if head.flags & TELLING == 0 && socket_tells(ctx, head) {
        return None;
    }
    if head.flags & tcp_flags::SYN != 0 {
        learn_netns(ctx, head);
    }
    tell(ctx, head, kind::CONNECTION)
}

/// Whether the end of a connection is told by the socket itself: the one on the packet, or on the way
/// to a pod the one that a pod with sockets in this kernel has. A pod may also have a guest or
/// containers of its own behind the same device, so what it sends without a socket is always told.
#[inline(always)]
fn socket_tells(ctx: &TcContext, head: &Head) -> bool {
    if layout::SOCKETS_TELL.load() == 0 {
        false
    } else if head.direction == direction::FROM_DEVICE {
        // SAFETY: the context is a valid `__sk_buff` for the whole program run.
        unsafe { !(*ctx.skb.skb).__bindgen_anon_2.sk.is_null() }
    } else {
        POD_DEVICES.get_ptr(head.ifindex).is_some()
    }
}

/// Remembers the network namespace behind a device, when the pod's socket is still on the packet.
#[inline(always)]
pub fn learn_netns(ctx: &TcContext, head: &Head) {
    if head.direction != direction::FROM_DEVICE {
        return;
    }
    let Some(sk) = pointer(ctx.as_ptr() as u64, layout::SKB_SK.load()) else { return };
    let Some(netns) = socket_netns(sk) else { return };
    // SAFETY: the map keeps the value alive for this program run. The number of a namespace that is gone
    // is given to the next one.
    if POD_NETNS.get_ptr(netns).is_none_or(|known| unsafe { *known } != head.ifindex) {
        let _ = POD_NETNS.insert(netns, head.ifindex, BPF_ANY);
        let _ = POD_DEVICES.insert(head.ifindex, netns, BPF_ANY);
    }
}

/// Sends the record of a packet: on the way to a pod with its conntrack entry, since before that
/// conntrack has not seen it yet. An end has the tuple of the opening and needs no entry.
#[inline(always)]
pub fn tell(ctx: &TcContext, head: &mut Head, kind: u8) -> Option<()> {
    head.kind = kind;
    let is_end = kind == kind::CONNECTION && head.flags & (tcp_flags::SYN | tcp_flags::RST) == 0;
    // SAFETY: the helper has no preconditions.
    head.time_ns = unsafe { bpf_ktime_get_ns() };
    if head.direction == direction::TO_DEVICE
        && !is_end
        && let Some(entry) = conntrack::entry(ctx.as_ptr() as u64)
    {
        return tell_translated(head, entry);
    }
    emit(head, lost_when_full(head))
}

#[inline(always)]
fn tell_translated(head: &mut Head, entry: Entry) -> Option<()> {
    write::<Translated>(lost_when_full(head), |record| {
        head.conntrack_info = conntrack::describe(entry, &raw mut record.translation);
        record.head = *head;
    })
}

/// What is lost with a record: perhaps the only word of an opening, or not.
#[inline(always)]
fn lost_when_full(head: &Head) -> u32 {
    let is_syn = head.flags & (tcp_flags::SYN | tcp_flags::ACK) == tcp_flags::SYN;
    if is_syn || head.kind == kind::FIRST { lost::OPENINGS } else { lost::RECORDS }
}

#[inline(always)]
pub fn ifindex(ctx: &TcContext) -> u32 {
    // SAFETY: the context is a valid `__sk_buff` for the whole program run.
    unsafe { (*ctx.skb.skb).ifindex }
}
