//! A packet that crosses a pod device: its bytes, its device, and what is told of it.

use crate::{
    conntrack::{self, Entry},
    dialled,
    maps::{emit, write},
    packet::Bytes,
    pod_sockets,
    zeroed::zeroed,
};
use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_ktime_get_ns, bpf_skb_load_bytes},
    programs::TcContext,
};
use core::mem::{MaybeUninit, size_of};
use portolan_ebpf_types::{
    ConntrackTuple, Dialled, Head, NO_CONNTRACK, Translated, Translation, Tuple, direction, kind, lost,
    tcp_flags,
};

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
pub fn head<'a>(ctx: &TcContext, direction: u8, place: &'a mut MaybeUninit<Head>) -> &'a mut Head {
    let head = zeroed(place);
    head.direction = direction;
    head.ifindex = ifindex(ctx);
    head.conntrack_info = NO_CONNTRACK;
    head
}

/// Tells of a packet of a connection, unless a socket will tell the same.
#[inline(always)]
pub fn connection(ctx: &TcContext, head: &mut Head) -> Option<()> {
    const TELLING: u8 = tcp_flags::SYN | tcp_flags::RST;
    if head.flags & TELLING == 0 && pod_sockets::will_tell(ctx, head) {
        return None;
    }
    if head.flags & tcp_flags::SYN != 0
        && let Some(sk) = pod_sockets::learn(ctx, head)
        && let Some(dialled) = dialled::of(sk)
    {
        return tell_dialled(head, &dialled);
    }
    tell(ctx, head, kind::CONNECTION)
}

/// Tells of an opening that was led elsewhere than it was dialled, as if it had been translated on the way. A
/// function of its own: where its record and that of [`tell`] share code, the verifiers up to 6.1 lose sight of
/// which one was reserved.
#[inline(never)]
fn tell_dialled(head: &mut Head, dialled: &Dialled) -> Option<()> {
    head.kind = kind::CONNECTION;
    // SAFETY: the helper has no preconditions.
    head.time_ns = unsafe { bpf_ktime_get_ns() };
    if u16::from(head.family) == dialled.family {
        head.conntrack_info = 0;
    }
    let Tuple { source, destination, source_port, destination_port, .. } = head.tuple;
    let (source_port, destination_port) = (source_port.to_be_bytes(), destination_port.to_be_bytes());
    let tuple = |source, source_port, destination, destination_port| ConntrackTuple {
        source,
        source_port,
        destination,
        destination_port,
        ..ConntrackTuple::default()
    };
    write::<Translated>(lost_when_full(head), |record| {
        record.translation = Translation {
            original: tuple(source, source_port, dialled.address, dialled.port.to_be_bytes()),
            reply: tuple(destination, destination_port, source, source_port),
        };
        record.head = *head;
    })
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
