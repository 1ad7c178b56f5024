//! Which segments are too old or too many. Pure: it chooses, others drop.

use super::catalog::Catalog;
use jiff::{SignedDuration, Timestamp};

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retention {
    /// For how long after they began.
    pub(super) age: SignedDuration,
    /// In how many bytes.
    pub(super) bytes: u64,
}

impl Retention {
    /// The segments to drop, oldest first; never the `current` one.
    ///
    /// Age is measured from the newest flow, or from now where that is earlier: neither a collector
    /// whose clock runs ahead nor an agent whose clock does takes everything away.
    pub(super) fn too_much(&self, catalog: &Catalog, current: u64, now: Timestamp) -> Vec<u64> {
        let Some(newest) = catalog.segments.values().map(|extent| extent.last).max() else {
            return Vec::new();
        };
        let oldest = newest.min(now).saturating_sub(self.age).unwrap_or(Timestamp::MIN);
        let mut bytes = catalog.bytes;
        let mut drop = Vec::new();
        for ((segment, extent), last) in catalog.segments.iter().zip(lasts(catalog, now)) {
            if *segment < current && (bytes > self.bytes || last < oldest) {
                bytes -= extent.bytes;
                drop.push(*segment);
            }
        }
        drop
    }
}

/// When the last flow of each segment began. Flows from the future say nothing of a segment's age: one with such
/// flows alone is as old as the next.
fn lasts(catalog: &Catalog, now: Timestamp) -> Vec<Timestamp> {
    let mut next = Timestamp::MAX;
    let mut lasts: Vec<_> = catalog
        .segments
        .values()
        .rev()
        .map(|extent| {
            next = extent.last_sound(now).unwrap_or(next);
            next
        })
        .collect();
    lasts.reverse();
    lasts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{build::at, ledger::Facts};

    const HOUR: i64 = 3_600_000;

    /// Three segments of two blocks, an hour apart.
    fn catalog() -> Catalog {
        let mut catalog = Catalog::default();
        for number in 0..6 {
            let time = at(number as i64 / 2 * HOUR);
            let facts = Facts {
                segment: number / 2,
                first: time,
                last: time,
                least: number,
                greatest: number,
                flows: 10,
                bytes: 100,
            };
            catalog.add(number, facts, time);
        }
        catalog
    }

    #[test]
    fn the_oldest_go_first_and_the_current_one_stays() {
        let catalog = catalog();
        let cases: [(&str, i64, u64, i64, &[u64]); 8] = [
            ("nothing is too much", 24, 1000, 2, &[]),
            ("too many bytes by one", 24, 599, 2, &[0]),
            ("twice too many", 24, 399, 2, &[0, 1]),
            ("far too many", 24, 1, 2, &[0, 1]),
            ("an hour and a half", 1, 1000, 2, &[0]),
            ("this very hour", 0, 1000, 2, &[0, 1]),
            ("the collector's clock jumps ahead by a year", 2, 1000, 8760, &[]),
            ("the collector's clock jumps back", 0, 1000, -8760, &[]),
        ];
        for (name, hours, bytes, now, expected) in cases {
            let retention = Retention { age: SignedDuration::from_mins(hours * 60 + 30), bytes };
            let now = at(now * HOUR);
            assert_eq!(retention.too_much(&catalog, 2, now), expected, "{name}");
        }
    }

    #[test]
    fn flows_from_the_future_keep_no_segment_beyond_its_time() {
        let mut catalog = catalog();
        let time = at(9000 * HOUR);
        for (number, segment) in [(6, 0), (7, 1)] {
            catalog.add(
                number,
                Facts { segment, first: time, last: time, least: 6, greatest: 6, flows: 1, bytes: 10 },
                at(2 * HOUR),
            );
        }
        let retention = Retention { age: SignedDuration::from_mins(90), bytes: 1000 };
        assert_eq!(retention.too_much(&catalog, 2, at(2 * HOUR)), [0]);
        let mut alone = Catalog::default();
        for (number, time) in [(0, time), (1, at(0)), (2, at(2 * HOUR))] {
            let facts = Facts {
                segment: number,
                first: time,
                last: time,
                least: 0,
                greatest: 0,
                flows: 1,
                bytes: 10,
            };
            alone.add(number, facts, at(2 * HOUR));
        }
        assert_eq!(retention.too_much(&alone, 2, at(2 * HOUR)), [0, 1], "as old as the next");
        assert_eq!(retention.too_much(&alone, 2, at(9001 * HOUR)), [1], "until that time has come");
    }

    #[test]
    fn an_agent_whose_clock_runs_ahead_takes_nothing_away() {
        let mut catalog = catalog();
        let time = at(9000 * HOUR);
        catalog.add(
            6,
            Facts { segment: 2, first: time, last: time, least: 6, greatest: 6, flows: 1, bytes: 10 },
            at(2 * HOUR),
        );
        let retention = Retention { age: SignedDuration::from_hours(3), bytes: 1000 };
        assert_eq!(retention.too_much(&catalog, 2, at(2 * HOUR)), [] as [u64; 0]);
    }

    #[test]
    fn what_is_forgotten_leaves_nothing_behind_and_takes_nothing_else() {
        let mut catalog = catalog();
        assert_eq!((catalog.forget(1), catalog.forget(1)), (20, 0));
        assert_eq!((catalog.flows, catalog.bytes, catalog.segments.len()), (40, 400, 2));
        assert_eq!(catalog.blocks.keys().copied().collect::<Vec<_>>(), [0, 1, 4, 5]);
    }
}
