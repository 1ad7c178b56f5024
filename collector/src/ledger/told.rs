//! The connections of which one side was told: found by their tuple, forgotten by the hour.

use super::{
    keys,
    met::Met,
    store::{Change, SharedStore, Space, StoreError},
};
use crate::join::{Side, Told};
use jiff::{SignedDuration, Timestamp};
use portolan_proto::Connection;
use std::collections::BTreeMap;

/// How far apart the two sides may say that a connection began.
const APART: SignedDuration = SignedDuration::from_mins(5);

/// How many rows are forgotten in one transaction.
const AT_ONCE: usize = 10_000;

/// Hours of which it is remembered what they have. Views come late, but seldom so late.
const REMEMBERED: usize = 3;

/// The hours in which such connections began.
#[derive(Debug, Default)]
pub(super) struct ToldHours(BTreeMap<i64, Met>);

impl ToldHours {
    /// The hours that an earlier run wrote down.
    pub(super) fn restored(hours: impl IntoIterator<Item = i64>) -> Self {
        Self(hours.into_iter().map(|hour| (hour, Met::Unknown)).collect())
    }

    /// When the last of them may have begun.
    pub(super) fn end(&self) -> Option<Timestamp> {
        self.0.last_key_value().map(|(hour, _)| keys::hour_begin(hour.saturating_add(1)))
    }

    /// Writes down connections told alone, and those whose other side has come since.
    pub(super) fn write(&mut self, told: &[Told], untold: &[Connection], changes: &mut Vec<Change>) {
        for Told { connection, side } in told {
            let hour = keys::hour(connection.start);
            let met = self.0.entry(hour).or_insert_with(|| {
                changes.push(Change::Put(Space::State, keys::told_hour(hour), Vec::new()));
                Met::nothing()
            });
            met.meet(connection);
            let side = vec![u8::from(*side == Side::Destination)];
            changes.push(Change::Put(Space::State, keys::told(connection), side));
        }
        let untold = untold.iter().map(|connection| Change::Delete(Space::State, keys::told(connection)));
        changes.extend(untold);
        self.0.values_mut().rev().skip(REMEMBERED).for_each(|met| *met = Met::Unknown);
    }

    /// Those with this tuple that began at about the same time.
    pub(super) fn find(&self, store: &SharedStore, like: &Connection) -> Result<Vec<Told>, StoreError> {
        let near = |time: Result<Timestamp, _>| keys::hour(time.unwrap_or(like.start));
        let (from, to) = (near(like.start.checked_sub(APART)), near(like.start.checked_add(APART)));
        let mut told = Vec::new();
        for (hour, _) in self.0.range(from..=to).filter(|(_, met)| met.may_have(like)) {
            for row in store.scan(Space::State, &keys::told_like(*hour, like), usize::MAX) {
                let (key, side) = row?;
                let side = if side == [1] { Side::Destination } else { Side::Source };
                let connection = keys::told_start(&key).map(|start| Connection { start, ..*like });
                told.extend(connection.map(|connection| Told { connection, side }));
            }
        }
        Ok(told)
    }

    /// Forgets, bit by bit, those that began longer ago than anybody sends again.
    ///
    /// Age is measured from the newest, or from now where that is earlier.
    pub(super) fn forget(
        &mut self,
        store: &SharedStore,
        resend: SignedDuration,
        now: Timestamp,
    ) -> Result<Vec<Change>, StoreError> {
        let (Some(oldest), Some(end)) = (self.0.first_key_value().map(|(hour, _)| *hour), self.end()) else {
            return Ok(Vec::new());
        };
        let limit = end.min(now).saturating_sub(resend).unwrap_or(Timestamp::MIN);
        if keys::hour_begin(oldest.saturating_add(1)) > limit {
            return Ok(Vec::new());
        }
        let rows: Result<Vec<_>, _> =
            store.scan(Space::State, &keys::told_in(oldest), AT_ONCE).into_iter().collect();
        let mut changes: Vec<_> =
            rows?.into_iter().map(|(key, _)| Change::Delete(Space::State, key)).collect();
        if changes.len() < AT_ONCE {
            self.0.remove(&oldest);
            changes.push(Change::Delete(Space::State, keys::told_hour(oldest)));
        }
        Ok(changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        build::{at, connection, web_to_db},
        ledger::memory::MemoryStore,
    };
    use std::sync::Arc;

    fn told(millis: i64) -> Told {
        let connection = Connection { start: at(millis), ..connection(&web_to_db(), 7) };
        Told { connection, side: Side::Destination }
    }

    #[test]
    fn what_was_told_is_found_until_its_other_side_comes_or_its_hour_is_over() {
        let store: SharedStore = Arc::new(MemoryStore::default());
        let mut hours = ToldHours::default();
        let write = |hours: &mut ToldHours, told: Vec<Told>, untold: Vec<Connection>| {
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
            hours.0.len()
        };
        assert_eq!(forget(at(25 * 3_600_000)), 2, "the newest flow is no day younger");
        write(&mut hours, vec![told(26 * 3_600_000)], vec![far.connection]);
        assert_eq!(hours.find(&store, &later).unwrap(), [near]);
        let changes = hours.forget(&store, day, at(26 * 3_600_000)).unwrap();
        store.commit(changes).unwrap();
        assert_eq!(hours.find(&store, &near.connection).unwrap(), []);
        assert_eq!(hours.0.len(), 2);
    }
}
