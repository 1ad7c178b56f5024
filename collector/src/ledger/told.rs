//! The connections of which one side was told: found by their tuple, forgotten by the hour.

use super::{
    background::{Background, Stop},
    keys,
    met::{self, Met, Tuples},
    store::{Change, SharedStore, Space, StoreError},
};
use crate::join::{Side, Told};
use jiff::{SignedDuration, Timestamp};
use portolan_proto::Connection;
use prometheus_client::metrics::counter::Counter;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    ops::ControlFlow,
    sync::{Arc, mpsc},
};

/// How far apart the two sides may say that a connection began.
const APART: SignedDuration = SignedDuration::from_mins(5);

/// How many rows are forgotten in one transaction.
const AT_ONCE: usize = 10_000;

/// Hours of which it is remembered what they have. Views come late, but seldom so late.
const REMEMBERED: usize = 3;

/// An hour in which such connections began.
#[derive(Debug)]
struct Hour {
    /// How many rows it has, about.
    rows: u64,
    /// Which they may be.
    met: Met,
}

/// The hours in which such connections began.
#[derive(Debug)]
pub(super) struct ToldHours {
    hours: BTreeMap<i64, Hour>,
    /// How many rows there may be.
    most: u64,
    /// Rows forgotten before their time because there were more.
    forgotten: Counter,
    /// What earlier runs wrote down of the last hours, as it is read.
    learnt: Option<(mpsc::Receiver<(i64, Tuples)>, Background)>,
}

impl ToldHours {
    /// The hours that an earlier run wrote down.
    pub(super) fn restored(
        hours: impl IntoIterator<Item = (i64, u64)>,
        most: u64,
        forgotten: Counter,
    ) -> Self {
        let hours = hours.into_iter().map(|(hour, rows)| (hour, Hour { rows, met: Met::Unknown }));
        Self { hours: hours.collect(), most, forgotten, learnt: None }
    }

    /// Has a thread read what earlier runs wrote down of the last hours: until then every look-up asks the store.
    pub(super) fn begin_to_learn(&mut self, store: &SharedStore) -> io::Result<()> {
        let hours = self.hours.iter_mut().rev().take(REMEMBERED);
        let hours: Vec<_> =
            hours.filter_map(|(number, hour)| Some((*number, hour.met.begin_to_learn(hour.rows)?))).collect();
        let (learnt, receiver) = mpsc::sync_channel(REMEMBERED);
        let store = Arc::clone(store);
        let read = move |stop: &Stop| {
            for (hour, hasher) in hours {
                let mut tuples = Tuples::default();
                let read = store.visit(Space::State, &keys::told_in(hour), &mut |key| {
                    tuples.extend(keys::told_of(key).map(|(connection, _)| met::hash(&hasher, &connection)));
                    if stop.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                });
                // An hour that cannot be read is asked of the store, which says so. Nobody may want it any more.
                if read.is_ok() && !stop.is_asked() {
                    learnt.send((hour, tuples)).ok();
                }
            }
        };
        self.learnt = Some((receiver, Background::begin("told", read)?));
        Ok(())
    }

    /// Takes what was read meanwhile.
    pub(super) fn learn(&mut self) {
        for (hour, tuples) in self.learnt.iter().flat_map(|(learnt, _)| learnt.try_iter()) {
            if let Some(hour) = self.hours.get_mut(&hour) {
                hour.met.learn(tuples);
            }
        }
    }

    /// Whether the store is asked for a connection.
    #[cfg(test)]
    pub(super) fn asks(&self, like: &Connection) -> bool {
        self.hours.values().any(|hour| hour.met.may_have(like))
    }

    /// When the last of them may have begun.
    pub(super) fn end(&self) -> Option<Timestamp> {
        self.hours.last_key_value().map(|(hour, _)| keys::hour_begin(hour.saturating_add(1)))
    }

