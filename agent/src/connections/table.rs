//! The attempts under way, found by their tuples, closed by their evidence.

use super::attempt::Attempt;
use crate::event::{Drop, Event, FiveTuple, Nanos, Sighting, SocketEnd, What};
use portolan_policy::Protocol;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    time::Duration,
};

/// When attempts are closed, and how many may be open.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A UDP or ICMP conversation is over when it was silent for this long.
    pub idle: Duration,
    /// After the last evidence, wait this long for evidence from elsewhere in the node.
    pub linger: Duration,
    /// A dropped opening may still get through on a later try: this long.
    pub dropped: Duration,
    /// An opening without an answer is reported after this long.
    pub no_reply: Duration,
    /// A reported attempt is remembered this long after its last packet, so that later tries of the
    /// same opening are not taken for new ones.
    pub memory: Duration,
    /// Attempts that may be open at once.
    pub attempts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(10),
            linger: Duration::from_millis(150),
            dropped: Duration::from_millis(3500),
            no_reply: Duration::from_secs(8),
            memory: Duration::from_secs(130),
            attempts: 262_144,
        }
    }
}

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

type Id = u64;

/// The attempts under way on this node.
#[derive(Debug)]
pub struct Connections {
    limits: Limits,
    node_netns: u32,
    next: Id,
    attempts: HashMap<Id, Attempt>,
    by_tuple: HashMap<FiveTuple, Id>,
    due: BinaryHeap<Reverse<(Nanos, Id)>>,
    evicted: u64,
}

impl Connections {
    /// An empty table for the node with this network namespace.
    pub fn new(node_netns: u32, limits: Limits) -> Self {
        Self {
            limits,
            node_netns,
            next: 0,
            attempts: HashMap::new(),
            by_tuple: HashMap::new(),
            due: BinaryHeap::new(),
            evicted: 0,
        }
    }

    /// How many attempts are open or remembered.
    pub fn len(&self) -> usize {
        self.attempts.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.attempts.is_empty()
    }

