//! UDP and ICMP echo conversations: each is told once with its first packet and once with its first
//! answer; everything else is counted in the map.

use crate::{
    conntrack,
    crossing::{ETHERNET_HEADER, ifindex, learn_netns, send},
    maps::{CONVERSATIONS, DeviceScratch, count_lost},
    packet::{Transport, protocol},
};
use aya_ebpf::{EbpfContext as _, helpers::generated::bpf_ktime_get_coarse_ns, programs::TcContext};
use portolan_ebpf_types::{Conversation, ConversationKey, Tuple, kind, lost};

const BPF_NOEXIST: u64 = 1;
const UDP_HEADER: usize = 8;

/// Counts a plain UDP datagram of a conversation of which nothing is left to tell: nearly all of
/// them. Reads the packet where it lies and builds no record; what is not plain is looked at in full.
#[inline(always)]
pub fn count_known(ctx: &TcContext) -> Option<()> {
    let mut tuple = Tuple::default();
    let (family, payload) = plain_datagram(ctx, &mut tuple)?;
    let mut key = ConversationKey::default();
    let from_source = key.set(ifindex(ctx), protocol::UDP, family, &tuple);
    let known = known(&key)?;
    if has_news(known, from_source) {
        return None;
    }
    count(known, from_source, payload);
    Some(())
}

/// Reads family, tuple and payload length of a UDP datagram whose headers are the usual ones.
#[inline(always)]
fn plain_datagram(ctx: &TcContext, tuple: &mut Tuple) -> Option<(u8, u32)> {
    const IPV4: usize = 20;
    const IPV6: usize = 40;
    let start = ctx.data() + ETHERNET_HEADER as usize;
    let end = ctx.data_end();
    if start + IPV4 + UDP_HEADER > end {
        return None;
    }
    match at::<[u8; 10]>(start) {
        [0x45, _, length0, length1, _, _, fragment0, fragment1, _, protocol::UDP]
            if fragment0 & 0x1f == 0 && fragment1 == 0 =>
        {
            let [a, b, c, d, e, f, g, h] = at::<[u8; 8]>(start + 12);
            [tuple.source[0], tuple.source[1], tuple.source[2], tuple.source[3]] = [a, b, c, d];
            [tuple.destination[0], tuple.destination[1], tuple.destination[2], tuple.destination[3]] =
                [e, f, g, h];
            ports(start + IPV4, tuple);
            let total = u32::from(u16::from_be_bytes([length0, length1]));
            Some((4, total.saturating_sub((IPV4 + UDP_HEADER) as u32)))
        }
        [0x60..=0x6f, _, _, _, length0, length1, protocol::UDP, ..] if start + IPV6 + UDP_HEADER <= end => {
            tuple.source = at(start + 8);
            tuple.destination = at(start + 24);
            ports(start + IPV6, tuple);
            let length = u32::from(u16::from_be_bytes([length0, length1]));
            Some((6, length.saturating_sub(UDP_HEADER as u32)))
        }
        _ => None,
    }
}

#[inline(always)]
fn ports(header: usize, tuple: &mut Tuple) {
    let [a, b, c, d] = at::<[u8; 4]>(header);
    tuple.source_port = u16::from_be_bytes([a, b]);
    tuple.destination_port = u16::from_be_bytes([c, d]);
}

/// Reads bytes of the packet whose end was compared with the end of the packet before.
#[inline(always)]
fn at<T: Copy>(address: usize) -> T {
    // SAFETY: only arrays of bytes are read, at addresses that the caller has compared.
    unsafe { *(address as *const T) }
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

/// Counts a packet of a UDP or ICMP echo conversation; its first packet and first answer are told.
#[inline(always)]
pub fn observe(
    ctx: &TcContext,
    transport: Transport,
    scratch: &mut DeviceScratch,
    may_open: bool,
) -> Option<()> {
    let event = &mut scratch.event;
    event.payload = transport.length.saturating_sub(8);
    let from_source = scratch.key.set(event.ifindex, event.protocol, event.family, &event.tuple);
    let Some(known) = known(&scratch.key) else {
        return if may_open { open(ctx, scratch, from_source) } else { None };
    };
    count(known, from_source, event.payload);
    if !has_news(known, from_source) {
        return Some(());
    }
    known.answered = 1;
    send(ctx, event, kind::ANSWER)
}

#[inline(always)]
fn open(ctx: &TcContext, scratch: &mut DeviceScratch, from_source: bool) -> Option<()> {
    let DeviceScratch { event, key, value } = scratch;
    // A conversation that is older than the agent may be met at an answer.
    let reply = conntrack::is_reply(ctx.as_ptr() as u64);
    value.source_first = u32::from(from_source != reply);
    value.answered = u32::from(reply);
    count(value, from_source, event.payload);
    if CONVERSATIONS.insert(&*key, &*value, BPF_NOEXIST).is_err() {
        count_lost(lost::CONVERSATIONS);
        return None;
    }
    learn_netns(ctx, event);
    let told = send(ctx, event, if reply { kind::ANSWER } else { kind::FIRST });
    if told.is_none() {
        // Nobody will ever ask for it: make room, so that the next packet can tell.
        let _ = CONVERSATIONS.remove(&*key);
    }
    told
}
