//! The attempts under way: opened by packets, closed by their evidence.

use super::{
    attempt::Attempt,
    conversations::{self, ConversationCounters, Strays},
    deadline::{Limits, after},
    due::Calendar,
    register::{Found, Id, Register},
    unwanted::Unwanted,
};
use crate::event::{Drop, Event, FiveTuple, Nanos, Sighting, SocketEnd, SocketOpen, What};
use portolan_policy::Protocol;
use std::time::Duration;

/// The attempts under way on this node.
#[derive(Debug)]
pub struct Connections {
    limits: Limits,
    node_netns: u32,
    unwanted: Unwanted,
    opened: u64,
    attempts: Register,
    /// Attempts by the time to look at them, in the order of their opening.
    due: Calendar<(u64, Id)>,
    strays: Strays,
    /// Attempts that were told early to make room, until they are passed on.
    told_under_pressure: Vec<Attempt>,
    /// Room was made, or there was none to make: not before this is it looked for again.
    pressed_until: Nanos,
    evicted: u64,
}

impl Connections {
    /// An empty table for the node with this network namespace; its kernel says with these numbers what had come
    /// to its end.
    pub fn new(node_netns: u32, limits: Limits, unwanted: Unwanted) -> Self {
        Self {
            limits,
            node_netns,
            unwanted,
            opened: 0,
            attempts: Register::default(),
            due: Calendar::new(),
            strays: Strays::default(),
            told_under_pressure: Vec::new(),
            pressed_until: 0,
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
            Event::SocketOpen(open) => self.on_socket_open(open),
            Event::SocketEnd(end) => self.on_socket_end(end),
        }
    }

    fn on_sighting(&mut self, sighting: &Sighting, over: &mut Vec<Attempt>) {
        let found = self.attempts.find(&sighting.tuple, sighting.translation.as_ref());
        let belongs = match sighting.what {
            What::Syn(sequence) => self.connection_opening(found, sighting, sequence, over),
            What::First | What::Answer => self.datagram(found, sighting),
            // The middle or the end of something that began before us is no attempt.
            What::SynAck | What::Fin | What::Reset | What::Unreachable { .. } => match found {
                Found::Attempt(id, forward) => Some((id, forward)),
                Found::Nothing | Found::Mistaken(_) | Found::Opposite(_) => None,
            },
        };
        let Some((id, forward)) = belongs else { return };
        let Some(attempt) = self.attempts.get_mut(id) else { return };
        attempt.sight(sighting, forward);
        self.attempts.name(id, sighting.tuple, sighting.translation, forward);
        self.look_again(id);
    }

    /// A SYN opens an attempt unless it is another try, or another sighting, of one that is open.
    fn connection_opening(
        &mut self,
        found: Found,
        sighting: &Sighting,
        sequence: u32,
        over: &mut Vec<Attempt>,
    ) -> Option<(Id, bool)> {
        match found {
            Found::Attempt(id, true) if self.sequence_of(id) == Some(sequence) => return Some((id, true)),
            // The tuple is used again: what went before is over.
            Found::Attempt(id, _) | Found::Mistaken(id) | Found::Opposite(id) => self.close(id, over),
            Found::Nothing => {}
        }
        Some((self.open(original(sighting), sequence, sighting.at)?, true))
    }

    /// The first packet of a conversation that a device met, or the first in the other direction.
    /// Which of them opened it is for conntrack to say, then for what was seen before.
    fn datagram(&mut self, found: Found, sighting: &Sighting) -> Option<(Id, bool)> {
        match found {
            Found::Attempt(id, true) => return Some((id, true)),
            Found::Attempt(id, false) if sighting.what == What::Answer || self.may_be_answered(id) => {
                return Some((id, false));
            }
            // Nothing stood in its way, and yet conntrack does not take this for its answer.
            Found::Opposite(id) if self.may_be_answered(id) => self.take_back(id),
            Found::Attempt(_, false) | Found::Opposite(_) => {}
            Found::Nothing if sighting.what == What::First => {}
            Found::Mistaken(id) => {
                self.take_back(id);
                self.strays.add(sighting, self.limits.idle);
                return None;
            }
            Found::Nothing => {
                self.strays.add(sighting, self.limits.idle);
                return None;
            }
        }
        let opened = self.open(original(sighting), 0, sighting.at);
        if opened.is_none() {
            self.strays.add(sighting, self.limits.idle);
        }
        Some((opened?, true))
    }

