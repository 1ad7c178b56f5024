//! From steps of traced packets to the rule that decided about an attempt. Pure.
//!
//! ```text
//! a step in our own table -> a packet begins its way -> steps elsewhere -> what stopped it, what let it pass
//! ```

use super::{event::Step, packet::Packet, table};
use crate::{connections::Attempt, event::Nanos, remembered::Remembered};
use portolan_policy::{Enforcer, Outcome, Protocol};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

/// Packets that are on their way at the same time; a way takes microseconds.
const WAYS: usize = 4096;
/// Openings that are remembered until their attempt is over.
const REMEMBERED: usize = 65_536;
/// As long as the policies of an attempt's time are known.
const KEPT: Nanos = 3_600_000_000_000;
/// How far the kernel's coarse clock is ahead of the time of a reading at the most.
const EARLY: Nanos = 20_000_000;

/// What rules decided about the packets that were traced.
#[derive(Debug)]
pub(super) struct Rulings {
    /// No conversation is traced again before it was silent for so long.
    silence: Nanos,
    ways: HashMap<u32, Packet>,
    begun: VecDeque<u32>,
    known: Remembered<Packet, Ruling>,
}

/// What became of one opening or answer.
#[derive(Clone, Debug)]
struct Ruling {
    at: Nanos,
    /// The rule that stopped it.
    stopped: Option<Arc<Enforcer>>,
    /// The last rule that let it pass.
    passed: Option<Arc<Enforcer>>,
}

impl Rulings {
    /// None yet, of conversations that are new after such a silence.
    pub(super) fn new(silence: Duration) -> Self {
        Self {
            silence: u64::try_from(silence.as_nanos()).unwrap_or(u64::MAX),
            ways: HashMap::new(),
            begun: VecDeque::new(),
            known: Remembered::new(REMEMBERED, KEPT),
        }
    }

    /// Takes in a step. `name` gives the rule at a step, where it decided.
    pub(super) fn on_step(
        &mut self,
        now: Nanos,
        step: &Step,
        name: impl FnOnce(&Step) -> Option<Arc<Enforcer>>,
    ) {
        if step.place.family == table::FAMILY && step.place.table == table::NAME {
            if let Some(packet) = step.packet {
                self.begin(step.id, packet);
            }
            return;
        }
        let Some(packet) = self.ways.get(&step.id).copied() else { return };
        if let Some(rule) = name(step) {
            self.rule(now, packet, rule);
        }
    }

    /// Some steps were lost: what a packet met last is not known any more.
    pub(super) fn on_gap(&mut self) {
        self.ways.clear();
        self.begun.clear();
    }

    /// How many openings were forgotten for want of room since this was last asked.
    pub(super) fn take_forgotten(&mut self) -> u64 {
        self.known.take_forgotten()
    }

    /// The rule that brought about the outcome of an attempt, where a traced packet of it met one.
    pub(super) fn of(&self, attempt: &Attempt, outcome: Outcome) -> Option<Enforcer> {
        let tuples = [attempt.original, attempt.effective()];
        let find = |tuple| {
            let ruling = self.known.get(&Packet { tuple, sequence: attempt.sequence })?;
            self.is_of(attempt, ruling.at).then_some(ruling)
        };
        let opening = tuples.into_iter().find_map(find);
        let answer = tuples.into_iter().rev().find_map(|tuple| find(tuple.reversed()));
        let stopped = [opening, answer].map(|ruling| ruling.and_then(|ruling| ruling.stopped.as_ref()));
        let passed = opening.and_then(|ruling| ruling.passed.as_ref());
        let candidates = match outcome {
            Outcome::Established | Outcome::Refused => [passed, stopped[0], stopped[1]],
            _ => [stopped[0], stopped[1], passed],
        };
        candidates.into_iter().flatten().find(|rule| rule.agrees_with(outcome)).map(|rule| (**rule).clone())
    }

    /// A connection's number tells it from others of the same tuple; a conversation has only its time.
    fn is_of(&self, attempt: &Attempt, at: Nanos) -> bool {
        let until = attempt.last.saturating_add(self.silence);
        attempt.original.protocol == Protocol::Tcp
            || (attempt.started..=until.saturating_add(EARLY)).contains(&at.saturating_add(EARLY))
    }

    /// A packet enters, or one that is looked at in the next hook of the same name.
    fn begin(&mut self, id: u32, packet: Packet) {
        if self.ways.insert(id, packet).is_none() {
            self.begun.push_back(id);
        }
        if self.begun.len() > WAYS
            && let Some(oldest) = self.begun.pop_front()
        {
            self.ways.remove(&oldest);
        }
        // Other protocols have no number that tells one conversation from the next.
        if packet.tuple.protocol != Protocol::Tcp {
            self.known.remove(&packet);
        }
    }

    fn rule(&mut self, now: Nanos, packet: Packet, rule: Arc<Enforcer>) {
        let ruling = self.known.entry(now, packet, || Ruling { at: now, stopped: None, passed: None });
        if rule.verdict.is_denial() {
            ruling.stopped = Some(rule);
        } else {
            ruling.passed = Some(rule);
        }
    }
}

#[cfg(test)]
mod tests;
