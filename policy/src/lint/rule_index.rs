//! The rules of many policies, to be found by what they match.

use super::{
    peer_index::{PeerIndex, Shape},
    port_index::{self, Among, PortIndex},
    selections::{Selection, Selections},
};
use crate::{
    port::PortMatch,
    rule::{Peers, Rule},
    selector::Selector,
};
use std::collections::{BTreeSet, HashMap};

/// A peer with its ports; no peer is anybody.
pub(super) type Entry<'a, T> = (T, Option<Shape<'a>>, &'a [PortMatch]);

/// Peers with their ports.
pub(super) struct Admissions<'a, T> {
    anybody: PortIndex<T>,
    peers: PeerIndex<'a>,
    /// The ports, by the number of the peer.
    ports: Vec<PortIndex<T>>,
}

impl<'a, T: Copy + Ord> Admissions<'a, T> {
    /// Takes in entries.
    pub(super) fn new(entries: &[Entry<'a, T>]) -> Self {
        let peers = PeerIndex::new(entries.iter().filter_map(|(_, peer, _)| peer.clone()));
        let ports = vec![PortIndex::default(); peers.len()];
        let mut admissions = Self { anybody: PortIndex::default(), peers, ports };
        for (id, peer, ports) in entries {
            if let Some(index) = admissions.ports_of(peer.as_ref()) {
                index.insert(*id, ports);
            }
        }
        admissions
    }

    /// Takes an entry out again.
    fn remove(&mut self, (id, peer, ports): &Entry<'a, T>) {
        if let Some(index) = self.ports_of(peer.as_ref()) {
            index.remove(*id, ports);
        }
    }

    fn ports_of(&mut self, peer: Option<&Shape<'a>>) -> Option<&mut PortIndex<T>> {
        match peer {
            None => Some(&mut self.anybody),
            Some(peer) => self.ports.get_mut(self.peers.id(peer)?),
        }
    }

    /// The ports of all that match whomever a peer matches.
    pub(super) fn around<'s>(
        &'s self,
        peer: Option<&'s Shape<'_>>,
    ) -> impl Iterator<Item = &'s PortIndex<T>> + 's {
        let peers = peer.into_iter().flat_map(|peer| self.peers.around(peer));
        std::iter::once(&self.anybody).chain(peers.filter_map(|id| self.ports.get(id)))
    }
}

/// Which rule, by the place of its policy and its index.
pub(super) type RuleId = (usize, usize);

/// A rule of a policy whose subject has this number.
#[derive(Clone, Copy)]
pub(super) struct Indexed<'a> {
    pub(super) subject: usize,
    pub(super) id: RuleId,
    pub(super) rule: &'a Rule,
}

/// The rules of one direction.
pub(super) struct RuleIndex<'a> {
    own: &'a Selector,
    by_subject: HashMap<usize, Admissions<'a, RuleId>>,
}

impl<'a> RuleIndex<'a> {
    /// Takes in rules of policies whose own namespace has the labels `own` for certain.
    pub(super) fn new(own: &'a Selector, rules: impl Iterator<Item = Indexed<'a>>) -> Self {
        let mut by_subject: HashMap<usize, Vec<Entry<'a, RuleId>>> = HashMap::new();
        for rule in rules {
            by_subject.entry(rule.subject).or_default().extend(entries(own, rule));
        }
        let by_subject = by_subject.into_iter();
        Self { own, by_subject: by_subject.map(|(id, entries)| (id, Admissions::new(&entries))).collect() }
    }

    /// Takes a rule out again.
    pub(super) fn remove(&mut self, rule: Indexed<'a>) {
        let Some(admissions) = self.by_subject.get_mut(&rule.subject) else { return };
        for entry in entries(self.own, rule) {
            admissions.remove(&entry);
        }
    }

    /// The rules of these subjects that together match all that a rule matches; `None` where they
    /// do not.
    pub(super) fn around(
        &self,
        subjects: &[usize],
        inner: &Rule,
        among: &Among<RuleId>,
    ) -> Option<BTreeSet<RuleId>> {
        let of_subjects = || subjects.iter().filter_map(|subject| self.by_subject.get(subject));
        let one = |peer: Option<&Shape<'_>>| {
            let ports: Vec<_> = of_subjects().flat_map(|admissions| admissions.around(peer)).collect();
            port_index::around(&ports, &inner.ports, among)
        };
        let mut used = BTreeSet::new();
        match &inner.peers {
            Peers::Any => used.extend(one(None)?),
            peers => {
                for peer in peers.as_slice() {
                    used.extend(one(Some(&Shape::read(peer, self.own)?))?);
                }
            }
        }
        Some(used)
    }
}

/// The peers of a rule; those that the API would reject match nobody.
fn entries<'a>(own: &'a Selector, indexed: Indexed<'a>) -> Vec<Entry<'a, RuleId>> {
    let Indexed { id, rule, .. } = indexed;
    let ports = rule.ports.as_slice();
    match &rule.peers {
        Peers::Any => vec![(id, None, ports)],
        peers => {
            let shapes = peers.as_slice().iter().filter_map(|peer| Shape::read(peer, own));
            shapes.map(|shape| (id, Some(shape), ports)).collect()
        }
    }
}

/// The subjects of policies; those that select the same have one number.
pub(super) struct Subjects<'a> {
    numbers: Vec<usize>,
    selections: Selections<'a>,
}

impl<'a> Subjects<'a> {
    /// Takes in the subject of each policy; one that cannot be read is alone.
    pub(super) fn new(subjects: impl Iterator<Item = Option<Selection<'a>>>) -> Self {
        let mut known: HashMap<Selection<'a>, usize> = HashMap::new();
        let numbers = subjects.enumerate().map(|(at, subject)| match subject {
            Some(selection) => *known.entry(selection).or_insert(at),
            None => at,
        });
        let numbers = numbers.collect();
        let selections = known.into_iter().map(|(selection, number)| (number, selection));
        Self { numbers, selections: Selections::new(selections) }
    }

    /// The number of a policy's subject.
    pub(super) fn number(&self, policy: usize) -> usize {
        self.numbers.get(policy).copied().unwrap_or(policy)
    }

    /// The numbers of those that select whatever `inner` selects.
    pub(super) fn around(&self, inner: &Selection<'_>) -> Vec<usize> {
        self.selections.around(inner).collect()
    }

    /// Whether all that the subject of this number selects, `outer` selects.
    pub(super) fn is_within(&self, number: usize, outer: &Selection<'_>) -> bool {
        self.selections.get(number).is_some_and(|inner| inner.implies(outer))
    }
}
