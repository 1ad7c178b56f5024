//! Packets that the kernel drops: only openings and their answers, with reason and place.

use crate::{
    conntrack,
    kernel::{self, device_netns, pointer, read, socket_netns},
    layout,
    maps::{drop_scratch, emit},
    packet::{self, Bytes, Transport, protocol},
};
use aya_ebpf::{helpers::generated::bpf_ktime_get_ns, programs::BtfTracePointContext};
use portolan_ebpf_types::{Event, direction, kind, tcp_flags};

/// The packet of a buffer that is being freed, from its network header on.
struct Buffer(u64);

impl Bytes for Buffer {
    #[inline(always)]
    fn fill<T: Copy>(&self, offset: u32, destination: *mut T) -> Option<()> {
        kernel::fill(self.0, offset, destination)
    }
}

/// Where a drop happened, as this node sees it.
struct Place {
    netns: u32,
    ifindex: u32,
}

/// Looks at one freed buffer. The kernel's everyday noise leaves at the first comparison.
#[inline(always)]
pub fn observe(ctx: &BtfTracePointContext) -> Option<()> {
    let reason: u32 = ctx.arg(2);
    if reason == layout::REASON_CONSUMED.load() || reason == layout::REASON_QUEUE_PURGE.load() {
        return None;
    }
    let skb = ctx.arg::<*const u8>(0) as u64;
    let place = place(skb)?;
    let network_header: u16 = read(skb, layout::SKB_NETWORK_HEADER.load())?;
    let buffer = Buffer(pointer(skb, layout::SKB_HEAD.load())? + u64::from(network_header));
    let event = drop_scratch()?;
    let transport = packet::ip(&buffer, 0, event)?;
    opening(&buffer, transport, event)?;
    event.kind = kind::DROP;
    event.direction = direction::NONE;
    // SAFETY: the helper has no preconditions.
    event.time_ns = unsafe { bpf_ktime_get_ns() };
    event.netns = place.netns;
    event.ifindex = place.ifindex;
    event.reason = reason;
    event.location = ctx.arg(1);
    conntrack::describe(skb, event);
    emit(&*event)
}

/// Tracepoints are node-wide and a kernel may hold several nodes: only this node's namespace, and
/// the pods that hang on it by a veth, are ours.
#[inline(always)]
fn place(skb: u64) -> Option<Place> {
    let node = layout::NODE_NETNS.load();
    let Some(dev) = pointer(skb, layout::SKB_DEV.load()) else {
        let netns = socket_netns(pointer(skb, layout::SKB_SK.load())?)?;
        return if netns == node { Some(Place { netns, ifindex: 0 }) } else { None };
    };
    let netns = device_netns(dev)?;
    let mut ours = dev;
    if netns != node {
        ours = kernel::veth_peer(dev)?;
        if device_netns(ours)? != node {
            return None;
        }
    }
    Some(Place { netns, ifindex: read(ours, layout::DEV_IFINDEX.load())? })
}

/// Reads the transport header of an opening or of the answer to one; other packets leave here.
#[inline(always)]
fn opening(buffer: &Buffer, transport: Transport, event: &mut Event) -> Option<()> {
    match event.protocol {
        protocol::TCP => {
            packet::tcp(buffer, transport, event)?;
            if event.flags & tcp_flags::SYN == 0 { None } else { Some(()) }
        }
        protocol::UDP => packet::ports(buffer, transport, event),
        protocol::ICMP | protocol::ICMPV6 => packet::echo(buffer, transport, event).map(|_| ()),
        _ => None,
    }
}
