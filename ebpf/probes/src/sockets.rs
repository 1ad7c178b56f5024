//! TCP sockets that come to their end, with what the kernel counted about them.

use crate::{
    kernel::{fill, read, socket_netns},
    layout,
    maps::{POD_NETNS, emit, socket_scratch},
    packet::protocol,
};
use aya_ebpf::{helpers::generated::bpf_ktime_get_ns, programs::BtfTracePointContext};
use portolan_ebpf_types::{SocketEnd, kind};

const TCP_CLOSE: i32 = 7;
const TCP_LISTEN: i32 = 10;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// Looks at one state change; only the last one of a connection is told.
#[inline(always)]
pub fn observe(ctx: &BtfTracePointContext) -> Option<()> {
    let (old_state, new_state): (i32, i32) = (ctx.arg(1), ctx.arg(2));
    if new_state != TCP_CLOSE || old_state == TCP_LISTEN {
        return None;
    }
    let sk = ctx.arg::<*const u8>(0) as u64;
    let protocol: u16 = read(sk, layout::SK_PROTOCOL.load())?;
    if protocol != u16::from(protocol::TCP) {
        return None;
    }
    let netns = socket_netns(sk)?;
    if netns != layout::NODE_NETNS.load() && POD_NETNS.get_ptr(netns).is_none() {
        return None;
    }
    let end = socket_scratch()?;
    ends(sk, end)?;
    end.kind = kind::SOCKET_END;
    end.old_state = old_state as u8;
    // SAFETY: the helper has no preconditions.
    end.time_ns = unsafe { bpf_ktime_get_ns() };
    end.netns = netns;
    end.error = read(sk, layout::SK_ERR.load())?;
    end.segments_out = read(sk, layout::TCP_SEGS_OUT.load())?;
    end.segments_in = read(sk, layout::TCP_SEGS_IN.load())?;
    end.retransmits = read(sk, layout::TCP_RETRANS.load())?;
    end.bytes_acked = read(sk, layout::TCP_BYTES_ACKED.load())?;
    end.bytes_received = read(sk, layout::TCP_BYTES_RECEIVED.load())?;
    end.srtt_us = read::<u32>(sk, layout::TCP_SRTT.load())? >> 3;
    emit(&*end)
}

/// The local end as source and the peer as destination. The port is read from `inet_sport`: the
/// socket's own number is taken back before the last state change.
#[inline(always)]
fn ends(sk: u64, end: &mut SocketEnd) -> Option<()> {
    end.tuple.source_port = u16::from_be(read(sk, layout::SK_SPORT.load())?);
    end.tuple.destination_port = u16::from_be(read(sk, layout::SK_DPORT.load())?);
    let source = end.tuple.source.as_mut_ptr();
    let destination = end.tuple.destination.as_mut_ptr();
    match read::<u16>(sk, layout::SK_FAMILY.load())? {
        AF_INET => {
            end.family = 4;
            fill(sk, layout::SK_SADDR.load(), source.cast::<[u8; 4]>())?;
            fill(sk, layout::SK_DADDR.load(), destination.cast::<[u8; 4]>())
        }
        AF_INET6 => {
            end.family = 6;
            fill(sk, layout::SK_SADDR6.load(), source.cast::<[u8; 16]>())?;
            fill(sk, layout::SK_DADDR6.load(), destination.cast::<[u8; 16]>())
        }
        _ => None,
    }
}
