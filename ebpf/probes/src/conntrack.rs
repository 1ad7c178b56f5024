//! The conntrack entry on a packet: both tuples of a translated connection, read together.

use crate::{
    kernel::{fill, read},
    layout,
};
use portolan_ebpf_types::{Event, FIRST_REPLY_INFO, Tuple};

/// The low bits of `_nfct` say how the packet relates to the entry.
const INFO_MASK: u64 = 7;

/// How a packet relates to its conntrack entry, if it has one.
#[inline(always)]
pub fn info(skb: u64) -> Option<(u64, u32)> {
    let offset = layout::SKB_NFCT.load();
    if offset == 0 {
        return None;
    }
    let nfct: u64 = read(skb, offset)?;
    let entry = nfct & !INFO_MASK;
    if entry == 0 { None } else { Some((entry, (nfct & INFO_MASK) as u32)) }
}

/// Whether the conntrack entry says that the packet is an answer.
#[inline(always)]
pub fn is_reply(skb: u64) -> bool {
    matches!(info(skb), Some((_, info)) if info >= FIRST_REPLY_INFO)
}

/// Copies both tuples of the packet's entry into the event.
#[inline(always)]
pub fn describe(skb: u64, event: &mut Event) {
    let Some((entry, info)) = info(skb) else { return };
    if tuple(entry, layout::CT_ORIGINAL.load(), &mut event.original).is_some()
        && tuple(entry, layout::CT_REPLY.load(), &mut event.reply).is_some()
    {
        event.conntrack_info = info;
        event.has_conntrack = 1;
    }
}

#[inline(always)]
fn tuple(entry: u64, offset: u32, tuple: &mut Tuple) -> Option<()> {
    fill(entry, offset, &raw mut tuple.source)?;
    fill(entry, offset + layout::CT_DESTINATION.load(), &raw mut tuple.destination)?;
    tuple.source_port = u16::from_be(read(entry, offset + layout::CT_SOURCE_PORT.load())?);
    tuple.destination_port = u16::from_be(read(entry, offset + layout::CT_DESTINATION_PORT.load())?);
    Some(())
}