    /// Writes down connections told alone, and those whose other side has come since.
    pub(super) fn write(&mut self, told: &[Told], untold: &[Told], changes: &mut Vec<Change>) {
        let mut touched = BTreeSet::new();
        for one in told {
            let Told { connection, side, telling: _ } = one;
            let number = keys::hour(connection.start);
            let hour = self.hours.entry(number).or_insert_with(|| Hour { rows: 0, met: Met::nothing() });
            hour.rows += 1;
            hour.met.meet(connection);
            touched.insert(number);
            let side = vec![u8::from(*side == Side::Destination)];
            changes.push(Change::Put(Space::State, keys::told(one), side));
        }
        for one in untold {
            let number = keys::hour(one.connection.start);
            if let Some(hour) = self.hours.get_mut(&number) {
                hour.rows = hour.rows.saturating_sub(1);
                touched.insert(number);
            }
            changes.push(Change::Delete(Space::State, keys::told(one)));
        }
        for number in touched {
            let rows = self.hours.get(&number).map_or(0, |hour| hour.rows);
            changes.push(Change::Put(Space::State, keys::told_hour(number), rows.to_be_bytes().to_vec()));
        }
        self.hours.values_mut().rev().skip(REMEMBERED).for_each(|hour| hour.met = Met::Unknown);
    }

    /// Those with this tuple that began at about the same time.
    pub(super) fn find(&self, store: &SharedStore, like: &Connection) -> Result<Vec<Told>, StoreError> {
        let near = |time: Result<Timestamp, _>| keys::hour(time.unwrap_or(like.start));
        let (from, to) = (near(like.start.checked_sub(APART)), near(like.start.checked_add(APART)));
        let mut told = Vec::new();
        for (hour, _) in self.hours.range(from..=to).filter(|(_, hour)| hour.met.may_have(like)) {
            for row in store.scan(Space::State, &keys::told_like(*hour, like), usize::MAX) {
                let (key, side) = row?;
                let side = if side == [1] { Side::Destination } else { Side::Source };
                let of = keys::told_of(&key);
                told.extend(of.map(|(connection, telling)| Told { connection, side, telling }));
            }
        }
        Ok(told)
    }

