//! The conntrack entry on a packet: both tuples of a translated connection, read together.

use crate::{
    kernel::{fill, load, read},
    layout,
};
use portolan_ebpf_types::{FIRST_REPLY_INFO, NO_CONNTRACK, Translation};

/// The low bits of `_nfct` say how the packet relates to the entry.
const INFO_MASK: u64 = 7;

/// A packet's entry.
#[derive(Clone, Copy)]
pub struct Entry {
    address: u64,
    /// How the packet relates to it.
    pub info: u8,
}

impl Entry {
    /// What the packet's word for it says.
    #[inline(always)]
    fn of(nfct: u64) -> Option<Self> {
        let address = nfct & !INFO_MASK;
        if address == 0 { None } else { Some(Self { address, info: (nfct & INFO_MASK) as u8 }) }
    }
}

/// The entry on a packet, if it has one.
#[inline(always)]
pub fn entry(skb: u64) -> Option<Entry> {
    let offset = layout::SKB_NFCT.load();
    if offset == 0 {
        return None;
    }
    Entry::of(read(skb, offset)?)
}

/// The entry on a packet whose structure the verifier knows.
#[inline(always)]
pub fn entry_known(skb: *const u8) -> Option<Entry> {
    let offset = layout::SKB_NFCT.load();
    if offset == 0 {
        return None;
    }
    Entry::of(load(skb, offset))
}

/// Whether the conntrack entry says that the packet is an answer.
#[inline(always)]
pub fn is_reply(skb: u64) -> bool {
    matches!(entry(skb), Some(Entry { info, .. }) if info >= FIRST_REPLY_INFO)
}

/// Copies both tuples of an entry; answers how the packet relates to it, if they could be read.
#[inline(always)]
pub fn describe(entry: Entry, translation: *mut Translation) -> u8 {
    // SAFETY: only the addresses of the two fields are taken.
    let (original, reply) = unsafe { (&raw mut (*translation).original, &raw mut (*translation).reply) };
    let whole = fill(entry.address, layout::CT_ORIGINAL.load(), original).is_some()
        && fill(entry.address, layout::CT_REPLY.load(), reply).is_some();
    if whole { entry.info } else { NO_CONNTRACK }
}
