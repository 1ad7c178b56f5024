//! UDP, SCTP and ICMP echo conversations: each is told once with its first packet and once with its
//! first answer; everything else is counted in the map.

use crate::{
    busy, conntrack,
    crossing::tell,
    maps::{CONVERSATIONS, count_lost},
    packet::{Transport, protocol},
    pod_sockets,
    zeroed::zeroed,
};
use aya_ebpf::{EbpfContext as _, helpers::generated::bpf_ktime_get_coarse_ns, programs::TcContext};
use core::mem::MaybeUninit;
use portolan_ebpf_types::{Conversation, ConversationKey, Head, kind, lost};

const BPF_NOEXIST: u64 = 1;
const EEXIST: i32 = 17;

/// Counts a plain UDP datagram of a conversation of which nothing is left to tell: nearly all of them.
#[inline(always)]
pub fn count_known(head: &Head, length: u32) -> Option<()> {
    let payload = u64::from(length.checked_sub(header(protocol::UDP))?);
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_coarse_ns() };
    let slot = busy::slot(head)?;
    if busy::count(slot, head, payload, now) {
        return Some(());
    }
    let mut key = MaybeUninit::uninit();
    let key: &mut ConversationKey = zeroed(&mut key);
    let from_source = key.set(head.ifindex, head.protocol, head.family, &head.tuple);
    let known = known(key)?;
    if has_news(known, from_source) {
        return None;
    }
    known.add(from_source, 1, payload, now);
    busy::begin(slot, head, known, from_source, now);
    Some(())
}

#[inline(always)]
pub fn known(key: &ConversationKey) -> Option<&'static mut Conversation> {
    let known = CONVERSATIONS.get_ptr_mut(key)?;
    // SAFETY: the map keeps the value alive for this program run. Each side of a conversation moves
    // its own counters, and its packets come one after the other.
    Some(unsafe { &mut *known })
}

/// Whether a packet of this side is the first answer.
#[inline(always)]
fn has_news(known: &Conversation, from_source: bool) -> bool {
    known.answered == 0 && (known.source_first != 0) != from_source
}

/// Bytes before the payload.
#[inline(always)]
fn header(number: u8) -> u32 {
    if number == protocol::SCTP { 12 } else { 8 }
}

/// Counts a packet of a conversation; its first packet and first answer are told.
#[inline(always)]
pub fn observe(ctx: &TcContext, transport: Transport, head: &mut Head, may_open: bool) -> Option<()> {
    let payload = u64::from(transport.length.checked_sub(header(head.protocol))?);
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_coarse_ns() };
    let mut key = MaybeUninit::uninit();
    let key: &mut ConversationKey = zeroed(&mut key);
    let from_source = key.set(head.ifindex, head.protocol, head.family, &head.tuple);
    let known = match known(key) {
        Some(known) => known,
        None if !may_open => return None,
        None => {
            // A conversation that is older than the agent may be met at an answer.
            let reply = conntrack::is_reply(ctx.as_ptr() as u64);
            match open(key, from_source, reply, payload, now) {
                Ok(()) => return tell_new(ctx, head, key, reply),
                // Another processor was first.
                Err(error) if error == -EEXIST => known(key)?,
                Err(_) => {
                    count_lost(lost::CONVERSATIONS);
                    return None;
                }
            }
        }
    };
    known.add(from_source, 1, payload, now);
    if !has_news(known, from_source) {
        return Some(());
    }
    known.answered = 1;
    let told = tell(ctx, head, kind::ANSWER);
    if told.is_none() {
        // The next packet back tells it.
        known.answered = 0;
    }
    told
}

/// Opens a conversation with its first packet; answers the kernel's error.
#[inline(always)]
fn open(key: &ConversationKey, from_source: bool, reply: bool, payload: u64, now: u64) -> Result<(), i32> {
    let mut value = MaybeUninit::uninit();
    let value: &mut Conversation = zeroed(&mut value);
    value.source_first = u32::from(from_source != reply);
    value.answered = u32::from(reply);
    value.born_ns = now;
    value.add(from_source, 1, payload, now);
    CONVERSATIONS.insert(key, &*value, BPF_NOEXIST)
}

#[inline(always)]
fn tell_new(ctx: &TcContext, head: &mut Head, key: &ConversationKey, reply: bool) -> Option<()> {
    pod_sockets::learn(ctx, head);
    let told = tell(ctx, head, if reply { kind::ANSWER } else { kind::FIRST });
    if told.is_none() {
        // Nobody will ever ask for it: make room, so that the next packet can tell.
        let _ = CONVERSATIONS.remove(key);
    }
    told
}