    /// An attempt that was dropped has no answer: what comes the other way is an attempt of its own.
    fn may_be_answered(&self, id: Id) -> bool {
        self.attempts.get(id).is_some_and(|attempt| !attempt.is_dropped())
    }

    /// What looked like an opening was the answer of a conversation that is older than the agent.
    fn take_back(&mut self, id: Id) {
        if let Some(attempt) = self.attempts.remove(id) {
            self.strays.adopt(&attempt, self.limits.idle);
        }
    }

    fn on_drop(&mut self, drop: &Drop, over: &mut Vec<Attempt>) {
        let is_answer =
            drop.is_answer || drop.tuple.is_echo_reply() || drop.translation.is_some_and(|t| t.is_reply);
        let in_node = drop.netns == self.node_netns;
        // What a pod sends to itself never leaves it.
        let is_within = !in_node && drop.tuple.source.ip == drop.tuple.destination.ip;
        let (id, forward) = match self.attempts.find(&drop.tuple, drop.translation.as_ref()) {
            Found::Attempt(id, forward) if !self.is_used_again(id, drop) => (id, forward),
            Found::Attempt(id, _) => {
                self.close(id, over);
                let Some(id) = self.open_dropped(drop) else { return };
                (id, true)
            }
            Found::Nothing | Found::Mistaken(_) | Found::Opposite(_) if is_answer || is_within => return,
            Found::Nothing | Found::Mistaken(_) | Found::Opposite(_) => {
                let Some(id) = self.open_dropped(drop) else { return };
                (id, true)
            }
        };
        if drop.is_answer && forward {
            return;
        }
        let Some(attempt) = self.attempts.get_mut(id) else { return };
        if !forward && attempt.is_answer_come(drop, in_node, &self.unwanted) {
            attempt.answer_come(drop);
        } else {
            attempt.drop_seen(drop, forward, in_node);
        }
        self.attempts.name(id, drop.tuple, drop.translation, forward);
        self.look_again(id);
    }

    fn is_used_again(&self, id: Id, drop: &Drop) -> bool {
        drop.syn.is_some_and(|sequence| self.sequence_of(id) != Some(sequence))
    }

    fn open_dropped(&mut self, drop: &Drop) -> Option<Id> {
        let original = drop.translation.map_or(drop.tuple, |t| t.original);
        self.open(original, drop.syn.unwrap_or(0), drop.at)
    }

    fn sequence_of(&self, id: Id) -> Option<u32> {
        self.attempts.get(id).map(|attempt| attempt.sequence)
    }

    /// The initiator completed the handshake, wherever it is.
    fn on_socket_open(&mut self, open: &SocketOpen) {
        let Found::Attempt(id, false) = self.attempts.find(&open.tuple, None) else { return };
        let Some(attempt) = self.attempts.get_mut(id) else { return };
        attempt.socket_open(open);
        self.look_again(id);
    }

    fn on_socket_end(&mut self, end: &SocketEnd) {
        let Found::Attempt(id, _) = self.attempts.find(&end.tuple, None) else { return };
        let Some(attempt) = self.attempts.get_mut(id) else { return };
        attempt.socket_end(end);
        self.look_again(id);
    }

    fn open(&mut self, original: FiveTuple, sequence: u32, at: Nanos) -> Option<Id> {
        if self.attempts.len() >= self.limits.attempts {
            self.make_room(at);
        }
        if self.attempts.len() >= self.limits.attempts {
            self.evicted += 1;
            return None;
        }
        self.opened += 1;
        Some(self.attempts.insert(Attempt::new(original, sequence, at, self.opened)))
    }

    /// Makes room. What was told is only remembered for its later tries, and a new attempt counts more; and what
    /// was answered to an initiator elsewhere that never came back is told now: a flood of openings
    /// under false names must not fill the table.
    fn make_room(&mut self, now: Nanos) {
        if now < self.pressed_until {
            return;
        }
        self.pressed_until = after(now, self.limits.linger);
        let is_stale = |attempt: &Attempt| {
            attempt.original.protocol == Protocol::Tcp
                && attempt.is_answered()
                && !attempt.is_through()
                && after(attempt.last, self.limits.no_reply) < now
        };
        for id in self.attempts.ids(|attempt| !attempt.reported && is_stale(attempt)) {
            let stale = self.attempts.remove(id);
            self.told_under_pressure.extend(stale);
        }
        for id in self.attempts.ids(|attempt| attempt.reported) {
            if let Some(attempt) = self.attempts.remove(id) {
                self.strays.adopt(&attempt, Duration::ZERO);
            }
        }
    }

