//! UDP, SCTP and ICMP echo conversations: each is told once with its first packet and once with its
//! first answer; everything else is counted in the map.

use crate::{
    conntrack,
    crossing::{learn_netns, tell},
    maps::{CONVERSATIONS, count_lost},
    packet::{Transport, protocol},
};
use aya_ebpf::{EbpfContext as _, helpers::generated::bpf_ktime_get_coarse_ns, programs::TcContext};
use portolan_ebpf_types::{Conversation, ConversationKey, Head, kind, lost};

const BPF_NOEXIST: u64 = 1;

/// Counts a plain UDP datagram of a conversation of which nothing is left to tell: nearly all of them.
#[inline(always)]
pub fn count_known(head: &Head, length: u32) -> Option<()> {
    let mut key = ConversationKey::default();
    let from_source = key.set(head.ifindex, head.protocol, head.family, &head.tuple);
    let known = known(&key)?;
    if has_news(known, from_source) {
        return None;
    }
    count(known, from_source, length.checked_sub(header(protocol::UDP))?);
    Some(())
}

#[inline(always)]
fn known(key: &ConversationKey) -> Option<&'static mut Conversation> {
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

#[inline(always)]
fn count(known: &mut Conversation, from_source: bool, payload: u32) {
    if from_source {
        known.packets[0] += 1;
        known.bytes[0] += u64::from(payload);
    } else {
        known.packets[1] += 1;
        known.bytes[1] += u64::from(payload);
    }
    // SAFETY: the helper has no preconditions.
    known.last_ns = unsafe { bpf_ktime_get_coarse_ns() };
}

/// Bytes before the payload.
#[inline(always)]
fn header(number: u8) -> u32 {
    if number == protocol::SCTP { 12 } else { 8 }
}

/// Counts a packet of a conversation; its first packet and first answer are told.
#[inline(always)]
pub fn observe(ctx: &TcContext, transport: Transport, head: &mut Head, may_open: bool) -> Option<()> {
    let payload = transport.length.checked_sub(header(head.protocol))?;
    let mut key = ConversationKey::default();
    let from_source = key.set(head.ifindex, head.protocol, head.family, &head.tuple);
    let Some(known) = known(&key) else {
        return if may_open { open(ctx, head, &key, from_source, payload) } else { None };
    };
    count(known, from_source, payload);
    if !has_news(known, from_source) {
        return Some(());
    }
    known.answered = 1;
    tell(ctx, head, kind::ANSWER)
}

#[inline(always)]
fn open(
    ctx: &TcContext,
    head: &mut Head,
    key: &ConversationKey,
    from_source: bool,
    payload: u32,
) -> Option<()> {
    // A conversation that is older than the agent may be met at an answer.
    let reply = conntrack::is_reply(ctx.as_ptr() as u64);
    let mut value = Conversation {
        source_first: u32::from(from_source != reply),
        answered: u32::from(reply),
        ..Conversation::default()
    };
    count(&mut value, from_source, payload);
    if CONVERSATIONS.insert(key, &value, BPF_NOEXIST).is_err() {
        count_lost(lost::CONVERSATIONS);
        return None;
    }
    learn_netns(ctx, head);
    let told = tell(ctx, head, if reply { kind::ANSWER } else { kind::FIRST });
    if told.is_none() {
        // Nobody will ever ask for it: make room, so that the next packet can tell.
        let _ = CONVERSATIONS.remove(key);
    }
    told
}
