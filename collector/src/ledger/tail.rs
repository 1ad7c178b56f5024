//! Kept flows in the order in which they were made, from any of them on: for who must miss none and take
//! none twice.
//!
//! Blocks are opened in the order of their least ordinal. Those that were sealed together overlap, others do not,
//! so few are in memory at a time.

use super::{
    catalog::{Catalog, Facts, Fresh},
    shelf::Shelf,
    store::StoreError,
};
use crate::made::Made;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A flow.
    Made(Arc<Made>),
    /// So many flows are kept no more: retention or damage took them.
    Gone(u64),
}

/// Flows that are not in memory yet, or need no reading.
#[derive(Debug)]
struct Closed {
    least: u64,
    number: u64,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Block { segment: u64 },
    Fresh(Arc<[Arc<Made>]>),
}

/// A reader, with its place.
#[derive(Debug)]
pub(crate) struct Tail {
    shelf: Arc<Shelf>,
    /// The ordinal of the next flow.
    next: u64,
    /// The ordinal after the last one.
    end: u64,
    /// The number after that of the last block or row it knows.
    known: u64,
    /// The nearest at the back.
    closed: Vec<Closed>,
    /// By the ordinal of their first flow, and their number.
    open: BTreeMap<(u64, u64), VecDeque<Arc<Made>>>,
}

impl Tail {
    /// Reads what was kept at some moment, from the flow with the ordinal `from` on.
    pub(crate) fn new(shelf: Arc<Shelf>, kept: &Catalog, from: u64) -> Self {
        let mut tail =
            Self { shelf, next: from, end: from, known: 0, closed: Vec::new(), open: BTreeMap::new() };
        tail.take_in(kept);
        tail
    }

    /// Has also what was kept since. To be called where [`Self::next`] came to its end.
    pub(crate) fn go_on(&mut self) {
        let kept = self.shelf.catalog();
        self.take_in(&kept);
    }

    /// The ordinal of the next flow.
    pub(crate) fn position(&self) -> u64 {
        self.next
    }

    /// The next flow, or how many are missing before it. None at the end of what was kept. After an error it may be
    /// asked again, and leaves nothing out.
    pub(crate) fn next(&mut self) -> Result<Option<Step>, StoreError> {
        loop {
            self.open_reached()?;
            let nearest = self.open.first_entry().filter(|entry| entry.key().0 < self.end);
            let Some(nearest) = nearest else { return Ok(self.skip_to(self.end)) };
            let (ordinal, number) = *nearest.key();
            if ordinal > self.next {
                return Ok(self.skip_to(ordinal));
            }
            let mut flows = nearest.remove();
            let made = flows.pop_front();
            self.put_back(number, flows);
            if let Some(made) = made.filter(|made| made.ordinal == self.next) {
                self.next += 1;
                return Ok(Some(Step::Made(made)));
            }
        }
    }

    /// Leaves out what is not there.
    fn skip_to(&mut self, ordinal: u64) -> Option<Step> {
        let gone = ordinal.saturating_sub(self.next);
        self.next += gone;
        (gone > 0).then_some(Step::Gone(gone))
    }

    /// Has also what is kept here, which was later.
    pub(crate) fn take_in(&mut self, kept: &Catalog) {
        let blocks = kept.blocks.range(self.known..).filter(|(_, facts)| facts.greatest >= self.next);
        let blocks = blocks.map(|(number, facts)| {
            let Facts { segment, least, .. } = *facts;
            Closed { least, number: *number, source: Source::Block { segment } }
        });
        let fresh = kept.fresh.iter().filter(|fresh| fresh.number >= self.known);
        let fresh = fresh.filter_map(|Fresh { number, flows }| {
            let least = flows.iter().map(|made| made.ordinal).min()?;
            Some(Closed { least, number: *number, source: Source::Fresh(Arc::clone(flows)) })
        });
        let new: Vec<_> = blocks.chain(fresh).collect();
        let last = new.iter().map(|closed| closed.number).max();
        self.known = last.map_or(self.known, |last| last + 1);
        self.closed.extend(new);
        self.closed.sort_by_key(|closed| Reverse((closed.least, closed.number)));
        self.end = self.end.max(kept.next);
    }

    /// Opens every block that may hold a flow that is nearer than all that are known.
    fn open_reached(&mut self) -> Result<(), StoreError> {
        let nearest =
            |open: &BTreeMap<(u64, u64), _>| open.first_key_value().map(|((ordinal, _), _)| *ordinal);
        while let Some(closed) =
            self.closed.pop_if(|closed| nearest(&self.open).is_none_or(|ordinal| closed.least <= ordinal))
        {
            let mut flows = match &closed.source {
                Source::Block { segment } => match self.shelf.block(*segment, closed.number) {
                    Ok(flows) => flows.into_iter().map(Arc::new).collect(),
                    Err(error) => {
                        self.closed.push(closed);
                        return Err(error);
                    }
                },
                Source::Fresh(flows) => flows.to_vec(),
            };
            flows.retain(|made| made.ordinal >= self.next);
            flows.sort_unstable_by_key(|made| made.ordinal);
            self.put_back(closed.number, flows.into());
        }
        Ok(())
    }

    fn put_back(&mut self, number: u64, flows: VecDeque<Arc<Made>>) {
        if let Some(first) = flows.front() {
            self.open.insert((first.ordinal, number), flows);
        }
    }
}
