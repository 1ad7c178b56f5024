//! Which pods have their sockets in this kernel, learned from the sockets that are still on their packets.

use crate::{
    kernel::{pointer, socket_netns},
    layout,
    maps::{POD_DEVICES, POD_NETNS},
};
use aya_ebpf::{EbpfContext as _, programs::TcContext};
use portolan_ebpf_types::{Head, direction};

const BPF_ANY: u64 = 0;

/// Remembers the network namespace behind a device; answers with the socket that sent the packet.
#[inline(always)]
pub fn learn(ctx: &TcContext, head: &Head) -> Option<u64> {
    if head.direction != direction::FROM_DEVICE {
        return None;
    }
    let sk = pointer(ctx.as_ptr() as u64, layout::SKB_SK.load())?;
    let netns = socket_netns(sk)?;
    // SAFETY: the map keeps the value alive for this program run. The number of a namespace that is gone
    // is given to the next one.
    if POD_NETNS.get_ptr(netns).is_none_or(|known| unsafe { *known } != head.ifindex) {
        let _ = POD_NETNS.insert(netns, head.ifindex, BPF_ANY);
        let _ = POD_DEVICES.insert(head.ifindex, netns, BPF_ANY);
    }
    Some(sk)
}

/// Whether the end of a connection is told by the socket itself: the one on the packet, or on the way
/// to a pod the one that a pod with sockets in this kernel has. A pod may also have a guest or
/// containers of its own behind the same device, so what it sends without a socket is always told.
#[inline(always)]
pub fn will_tell(ctx: &TcContext, head: &Head) -> bool {
    if layout::SOCKETS_TELL.load() == 0 {
        false
    } else if head.direction == direction::FROM_DEVICE {
        // SAFETY: the context is a valid `__sk_buff` for the whole program run.
        unsafe { !(*ctx.skb.skb).__bindgen_anon_2.sk.is_null() }
    } else {
        POD_DEVICES.get_ptr(head.ifindex).is_some()
    }
}
