//! Packets that the kernel drops: only openings and their answers, with reason and place.

use crate::{
    conntrack,
    kernel::{self, device_netns, load, netns_of, pointer, read},
    layout,
    maps::{POD_NETNS, emit},
    packet::{self, Bytes, Transport, Words, plain, protocol},
    zeroed::zeroed,
};
use aya_ebpf::{helpers::generated::bpf_ktime_get_ns, programs::BtfTracePointContext};
use core::mem::{MaybeUninit, size_of};
use portolan_ebpf_types::{Drop, Head, NO_CONNTRACK, direction, kind, lost, tcp_flags};

const BPF_ANY: u64 = 0;

/// The packet of a buffer that is being freed, from its network header on.
struct Buffer {
    start: u64,
    /// Bytes that are the packet's: behind them lies what the memory held before.
    length: u32,
}

impl Buffer {
    #[inline(always)]
    fn of(skb: *const u8) -> Option<Self> {
        let head: u64 = load(skb, layout::SKB_HEAD.load());
        let tail: u32 = load(skb, layout::SKB_TAIL.load());
        let network_header: u16 = load(skb, layout::SKB_NETWORK_HEADER.load());
        let length = tail.checked_sub(network_header.into())?;
        Some(Self { start: head + u64::from(network_header), length })
    }
}

impl Bytes for Buffer {
    #[inline(always)]
    fn fill<T: Copy>(&self, offset: u32, destination: *mut T) -> Option<()> {
        if u64::from(offset) + size_of::<T>() as u64 > u64::from(self.length) {
            return None;
        }
        kernel::fill(self.start, offset, destination)
    }
}

/// Where a drop happened, as this node sees it.
struct Place {
    netns: u32,
    ifindex: u32,
}

/// Looks at one freed buffer. The kernel's everyday noise leaves at the first comparisons.
#[inline(always)]
pub fn observe(ctx: &BtfTracePointContext) -> Option<()> {
    let reason: u32 = ctx.arg(2);
    if is_noise(reason) {
        return None;
    }
    let skb: *const u8 = ctx.arg(0);
    let Place { netns, ifindex } = place(skb)?;
    let buffer = Buffer::of(skb)?;
    let mut record = MaybeUninit::uninit();
    let record: &mut Drop = zeroed(&mut record);
    (record.location, record.reason) = (ctx.arg(1), reason);
    record.head.kind = kind::DROP;
    record.head.direction = direction::NONE;
    record.head.conntrack_info = NO_CONNTRACK;
    record.head.netns = netns;
    record.head.ifindex = ifindex;
    if plainly(&buffer, &mut record.head).is_none() {
        let transport = packet::ip(&buffer, 0, &mut record.head)?;
        header(&buffer, transport, &mut record.head)?;
    }
    // A reset is the answer that refuses; what ends in a pod's own namespace has come to its end there.
    let told =
        if netns == layout::NODE_NETNS.load() { tcp_flags::SYN | tcp_flags::RST } else { tcp_flags::SYN };
    if record.head.protocol == protocol::TCP && record.head.flags & told == 0 {
        return None;
    }
    // SAFETY: the helper has no preconditions.
    record.head.time_ns = unsafe { bpf_ktime_get_ns() };
    if let Some(entry) = conntrack::entry_known(skb) {
        record.head.conntrack_info = conntrack::describe(entry, &raw mut record.translation);
    }
    emit(&*record, lost::OPENINGS)
}

#[inline(always)]
fn is_noise(reason: u32) -> bool {
    reason == layout::REASON_QUEUE_PURGE.load()
        || reason == layout::REASON_CONSUMED.load()
        || reason == layout::REASON_OTHERHOST.load()
        || reason == layout::REASON_PACKET_SOCK_ERROR.load()
}

/// Tracepoints are node-wide and a kernel may hold several nodes: only this node's namespace, and
/// the pods that hang on it, are ours.
#[inline(always)]
fn place(skb: *const u8) -> Option<Place> {
    let node = layout::NODE_NETNS.load();
    let dev: *const u8 = load(skb, layout::SKB_DEV.load());
    if dev.is_null() {
        let sk: *const u8 = load(skb, layout::SKB_SK.load());
        let netns = if sk.is_null() { None } else { netns_of(sk, layout::SK_NET.load()) }?;
        return if netns == node { Some(Place { netns, ifindex: 0 }) } else { behind(netns, skb, 0) };
    }
    let netns = netns_of(dev, layout::DEV_NET.load())?;
    if netns == node {
        return Some(Place { netns, ifindex: load(dev, layout::DEV_IFINDEX.load()) });
    }
    behind(netns, skb, dev as u64)
}

/// The device that a packet without one was to leave by.
#[inline(always)]
fn route_device(skb: *const u8) -> Option<u64> {
    const NOT_COUNTED: u64 = 1;
    let route = load::<u64>(skb, layout::SKB_REFDST.load()) & !NOT_COUNTED;
    if route == 0 { None } else { pointer(route, layout::DST_DEV.load()) }
}

/// The place of a packet in the namespace of a pod of this node. Its device may be none, or the loopback to which a firewall
/// that rejects has set it: then the one counts that it was to leave by.
#[inline(always)]
fn behind(netns: u32, skb: *const u8, dev: u64) -> Option<Place> {
    if let Some(ifindex) = POD_NETNS.get_ptr(netns) {
        // SAFETY: the map keeps the value alive for this program run.
        return Some(Place { netns, ifindex: unsafe { *ifindex } });
    }
    let peer = if dev == 0 { None } else { kernel::veth_peer(dev) };
    let ours = match peer {
        Some(ours) => ours,
        None => kernel::veth_peer(route_device(skb)?)?,
    };
    if device_netns(ours)? != layout::NODE_NETNS.load() {
        return None;
    }
    let ifindex = read(ours, layout::DEV_IFINDEX.load())?;
    // What the pod's own firewall drops is its first packet, and its socket may never show another.
    let _ = POD_NETNS.insert(netns, ifindex, BPF_ANY);
    Some(Place { netns, ifindex })
}

/// Reads the usual headers in one or two pieces.
#[inline(always)]
fn plainly(buffer: &Buffer, head: &mut Head) -> Option<()> {
    let bytes = buffer.read::<Words<{ plain::IPV4 + plain::TCP }>>(0)?;
    let ip = bytes.0.as_ptr();
    if plain::is_ipv4(ip) && plain::has_ports(plain::at(ip, 9)) {
        plain::ipv4(ip, head);
        transport(ip.wrapping_add(plain::IPV4), head);
        return Some(());
    }
    None
}

#[inline(always)]
fn transport(start: *const u8, head: &mut Head) {
    if head.protocol == protocol::TCP {
        plain::tcp(start, head);
    } else {
        plain::ports(start, head);
    }
}

/// Reads the transport header of what may be an opening or the answer to one.
#[inline(always)]
fn header(buffer: &Buffer, transport: Transport, head: &mut Head) -> Option<()> {
    match head.protocol {
        protocol::TCP => packet::tcp(buffer, transport, head),
        protocol::UDP | protocol::SCTP => packet::ports(buffer, transport, head),
        protocol::ICMP | protocol::ICMPV6 => packet::echo(buffer, transport, head).map(|_| ()),
        _ => None,
    }
}
