//! Which segments are too old or too many. Pure: it chooses, others drop.

use super::catalog::Catalog;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retention {
    /// For how long after they began.
    pub(super) age: SignedDuration,
    /// In how many bytes.
    pub(super) bytes: u64,
}

/// How far an agent's clock may run ahead.
const AHEAD: SignedDuration = SignedDuration::from_mins(10);

/// What retention must know of a segment.
#[derive(Clone, Copy, Debug)]
struct Extent {
    last: Timestamp,
    bytes: u64,
}

impl Retention {
    /// The segments to drop, oldest first; never the `current` one.
    ///
    /// Age is measured from the newest flow, or from now where that is earlier: neither a collector
    /// whose clock runs ahead nor an agent whose clock does takes everything away.
    pub(super) fn too_much(&self, catalog: &Catalog, current: u64, now: Timestamp) -> Vec<u64> {
        let extents = extents(catalog, now);
        let Some(newest) = catalog.blocks.values().map(|facts| facts.last).max() else { return Vec::new() };
        let oldest = newest.min(now).saturating_sub(self.age).unwrap_or(Timestamp::MIN);
        let mut bytes: u64 = extents.values().map(|extent| extent.bytes).sum();
        let mut drop = Vec::new();
        for (segment, extent) in extents {
            if segment < current && (bytes > self.bytes || extent.last < oldest) {
                bytes -= extent.bytes;
                drop.push(segment);
            }
        }
        drop
    }
}

/// Flows from the future say nothing of a segment's age: one with such flows alone is as old as the next.
fn extents(catalog: &Catalog, now: Timestamp) -> BTreeMap<u64, Extent> {
    let future = now.saturating_add(AHEAD).unwrap_or(Timestamp::MAX);
    let mut extents: BTreeMap<u64, Extent> = BTreeMap::new();
    for facts in catalog.blocks.values() {
        let empty = Extent { last: Timestamp::MIN, bytes: 0 };
        let extent = extents.entry(facts.segment).or_insert(empty);
        if facts.last <= future {
            extent.last = extent.last.max(facts.last);
        }
        extent.bytes += u64::from(facts.bytes);
    }
    let mut next = Timestamp::MAX;
    for extent in extents.values_mut().rev() {
        if extent.last == Timestamp::MIN {
            extent.last = next;
        }
        next = extent.last;
    }
    extents
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
            catalog.add(number, facts);
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
            alone.add(number, facts);
        }
        assert_eq!(retention.too_much(&alone, 2, at(2 * HOUR)), [0, 1], "as old as the next");
    }

    #[test]
    fn an_agent_whose_clock_runs_ahead_takes_nothing_away() {
        let mut catalog = catalog();
        let time = at(9000 * HOUR);
        catalog.add(
            6,
            Facts { segment: 2, first: time, last: time, least: 6, greatest: 6, flows: 1, bytes: 10 },
        );
        let retention = Retention { age: SignedDuration::from_hours(3), bytes: 1000 };
        assert_eq!(retention.too_much(&catalog, 2, at(2 * HOUR)), [] as [u64; 0]);
    }
}
