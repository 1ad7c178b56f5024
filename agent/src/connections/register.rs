//! Attempts, found by every tuple that their packets were seen with.

use super::attempt::Attempt;
use crate::event::{FiveTuple, Translation};
use foldhash::quality::RandomState;
use slotmap::{SlotMap, new_key_type};
use std::collections::HashMap;

new_key_type! {
    /// What stands for an attempt; never used again for another.
    pub(super) struct Id;
}

/// What is known of the tuple of a packet.
#[derive(Clone, Copy)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// An attempt, and whether the packet goes its way.
    Attempt(Id, bool),
    /// An attempt whose opening went the way that this packet goes, which conntrack says is the way
    /// of the answers.
    Mistaken(Id),
    /// An attempt in the other direction, which conntrack says is another connection.
    Opposite(Id),
}

/// The attempts, and what each is known as.
#[derive(Debug, Default)]
pub(super) struct Register {
    attempts: SlotMap<Id, Attempt>,
    /// Drawn at random, the hash is hard to collide on purpose: tuples are for anyone to choose.
    by_tuple: HashMap<FiveTuple, Id, RandomState>,
}

impl Register {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.attempts.len()
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.attempts.is_empty()
    }

    /// How many tuples they are known by.
    #[cfg(test)]
    pub(super) fn names(&self) -> usize {
        self.by_tuple.len()
    }

    pub(super) fn get(&self, id: Id) -> Option<&Attempt> {
        self.attempts.get(id)
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut Attempt> {
        self.attempts.get_mut(id)
    }

    /// The attempt that a packet belongs to.
    pub(super) fn find(&self, tuple: &FiveTuple, translation: Option<&Translation>) -> Found {
        let by = |tuple: &FiveTuple| self.by_tuple.get(tuple).copied();
        if let Some(translation) = translation
            && let Some(id) = by(&translation.original).or_else(|| by(&translation.translated))
        {
            return Found::Attempt(id, !translation.is_reply);
        }
        let is_reply = translation.map(|translation| translation.is_reply);
        match (by(tuple), by(&tuple.reversed()), is_reply) {
            (Some(id), _, Some(true)) => Found::Mistaken(id),
            (Some(id), _, _) => Found::Attempt(id, true),
            (None, Some(id), Some(false)) => Found::Opposite(id),
            (None, Some(id), _) => Found::Attempt(id, false),
            (None, None, _) => Found::Nothing,
        }
    }

    /// Takes in a new attempt.
    pub(super) fn insert(&mut self, attempt: Attempt) -> Id {
        let original = attempt.original;
        let id = self.attempts.insert(attempt);
        self.know(id, original);
        id
    }

    /// Lets an attempt be found by every tuple that its packets were seen with.
    pub(super) fn name(&mut self, id: Id, tuple: FiveTuple, translation: Option<Translation>, forward: bool) {
        self.know(id, if forward { tuple } else { tuple.reversed() });
        if let Some(translation) = translation {
            self.know(id, translation.translated);
        }
    }

    fn know(&mut self, id: Id, tuple: FiveTuple) {
        let Some(attempt) = self.attempts.get_mut(id) else { return };
        if !attempt.known_as.contains(&tuple) {
            attempt.known_as.push(tuple);
            self.by_tuple.insert(tuple, id);
        }
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<Attempt> {
        let attempt = self.attempts.remove(id)?;
        for tuple in &attempt.known_as {
            if self.by_tuple.get(tuple) == Some(&id) {
                self.by_tuple.remove(tuple);
            }
        }
        Some(attempt)
    }

    /// The attempts that are so, in the order of their opening.
    pub(super) fn ids(&self, are_so: impl Fn(&Attempt) -> bool) -> Vec<Id> {
        let chosen = self.attempts.iter().filter(|(_, attempt)| are_so(attempt));
        let mut ids: Vec<(u64, Id)> = chosen.map(|(id, attempt)| (attempt.number, id)).collect();
        ids.sort_unstable();
        ids.into_iter().map(|(_, id)| id).collect()
    }
}