    /// After new evidence.
    fn look_again(&mut self, id: Id) {
        let Some(attempt) = self.attempts.get_mut(id) else { return };
        if attempt.reported && attempt.is_news() {
            // It was given up too early: it did get through, and that has to be told.
            attempt.reported = false;
        }
        self.enqueue(id);
    }

    /// An attempt stands in the queue once: at the earliest moment that it may be due.
    fn enqueue(&mut self, id: Id) {
        let Some(attempt) = self.attempts.get_mut(id) else { return };
        if let Some(at) = self.limits.due(attempt)
            && at < attempt.queued
        {
            attempt.queued = at;
            self.due.note(at, (attempt.number, id));
        }
    }

    /// Closes what is due at `now`.
    pub fn tick(&mut self, now: Nanos, counters: &mut impl ConversationCounters, over: &mut Vec<Attempt>) {
        for (at, (_, id)) in self.due.take_due(now) {
            let Some(attempt) = self.attempts.get_mut(id) else { continue };
            if attempt.queued != at {
                continue;
            }
            attempt.queued = Nanos::MAX;
            conversations::read(attempt, counters);
            match self.limits.due(attempt) {
                Some(at) if at > now => self.enqueue(id),
                Some(_) if attempt.reported => {
                    if let Some(attempt) = self.attempts.remove(id) {
                        conversations::forget(&attempt, counters);
                    }
                }
                Some(_) => self.report(id, over),
                None => {}
            }
        }
        self.strays.tick(now, self.limits.idle, counters);
        over.append(&mut self.told_under_pressure);
    }

    /// Tells of an attempt, and remembers it for as long as more of the same may come.
    fn report(&mut self, id: Id, over: &mut Vec<Attempt>) {
        let Some(attempt) = self.attempts.get_mut(id) else { return };
        if !attempt.is_news() {
            // The answer that was to be told was dropped after all.
            attempt.reported = true;
            return self.enqueue(id);
        }
        let got_its_answer = attempt.is_answered() && !attempt.is_answer_lost();
        let has_ended =
            attempt.original.protocol == Protocol::Tcp && got_its_answer && !attempt.is_answer_refused();
        if has_ended && !attempt.was_sent_again() {
            over.extend(self.attempts.remove(id));
            return;
        }
        (attempt.reported, attempt.told) = (true, true);
        attempt.told_as_answered = got_its_answer;
        attempt.told_as.get_or_insert_default();
        over.push(attempt.clone());
        self.enqueue(id);
    }

    /// Reports everything that was seen on a device that is gone.
    pub fn device_gone(
        &mut self,
        ifindex: u32,
        counters: &mut impl ConversationCounters,
        over: &mut Vec<Attempt>,
    ) {
        let on_device = |attempt: &Attempt| {
            [attempt.left, attempt.arrived].into_iter().flatten().any(|seen| seen.ifindex == ifindex)
        };
        for id in self.attempts.ids(|attempt| !attempt.reported && on_device(attempt)) {
            if let Some(attempt) = self.attempts.get_mut(id) {
                conversations::read(attempt, counters);
            }
            self.report(id, over);
        }
    }

    /// Ends everything: the agent stops.
    pub fn flush(&mut self, counters: &mut impl ConversationCounters, over: &mut Vec<Attempt>) {
        for id in self.attempts.ids(|_| true) {
            if let Some(attempt) = self.attempts.get_mut(id) {
                conversations::read(attempt, counters);
            }
            self.close(id, over);
        }
        over.append(&mut self.told_under_pressure);
    }

    fn close(&mut self, id: Id, over: &mut Vec<Attempt>) {
        if let Some(attempt) = self.attempts.remove(id)
            && !attempt.reported
            && attempt.is_news()
        {
            over.push(attempt);
        }
    }

    /// Names, queue entries and strays that are held beside the attempts.
    #[cfg(test)]
    pub(super) fn held_beside(&self) -> [usize; 3] {
        [self.attempts.names(), self.due.len(), self.strays.len()]
    }
}

/// The five-tuple of an opening packet as its initiator sees it.
fn original(sighting: &Sighting) -> FiveTuple {
    sighting.translation.map_or(sighting.tuple, |t| t.original)
}
