//! Busy conversations: what a CPU counts by itself for a short time, so that most datagrams need no
//! look-up. The agent adds what is left in the slots when it reads a conversation.

use crate::{conversation, maps::BUSY, packet::protocol, zeroed::zeroed};
use core::mem::MaybeUninit;
use portolan_ebpf_types::{Busy, Conversation, ConversationKey, Head};

/// This CPU's slot for packets like this.
#[inline(always)]
pub fn slot(head: &Head) -> Option<&'static mut Busy> {
    let slot = BUSY.get_ptr_mut(Busy::slot(&head.tuple, head.ifindex))?;
    // SAFETY: the slot is this CPU's own, and the device programs do not interrupt one another.
    Some(unsafe { &mut *slot })
}

/// Counts a packet in the slot, where the slot is its conversation's and for a while yet.
#[inline(always)]
pub fn count(slot: &mut Busy, head: &Head, payload: u64, now: u64) -> bool {
    if now >= slot.until_ns || !slot.is_of(&head.tuple, head.ifindex, head.family) {
        return false;
    }
    slot.packets += 1;
    slot.bytes += payload;
    slot.last_ns = now;
    true
}

/// After a packet was counted the long way: adds what the slot has, and gives it to this conversation,
/// unless it is another busy one's.
#[inline(always)]
pub fn begin(slot: &mut Busy, head: &Head, known: &mut Conversation, from_source: bool, now: u64) {
    if !known.is_busy() || now < slot.until_ns {
        return;
    }
    if slot.is_of(&head.tuple, head.ifindex, head.family) {
        settle(slot, known, from_source);
    } else {
        evict(slot);
        slot.tuple = head.tuple;
        slot.ifindex = head.ifindex;
        slot.family = head.family.into();
    }
    slot.packets = 0;
    slot.bytes = 0;
    slot.until_ns = now + Busy::SPAN_NS;
}

/// Adds what was counted to its conversation, unless that is a later one of the same tuple.
#[inline(always)]
fn settle(slot: &Busy, known: &mut Conversation, from_source: bool) {
    if slot.packets > 0 && slot.last_ns >= known.born_ns {
        let last = if known.last_ns > slot.last_ns { known.last_ns } else { slot.last_ns };
        known.add(from_source, slot.packets, slot.bytes, last);
    }
}

#[inline(always)]
fn evict(slot: &Busy) {
    if slot.packets == 0 {
        return;
    }
    let mut key = MaybeUninit::uninit();
    let key: &mut ConversationKey = zeroed(&mut key);
    let from_source = key.set(slot.ifindex, protocol::UDP, slot.family as u8, &slot.tuple);
    if let Some(known) = conversation::known(key) {
        settle(slot, known, from_source);
    }
}
