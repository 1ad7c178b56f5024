//! Who names which ports, to be found by what they match.

use crate::{Protocol, fingerprint::Fingerprint, port::PortMatch};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{Bound, RangeInclusive},
};

/// Ranges that are put together to cover one, at most.
const PIECES: usize = 64;

/// Those of a set that may cover something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Among<T>([(Bound<T>, Bound<T>); 2]);

impl<T: Copy + Ord> Among<T> {
    /// All but these.
    pub(super) fn others(these: &RangeInclusive<T>) -> Self {
        let before = (Bound::Unbounded, Bound::Excluded(*these.start()));
        Self([before, (Bound::Excluded(*these.end()), Bound::Unbounded)])
    }

    /// Those before `end`, and those from `start` to before `own`.
    pub(super) const fn before(end: T, start: T, own: T) -> Self {
        Self([(Bound::Unbounded, Bound::Excluded(end)), (Bound::Included(start), Bound::Excluded(own))])
    }

    /// The first of them.
    pub(super) fn first(&self, set: &BTreeSet<T>) -> Option<T> {
        self.0.iter().find_map(|range| set.range(*range).next()).copied()
    }
}

/// Ranges by first and last port, and who names them.
type Ranges<T> = BTreeMap<(u16, u16), BTreeSet<T>>;

/// Lists of ports, by who has them.
#[derive(Clone, Debug)]
pub(super) struct PortIndex<T> {
    /// Those whose list is empty, which restricts nothing.
    unrestricted: BTreeSet<T>,
    all: BTreeMap<Protocol, BTreeSet<T>>,
    named: BTreeMap<(Option<Protocol>, Fingerprint), BTreeSet<T>>,
    /// Ranges of about the same length together: then few of them need be asked.
    ranges: BTreeMap<(Protocol, u32), Ranges<T>>,
}

impl<T> Default for PortIndex<T> {
    fn default() -> Self {
        let (all, named, ranges) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { unrestricted: BTreeSet::new(), all, named, ranges }
    }
}

impl<T: Copy + Ord> PortIndex<T> {
    /// Takes in a list.
    pub(super) fn insert(&mut self, id: T, ports: &[PortMatch]) {
        self.change(ports, |set| {
            set.insert(id);
        });
    }

    /// Takes a list out again.
    pub(super) fn remove(&mut self, id: T, ports: &[PortMatch]) {
        self.change(ports, |set| {
            set.remove(&id);
        });
    }

    /// Takes in one port.
    pub(super) fn insert_one(&mut self, id: T, port: &PortMatch) {
        self.insert(id, std::slice::from_ref(port));
    }

    /// Takes one port out again.
    pub(super) fn remove_one(&mut self, id: T, port: &PortMatch) {
        self.remove(id, std::slice::from_ref(port));
    }

    fn change(&mut self, ports: &[PortMatch], mut change: impl FnMut(&mut BTreeSet<T>)) {
        if ports.is_empty() {
            change(&mut self.unrestricted);
        }
        for port in ports {
            match port {
                PortMatch::All(protocol) => change(self.all.entry(*protocol).or_default()),
                PortMatch::Named(protocol, name) => change(self.named.entry((*protocol, *name)).or_default()),
                PortMatch::Range(protocol, range) => {
                    let ranges = self.ranges.entry((*protocol, size(range))).or_default();
                    change(ranges.entry((*range.start(), *range.end())).or_default());
                }
                PortMatch::Nothing => {}
            }
        }
    }

    /// One that matches all that a port entry matches.
    pub(super) fn around(&self, inner: &PortMatch, among: &Among<T>) -> Option<T> {
        let all = |protocol: &Protocol| self.all.get(protocol).and_then(|set| among.first(set));
        let named = |protocol, name| self.named.get(&(protocol, name)).and_then(|set| among.first(set));
        match inner {
            PortMatch::All(protocol) => all(protocol),
            PortMatch::Range(protocol, wanted) => {
                all(protocol).or_else(|| Some(self.reaching(*protocol, wanted, among)?.1))
            }
            PortMatch::Named(None, name) => named(None, *name),
            PortMatch::Named(Some(protocol), name) => {
                all(protocol).or_else(|| named(None, *name)).or_else(|| named(Some(*protocol), *name))
            }
            PortMatch::Nothing => None,
        }
    }

    /// Among the ranges that hold `wanted` the one with the highest end, and who has it.
    fn reaching(
        &self,
        protocol: Protocol,
        wanted: &RangeInclusive<u16>,
        among: &Among<T>,
    ) -> Option<(u16, T)> {
        let sizes = self.ranges.range((protocol, 0)..=(protocol, u32::MAX));
        let holding = sizes.flat_map(|((_, size), ranges)| {
            let longest = u32::from(u16::MAX).min((1 << (size + 1)) - 1);
            let first = u32::from(*wanted.end()).saturating_sub(longest - 1);
            let first = u16::try_from(first).unwrap_or(0);
            let end = (*wanted.start(), u16::MAX);
            let near = (first <= *wanted.start()).then(|| ranges.range((first, 0)..=end));
            near.into_iter().flatten().filter(|((_, last), _)| last >= wanted.end())
        });
        let found = holding.filter_map(|((_, last), set)| Some((*last, among.first(set)?)));
        found.max_by(|(last, id), (other_last, other)| (last, other).cmp(&(other_last, id)))
    }
}

/// The length of a range in binary digits.
fn size(range: &RangeInclusive<u16>) -> u32 {
    (u32::from(*range.end()).saturating_sub(u32::from(*range.start())) + 1).ilog2()
}

/// Those that together match every port of a list; an empty list restricts nothing.
pub(super) fn around<T: Copy + Ord>(
    indexes: &[&PortIndex<T>],
    inner: &[PortMatch],
    among: &Among<T>,
) -> Option<Vec<T>> {
    let unrestricted = indexes.iter().filter_map(|index| among.first(&index.unrestricted)).min();
    if let Some(id) = unrestricted {
        return Some(vec![id]);
    }
    if inner.is_empty() {
        return None;
    }
    let mut used = Vec::new();
    for port in inner {
        match indexes.iter().filter_map(|index| index.around(port, among)).min() {
            Some(id) => used.push(id),
            None => used.extend(joined(indexes, port, among)?),
        }
    }
    Some(used)
}

/// Ranges that together hold all of one.
fn joined<T: Copy + Ord>(indexes: &[&PortIndex<T>], inner: &PortMatch, among: &Among<T>) -> Option<Vec<T>> {
    let PortMatch::Range(protocol, wanted) = inner else { return None };
    let (mut used, mut next) = (Vec::new(), *wanted.start());
    while used.len() < PIECES {
        let reaching = indexes.iter().filter_map(|index| index.reaching(*protocol, &(next..=next), among));
        let (last, id) =
            reaching.max_by(|(last, id), (other_last, other)| (last, other).cmp(&(other_last, id)))?;
        used.push(id);
        if last >= *wanted.end() {
            return Some(used);
        }
        next = last + 1;
    }
    None
}