    /// How many openings found the table full since this was last asked.
    pub fn take_evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }

    /// Takes in an event; attempts that it brings to an end at once are pushed to `over`.
    pub fn on_event(&mut self, event: &Event, over: &mut Vec<Attempt>) {
        match event {
            Event::Sighting(sighting) => self.on_sighting(sighting, over),
            Event::Drop(drop) => self.on_drop(drop, over),
            Event::SocketEnd(end) => self.on_socket_end(end),
        }
    }

    fn on_sighting(&mut self, sighting: &Sighting, over: &mut Vec<Attempt>) {
        let found = self.find(&sighting.tuple, sighting.translation.as_ref());
        let (id, forward) = match (sighting.what, found) {
            (What::Syn(sequence), found) => {
                let Some(id) = self.opening(found, sighting, sequence, over) else { return };
                (id, true)
            }
            (What::First, Some((id, true))) => (id, true),
            (What::First, _) => {
                let Some(id) = self.open(original(sighting), 0, sighting.at) else { return };
                (id, true)
            }
            (_, Some(found)) => found,
            // The middle or the end of something that began before us is no attempt.
            (_, None) => return,
        };
        let Some(attempt) = self.attempts.get_mut(&id) else { return };
        attempt.sight(sighting, forward);
        self.alias(id, sighting.tuple, sighting.translation.map(|t| t.translated), forward);
        self.schedule(id);
    }

    /// A SYN opens an attempt unless it is another try, or another sighting, of one that is open.
    fn opening(
        &mut self,
        found: Option<(Id, bool)>,
        sighting: &Sighting,
        sequence: u32,
        over: &mut Vec<Attempt>,
    ) -> Option<Id> {
        if let Some((id, forward)) = found {
            let attempt = self.attempts.get(&id)?;
            if forward && attempt.sequence == sequence {
                return Some(id);
            }
            // The tuple is used again: what went before is over.
            self.close(id, over);
        }
        self.open(original(sighting), sequence, sighting.at)
    }

    fn on_drop(&mut self, drop: &Drop, over: &mut Vec<Attempt>) {
        let is_reply = drop.translation.is_some_and(|t| t.is_reply);
        let found = self.find(&drop.tuple, drop.translation.as_ref());
        let is_answer = drop.syn_ack || is_reply;
        let (id, forward) = match found {
            Some((id, _)) if drop.syn.is_some_and(|sequence| self.sequence_of(id) != Some(sequence)) => {
                self.close(id, over);
                let Some(id) = self.open_dropped(drop) else { return };
                (id, true)
            }
            Some((id, forward)) => (id, forward),
            None if is_answer => return,
            None => {
                let Some(id) = self.open_dropped(drop) else { return };
                (id, true)
            }
        };
        let in_node = drop.netns == self.node_netns;
        let Some(attempt) = self.attempts.get_mut(&id) else { return };
        attempt.drop_seen(drop, forward, in_node);
        self.alias(id, drop.tuple, drop.translation.map(|t| t.translated), forward);
        self.schedule(id);
    }

    fn open_dropped(&mut self, drop: &Drop) -> Option<Id> {
        let original = drop.translation.map_or(drop.tuple, |t| t.original);
        self.open(original, drop.syn.unwrap_or(0), drop.at)
    }

    fn sequence_of(&self, id: Id) -> Option<u32> {
        self.attempts.get(&id).map(|attempt| attempt.sequence)
    }

    fn on_socket_end(&mut self, end: &SocketEnd) {
        let Some((id, _)) = self.find(&end.tuple, None) else { return };
        let Some(attempt) = self.attempts.get_mut(&id) else { return };
        attempt.socket_closed(end);
        self.schedule(id);
    }

    /// The attempt that a packet belongs to, and whether the packet goes its way.
    fn find(&self, tuple: &FiveTuple, translation: Option<&crate::event::Translation>) -> Option<(Id, bool)> {
        let by = |tuple: &FiveTuple| self.by_tuple.get(tuple).copied();
        if let Some(translation) = translation {
            let id = by(&translation.original).or_else(|| by(&translation.translated));
            if let Some(id) = id {
                return Some((id, !translation.is_reply));
            }
        }
        by(tuple).map(|id| (id, true)).or_else(|| by(&tuple.reversed()).map(|id| (id, false)))
    }

    fn open(&mut self, original: FiveTuple, sequence: u32, at: Nanos) -> Option<Id> {
        if self.attempts.len() >= self.limits.attempts {
            self.evicted += 1;
            return None;
        }
        let id = self.next;
        self.next += 1;
        self.attempts.insert(id, Attempt::new(original, sequence, at));
        self.by_tuple.insert(original, id);
        Some(id)
    }

    /// Lets an attempt be found by every tuple that its packets were seen with.
    fn alias(&mut self, id: Id, tuple: FiveTuple, translated: Option<FiveTuple>, forward: bool) {
        let seen = if forward { tuple } else { tuple.reversed() };
        self.by_tuple.insert(seen, id);
        if let Some(translated) = translated {
            self.by_tuple.insert(translated, id);
        }
    }

    fn schedule(&mut self, id: Id) {
        let Some(attempt) = self.attempts.get_mut(&id) else { return };
        if attempt.reported && attempt.is_answered() && !attempt.is_over() {
            // It was given up too early: it did get through, and that has to be told.
            attempt.reported = false;
        }
        if let Some(at) = due(attempt, &self.limits) {
            self.due.push(Reverse((at, id)));
        }
    }

    /// Closes what is due at `now`.
    pub fn tick(&mut self, now: Nanos, counters: &mut impl ConversationCounters, over: &mut Vec<Attempt>) {
        while let Some(&Reverse((at, id))) = self.due.peek() {
            if at > now {
                break;
            }
            self.due.pop();
            let Some(attempt) = self.attempts.get_mut(&id) else { continue };
            read_counters(attempt, counters);
            match due(attempt, &self.limits) {
                Some(at) if at > now => self.due.push(Reverse((at, id))),
                Some(_) if attempt.reported => self.remove(id, Some(counters)),
                Some(_) => self.report(id, counters, over),
                None => {}
            }
        }
    }

    fn report(&mut self, id: Id, counters: &mut impl ConversationCounters, over: &mut Vec<Attempt>) {
        let Some(attempt) = self.attempts.get_mut(&id) else { return };
        attempt.reported = true;
        over.push(attempt.clone());
        if attempt.original.protocol == Protocol::Tcp && attempt.is_answered() {
            self.remove(id, None::<&mut NoCounters>);
            return;
        }
        match due(attempt, &self.limits) {
            Some(at) if at > attempt.last => self.due.push(Reverse((at, id))),
            _ => self.remove(id, Some(counters)),
        }
    }

    /// Ends everything that was seen on a device that is gone.
    pub fn device_gone(&mut self, ifindex: u32, over: &mut Vec<Attempt>) {
        let on_device = |attempt: &Attempt| {
            [attempt.left, attempt.arrived].into_iter().flatten().any(|seen| seen.ifindex == ifindex)
        };
        let gone: Vec<Id> =
            self.attempts.iter().filter(|(_, attempt)| on_device(attempt)).map(|(id, _)| *id).collect();
        for id in gone {
            self.close(id, over);
        }
    }

    /// Ends everything: the agent stops.
    pub fn flush(&mut self, counters: &mut impl ConversationCounters, over: &mut Vec<Attempt>) {
        let mut ids: Vec<Id> = self.attempts.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            if let Some(attempt) = self.attempts.get_mut(&id) {
                read_counters(attempt, counters);
            }
            self.close(id, over);
        }
    }

    fn close(&mut self, id: Id, over: &mut Vec<Attempt>) {
        if let Some(attempt) = self.attempts.get(&id)
            && !attempt.reported
        {
            over.push(attempt.clone());
        }
        self.remove(id, None::<&mut NoCounters>);
    }

    fn remove(&mut self, id: Id, counters: Option<&mut impl ConversationCounters>) {
        let Some(attempt) = self.attempts.remove(&id) else { return };
        for tuple in [Some(attempt.original), attempt.translated].into_iter().flatten() {
            for tuple in [tuple, tuple.reversed()] {
                if self.by_tuple.get(&tuple) == Some(&id) {
                    self.by_tuple.remove(&tuple);
                }
            }
        }
        if let Some(counters) = counters {
            for (ifindex, tuple) in conversations(&attempt) {
                counters.forget(ifindex, &tuple);
            }
        }
    }
}

