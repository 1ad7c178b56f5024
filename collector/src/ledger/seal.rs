//! From flows of late to blocks, and from blocks to segments.
//!
//! A commit keeps its flows as they are, in a small row of their own. When enough have come together
//! they become blocks, each of flows of one span of time, and the small rows go.

use super::{
    block::{self, Row},
    by_time,
    catalog::{Catalog, Facts, Fresh},
    keys,
    store::{Change, Space},
};
use crate::made::Made;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// The most flows in a block, and of late.
pub(super) const MOST: usize = 2048;

/// Flows of different spans are in different blocks, so that one late agent does not make all of them
/// wide, and queries need few blocks at a time.
const SPAN_SECONDS: i64 = 600;

/// When a block or a segment is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full {
    /// A block with so many flows.
    pub(super) flows: usize,
    /// A segment with so many bytes.
    pub(super) bytes: u64,
    /// A segment that is so old.
    pub(super) age: SignedDuration,
}

/// The segment that blocks go to, and the numbers that are free.
#[derive(Debug)]
pub(super) struct Segments {
    pub(super) full: Full,
    /// The segment that blocks go to.
    pub(super) current: u64,
    /// The bytes in it.
    pub(super) bytes: u64,
    /// The blocks in it.
    pub(super) blocks: u64,
    /// When its first block came, as far as this run knows.
    pub(super) since: Option<Timestamp>,
    /// The next block or row.
    pub(super) next: u64,
}

impl Segments {
    /// Keeps flows that were just made.
    pub(super) fn keep(
        &mut self,
        flows: &[Arc<Made>],
        now: Timestamp,
        catalog: &mut Catalog,
        changes: &mut Vec<Change>,
    ) {
        if flows.is_empty() {
            return;
        }
        catalog.next = catalog.next.max(flows.iter().map(|made| made.ordinal + 1).max().unwrap_or(0));
        changes.push(Change::Put(Space::State, keys::MADE.to_vec(), catalog.next.to_be_bytes().to_vec()));
        if catalog.fresh_len() + flows.len() >= self.full.flows {
            self.seal(flows, now, catalog, changes);
        } else {
            self.note(flows, catalog, changes);
        }
    }

    /// Keeps flows as they are.
    fn note(&mut self, flows: &[Arc<Made>], catalog: &mut Catalog, changes: &mut Vec<Change>) {
        let flows = by_time(flows.to_vec());
        let block = block::encode(&flows.iter().map(Row::from).collect::<Vec<_>>());
        let number = self.number();
        changes.push(Change::Put(Space::State, keys::number(keys::FRESH, number), block));
        Arc::make_mut(&mut catalog.fresh).push(Fresh { number, flows: flows.into() });
    }

    /// Turns everything of late into blocks.
    fn seal(
        &mut self,
        flows: &[Arc<Made>],
        now: Timestamp,
        catalog: &mut Catalog,
        changes: &mut Vec<Change>,
    ) {
        let mut all = Vec::new();
        for Fresh { number, flows } in std::mem::take(&mut catalog.fresh).iter() {
            changes.push(Change::Delete(Space::State, keys::number(keys::FRESH, *number)));
            all.extend_from_slice(flows);
        }
        all.extend_from_slice(flows);
        for span in by_time(all).chunk_by(|one, next| span(one) == span(next)) {
            for flows in span.chunks(self.full.flows) {
                self.add(flows, now, catalog, changes);
            }
        }
    }

    fn add(&mut self, flows: &[Arc<Made>], now: Timestamp, catalog: &mut Catalog, changes: &mut Vec<Change>) {
        self.turn(now);
        let block = block::encode(&flows.iter().map(Row::from).collect::<Vec<_>>());
        let Some(facts) = Facts::of(self.current, flows, block.len()) else { return };
        let (number, space) = (self.number(), Space::Segment(self.current));
        self.bytes += block.len() as u64;
        self.blocks += 1;
        let blocks = self.blocks.to_be_bytes().to_vec();
        changes.push(Change::Put(Space::State, keys::number(keys::SEGMENT, self.current), blocks));
        changes.push(Change::Put(space, keys::number(keys::FACTS, number), facts.encode()));
        changes.push(Change::Put(space, keys::number(keys::BLOCK, number), block));
        catalog.add(number, facts, now);
    }

    /// Begins another segment when this one is full.
    fn turn(&mut self, now: Timestamp) {
        // A clock that jumped back begins anew.
        let since = *self.since.insert(self.since.map_or(now, |since| since.min(now)));
        if self.bytes >= self.full.bytes || now.duration_since(since) >= self.full.age {
            self.current += 1;
            (self.bytes, self.blocks) = (0, 0);
            self.since = Some(now);
        }
    }

    fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }
}

fn span(made: &Made) -> i64 {
    made.flow.time.as_second().div_euclid(SPAN_SECONDS)
}
