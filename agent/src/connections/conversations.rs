//! UDP and ICMP conversations: the kernel counts them, and keeps each until it is told to forget it.
//!
//! What is never forgotten fills the kernel's map, so a conversation that no attempt stands for is
//! looked after here as well.

use super::{attempt::Attempt, deadline::after};
use crate::event::{FiveTuple, Nanos, Sighting};
use std::{collections::VecDeque, time::Duration};

/// What the kernel counted of a conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets, both directions.
    pub packets: u64,
    /// Payload bytes, both directions.
    pub bytes: u64,
    /// When the last packet was seen.
    pub last: Nanos,
}

/// The conversation counters of the kernel.
pub trait ConversationCounters {
    /// Reads the counters of a conversation on a device.
    fn read(&mut self, ifindex: u32, tuple: &FiveTuple) -> Option<Counters>;
    /// Forgets a conversation, so that its next packet opens a new one.
    fn forget(&mut self, ifindex: u32, tuple: &FiveTuple);
}

/// Takes the kernel's counters into an attempt.
pub(super) fn read(attempt: &mut Attempt, counters: &mut impl ConversationCounters) {
    let Attempt { conversations, packets_seen, bytes_seen, last, .. } = attempt;
    for (ifindex, tuple) in conversations {
        if let Some(counted) = counters.read(*ifindex, tuple) {
            *packets_seen = counted.packets.max(*packets_seen);
            *bytes_seen = counted.bytes.max(*bytes_seen);
            *last = counted.last.max(*last);
        }
    }
}

/// Has the kernel forget an attempt's conversation.
pub(super) fn forget(attempt: &Attempt, counters: &mut impl ConversationCounters) {
    for (ifindex, tuple) in &attempt.conversations {
        counters.forget(*ifindex, tuple);
    }
}

/// Conversations in the kernel that no attempt stands for: they are older than the agent, or the
/// table was full. Each is forgotten when it has fallen silent. There are never more than the
/// kernel's map holds.
#[derive(Debug, Default)]
pub(super) struct Strays {
    queue: VecDeque<Stray>,
}

#[derive(Debug)]
struct Stray {
    due: Nanos,
    ifindex: u32,
    tuple: FiveTuple,
}

impl Strays {
    /// Takes over the conversation that a packet belongs to.
    pub(super) fn add(&mut self, sighting: &Sighting, idle: Duration) {
        let Sighting { at, ifindex, tuple, .. } = *sighting;
        self.queue.push_back(Stray { due: after(at, idle), ifindex, tuple });
    }

    /// Takes over all conversations of an attempt that was none.
    pub(super) fn adopt(&mut self, attempt: &Attempt, idle: Duration) {
        let due = after(attempt.last, idle);
        let strays = attempt.conversations.iter();
        self.queue.extend(strays.map(|&(ifindex, tuple)| Stray { due, ifindex, tuple }));
    }

    /// Has the kernel forget those that are silent at `now`.
    pub(super) fn tick(&mut self, now: Nanos, idle: Duration, counters: &mut impl ConversationCounters) {
        while let Some(stray) = self.queue.pop_front_if(|stray| stray.due <= now) {
            let Stray { ifindex, tuple, .. } = stray;
            match counters.read(ifindex, &tuple).map(|counted| after(counted.last, idle)) {
                Some(due) if due > now => self.queue.push_back(Stray { due, ..stray }),
                Some(_) => counters.forget(ifindex, &tuple),
                None => {}
            }
        }
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }
}