/// For attempts that have no conversation in the kernel.
struct NoCounters;

impl ConversationCounters for NoCounters {
    fn read(&mut self, _: u32, _: &FiveTuple) -> Option<Counters> {
        None
    }
    fn forget(&mut self, _: u32, _: &FiveTuple) {}
}

/// The five-tuple of an opening packet as its initiator sees it.
fn original(sighting: &Sighting) -> FiveTuple {
    sighting.translation.map_or(sighting.tuple, |t| t.original)
}

/// The devices and tuples under which the kernel counts a conversation.
fn conversations(attempt: &Attempt) -> Vec<(u32, FiveTuple)> {
    if attempt.original.protocol == Protocol::Tcp {
        return Vec::new();
    }
    let seen = [attempt.left, attempt.answer_received, attempt.arrived, attempt.answer_sent];
    let mut keys = Vec::with_capacity(8);
    for device in seen.into_iter().flatten() {
        for tuple in [attempt.original, attempt.effective()] {
            if !keys.contains(&(device.ifindex, tuple)) {
                keys.push((device.ifindex, tuple));
            }
        }
    }
    keys
}

fn read_counters(attempt: &mut Attempt, counters: &mut impl ConversationCounters) {
    for (ifindex, tuple) in conversations(attempt) {
        if let Some(Counters { packets, bytes, last }) = counters.read(ifindex, &tuple) {
            attempt.packets_seen = attempt.packets_seen.max(packets);
            attempt.bytes_seen = attempt.bytes_seen.max(bytes);
            attempt.last = attempt.last.max(last);
        }
    }
}

/// When an attempt is to be looked at again; `None` while only new evidence can end it.
fn due(attempt: &Attempt, limits: &Limits) -> Option<Nanos> {
    let after = |from: Nanos, wait: Duration| Some(from.saturating_add(wait.as_nanos() as Nanos));
    let is_tcp = attempt.original.protocol == Protocol::Tcp;
    if attempt.reported {
        let memory = match (is_tcp, attempt.is_over()) {
            (true, true) => limits.linger,
            (true, false) => limits.memory,
            (false, _) => limits.idle,
        };
        return after(attempt.last, memory);
    }
    if is_tcp {
        if attempt.is_over() {
            return after(attempt.last, limits.linger);
        }
        if attempt.is_answered() {
            return None;
        }
        if attempt.unreachable.is_some() {
            return after(attempt.last, limits.linger);
        }
        let wait = if attempt.drops.is_any() { limits.dropped } else { limits.no_reply };
        return after(attempt.started, wait);
    }
    if attempt.is_answered() {
        return after(attempt.last, limits.idle);
    }
    if attempt.unreachable.is_some() {
        return after(attempt.last, limits.linger);
    }
    if attempt.drops.is_any() {
        return after(attempt.started, limits.dropped.min(limits.idle));
    }
    after(attempt.last, limits.idle)
}
