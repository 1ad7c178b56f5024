//! A packet that crosses a pod device: its bytes, its device, and what is told of it.

use crate::{
    conntrack,
    kernel::{pointer, socket_netns},
    layout,
    maps::{POD_NETNS, emit},
    packet::Bytes,
};
use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_ktime_get_ns, bpf_skb_load_bytes},
    programs::TcContext,
};
use core::mem::size_of;
use portolan_ebpf_types::{Event, direction, tcp_flags};

pub const ETHERNET_HEADER: u32 = 14;
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