    /// Forgets, bit by bit, those that began longer ago than anybody sends again, and the oldest where they are too many.
    ///
    /// Age is measured from the newest, or from now where that is earlier.
    pub(super) fn forget(
        &mut self,
        store: &SharedStore,
        resend: SignedDuration,
        now: Timestamp,
    ) -> Result<Vec<Change>, StoreError> {
        let Some(end) = self.end() else { return Ok(Vec::new()) };
        let total: u64 = self.hours.values().map(|hour| hour.rows).sum();
        let Some(mut entry) = self.hours.first_entry() else { return Ok(Vec::new()) };
        let oldest = *entry.key();
        let limit = end.min(now).saturating_sub(resend).unwrap_or(Timestamp::MIN);
        let is_young = keys::hour_begin(oldest.saturating_add(1)) > limit;
        if is_young && total <= self.most {
            return Ok(Vec::new());
        }
        let rows: Result<Vec<_>, _> =
            store.scan(Space::State, &keys::told_in(oldest), AT_ONCE).into_iter().collect();
        let mut changes: Vec<_> =
            rows?.into_iter().map(|(key, _)| Change::Delete(Space::State, key)).collect();
        let found = changes.len();
        if is_young {
            self.forgotten.inc_by(found as u64);
        }
        if found < AT_ONCE {
            entry.remove();
            changes.push(Change::Delete(Space::State, keys::told_hour(oldest)));
        } else {
            let left = entry.get().rows.saturating_sub(AT_ONCE as u64);
            entry.get_mut().rows = left;
            changes.push(Change::Put(Space::State, keys::told_hour(oldest), left.to_be_bytes().to_vec()));
        }
        Ok(changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        build::{at, connection, web_to_db},
        join::Telling,
        ledger::memory::MemoryStore,
    };
    use std::sync::Arc;

    fn told(millis: i64) -> Told {
        let connection = Connection { start: at(millis), ..connection(&web_to_db(), 7) };
        Told { connection, side: Side::Destination, telling: Telling::First }
    }

    #[test]
    fn what_was_told_is_found_until_its_other_side_comes_or_its_hour_is_over() {
        let store: SharedStore = Arc::new(MemoryStore::default());
        let mut hours = ToldHours::restored([], 1000, Counter::default());
        let write = |hours: &mut ToldHours, told: Vec<Told>, untold: Vec<Told>| {
            let mut changes = Vec::new();
            hours.write(&told, &untold, &mut changes);
            store.commit(changes).unwrap();
        };
        // Half past twelve, so the hour turns in between.
        let (near, far) = (told(0), told(1_800_000));
        write(&mut hours, vec![near, far], vec![]);
        assert_eq!(hours.find(&store, &near.connection).unwrap(), [near]);
        let later = told(1_700_000).connection;
        assert_eq!(hours.find(&store, &later).unwrap(), [near, far], "on the other side of the hour");
        let other = Connection { tcp_isn: 8, ..near.connection };
        assert_eq!(hours.find(&store, &other).unwrap(), []);

        let day = SignedDuration::from_hours(24);
        let mut forget = |now| {
            let changes = hours.forget(&store, day, now).unwrap();
            store.commit(changes).unwrap();
            hours.hours.len()
        };
        assert_eq!(forget(at(25 * 3_600_000)), 2, "the newest flow is no day younger");
        write(&mut hours, vec![told(26 * 3_600_000)], vec![far]);
        assert_eq!(hours.find(&store, &later).unwrap(), [near]);
        let changes = hours.forget(&store, day, at(26 * 3_600_000)).unwrap();
        store.commit(changes).unwrap();
        assert_eq!(hours.find(&store, &near.connection).unwrap(), []);
        assert_eq!(hours.hours.len(), 2);
    }

    #[test]
    fn a_connection_that_was_told_and_told_again_is_known_as_both() {
        let store: SharedStore = Arc::new(MemoryStore::default());
        let mut hours = ToldHours::restored([], 1000, Counter::default());
        let first = told(0);
        let again = Told { telling: Telling::Again, side: Side::Source, ..first };
        let mut changes = Vec::new();
        hours.write(&[first, again], &[], &mut changes);
        store.commit(changes).unwrap();
        assert_eq!(hours.find(&store, &first.connection).unwrap(), [first, again]);
        let mut changes = Vec::new();
        hours.write(&[], &[first], &mut changes);
        store.commit(changes).unwrap();
        assert_eq!(hours.find(&store, &first.connection).unwrap(), [again]);
    }

    #[test]
    fn after_a_restart_the_store_is_asked_for_nothing_that_it_has_not() {
        let store: SharedStore = Arc::new(MemoryStore::default());
        let mut hours = ToldHours::restored([], 1000, Counter::default());
        let mut changes = Vec::new();
        hours.write(&[told(0)], &[], &mut changes);
        store.commit(changes).unwrap();
        let rows: Vec<_> = hours.hours.iter().map(|(hour, known)| (*hour, known.rows)).collect();
        let mut hours = ToldHours::restored(rows, 1000, Counter::default());
        hours.begin_to_learn(&store).unwrap();
        let meanwhile = Told { connection: Connection { tcp_isn: 8, ..told(0).connection }, ..told(0) };
        let mut changes = Vec::new();
        hours.write(&[meanwhile], &[], &mut changes);
        store.commit(changes).unwrap();
        let never = Connection { tcp_isn: 9, ..told(0).connection };
        let begin = std::time::Instant::now();
        while hours.asks(&never) {
            assert!(begin.elapsed().as_secs() < 20, "it never learnt");
            hours.learn();
        }
        for known in [told(0), meanwhile] {
            assert!(hours.asks(&known.connection));
            assert_eq!(hours.find(&store, &known.connection).unwrap(), [known]);
        }
    }

    #[test]
    fn of_too_many_the_oldest_are_forgotten_and_counted() {
        let store: SharedStore = Arc::new(MemoryStore::default());
        let forgotten = Counter::default();
        let mut hours = ToldHours::restored([], 3, forgotten.clone());
        let hour = 3_600_000;
        let told: Vec<_> = [0, 1, hour, 2 * hour, 2 * hour + 1].map(told).to_vec();
        let mut changes = Vec::new();
        hours.write(&told, &[], &mut changes);
        store.commit(changes).unwrap();
        // What a restart finds is the same.
        let rows = store.scan(Space::State, keys::HOURS, 9).into_iter().map(Result::unwrap);
        let rows = rows.map(|(key, rows)| {
            (keys::told_hour_of(&key).unwrap(), u64::from_be_bytes(rows.try_into().unwrap()))
        });
        let mut hours = ToldHours::restored(rows, 3, forgotten.clone());
        for _ in 0..3 {
            let changes = hours.forget(&store, SignedDuration::from_hours(24), at(2 * hour)).unwrap();
            store.commit(changes).unwrap();
        }
        assert_eq!((forgotten.get(), hours.hours.len()), (2, 2));
        assert_eq!(hours.find(&store, &told[0].connection).unwrap(), []);
        assert_eq!(hours.find(&store, &told[3].connection).unwrap().len(), 2);
        let mut changes = Vec::new();
        hours.write(&[], &[told[2]], &mut changes);
        assert_eq!(hours.hours.values().map(|hour| hour.rows).sum::<u64>(), 2);
    }
}
