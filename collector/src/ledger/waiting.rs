//! Which rows of waiting views are still needed: a row goes when none of its views waits any more.

use super::{
    keys,
    store::{Change, Space},
    views,
};
use crate::join::Waits;
use std::collections::{BTreeMap, BTreeSet};

/// The views of a row.
#[derive(Debug, Default)]
struct Row {
    waiting: BTreeSet<u64>,
    resolved: BTreeSet<u64>,
}

/// The rows on disk, by the number of their first view.
#[derive(Debug, Default)]
pub(super) struct WaitingRows {
    rows: BTreeMap<u64, Row>,
    /// Above the numbers of rows that tell nothing else.
    above: u64,
}

impl WaitingRows {
    /// None yet; the numbers up to this one are taken.
    pub(super) fn above(taken: Option<u64>) -> Self {
        Self { rows: BTreeMap::new(), above: taken.map_or(0, |taken| taken.saturating_add(1)) }
    }

    /// Takes a number as taken.
    pub(super) fn skip(&mut self, number: u64) {
        self.above = self.above.max(number.saturating_add(1));
    }

    /// Takes a row as it was found. Returns the views that still wait.
    pub(super) fn restore(&mut self, first: u64, views: Vec<Waits>, resolved: &BTreeSet<u64>) -> Vec<Waits> {
        let (gone, waits): (Vec<_>, Vec<_>) =
            views.into_iter().partition(|waits| resolved.contains(&waits.number));
        let row = self.rows.entry(first).or_default();
        row.resolved.extend(gone.iter().map(|waits| waits.number));
        row.waiting.extend(waits.iter().map(|waits| waits.number));
        waits
    }

    /// A number above those of all views here, resolved ones too.
    pub(super) fn next(&self) -> u64 {
        let numbers = self.rows.values().flat_map(|row| row.waiting.iter().chain(&row.resolved));
        numbers.max().map_or(0, |last| last + 1).max(self.above)
    }

    /// Writes down the views that wait now.
    pub(super) fn wait(&mut self, waits: BTreeMap<u64, Waits>, changes: &mut Vec<Change>) {
        let Some(first) = waits.keys().next().copied() else { return };
        let row = Row { waiting: waits.keys().copied().collect(), resolved: BTreeSet::new() };
        let views: Vec<Waits> = waits.into_values().collect();
        changes.push(Change::Put(Space::State, keys::number(keys::WAITING, first), views::encode(&views)));
        self.rows.insert(first, row);
    }

    /// Writes down which views wait no more.
    pub(super) fn resolve(&mut self, resolved: BTreeSet<u64>, changes: &mut Vec<Change>) {
        for number in resolved {
            let Some((first, row)) = self.rows.range_mut(..=number).next_back() else { continue };
            if !row.waiting.remove(&number) {
                continue;
            }
            let first = *first;
            if row.waiting.is_empty() {
                changes.push(Change::Delete(Space::State, keys::number(keys::WAITING, first)));
                let gone = row.resolved.iter();
                let gone =
                    gone.map(|number| Change::Delete(Space::State, keys::number(keys::RESOLVED, *number)));
                changes.extend(gone);
                self.rows.remove(&first);
            } else {
                row.resolved.insert(number);
                let key = keys::number(keys::RESOLVED, number);
                changes.push(Change::Put(Space::State, key, Vec::new()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        build::{by_source, web_to_db},
        join::Side,
        ledger::{memory::MemoryStore, store::Store as _},
    };
    use proptest::{prelude::*, sample::Index};
    use std::sync::Arc;

    fn waits(number: u64) -> (u64, Waits) {
        (number, Waits { number, side: Side::Source, view: Arc::new(by_source(web_to_db())) })
    }

    /// What a restart finds.
    fn restored(store: &MemoryStore) -> BTreeSet<u64> {
        let rows = |table| store.scan(Space::State, table, usize::MAX).into_iter().map(Result::unwrap);
        let resolved = rows(keys::RESOLVED).map(|(key, _)| keys::number_of(&key).unwrap()).collect();
        let mut known = WaitingRows::default();
        let waits = rows(keys::WAITING).flat_map(|(key, value)| {
            known.restore(keys::number_of(&key).unwrap(), views::decode(&value).unwrap(), &resolved)
        });
        waits.map(|waits| waits.number).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_restart_finds_exactly_those_that_still_wait(
            steps in prop::collection::vec((0_u64..5, prop::collection::vec(any::<Index>(), 0..6)), 1..12)
        ) {
            let (mut rows, store) = (WaitingRows::default(), MemoryStore::default());
            let (mut still, mut next) = (BTreeSet::new(), 0);
            for (count, resolve) in steps {
                let all: Vec<u64> = still.iter().copied().collect();
                let resolved: BTreeSet<u64> =
                    resolve.iter().filter(|_| !all.is_empty()).map(|index| *index.get(&all)).collect();
                still.retain(|number| !resolved.contains(number));
                still.extend(next..next + count);
                let mut changes = Vec::new();
                rows.resolve(resolved, &mut changes);
                rows.wait((next..next + count).map(waits).collect(), &mut changes);
                next += count;
                store.commit(changes).unwrap();
                prop_assert_eq!(&restored(&store), &still);
            }
            let mut changes = Vec::new();
            rows.resolve(still, &mut changes);
            store.commit(changes).unwrap();
            prop_assert_eq!(store.bytes(), 0, "nothing is left behind");
        }
    }
}
