//! Kept flows in the order they began, out of many blocks, with few of them in memory.
//!
//! Blocks are ordered by the time of their first flow; one is opened when the merge has come so far. Where many
//! overlap, each has a part in memory, the smaller the more there are, and is read again when that is used up.

use crate::{
    ledger::{Catalog, Facts, Fresh, Shelf, StoreError},
    made::Made,
    subscribe::Wanted,
};
use jiff::Timestamp;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
    ops::ControlFlow,
    sync::Arc,
};

/// Flows that are in memory at a time, about.
const HELD: usize = 65_536;

/// So many that began last are gathered on the way back; for more, what was found is read again.
const GATHERED: u64 = 32_768;

/// The least part of a block that is worth reading it.
const LEAST: usize = 64;

/// The flows that somebody asked for.
#[derive(Debug)]
pub(crate) struct Query {
    /// Where blocks are.
    pub(crate) shelf: Arc<Shelf>,
    /// What was kept when it was asked.
    pub(crate) kept: Catalog,
    /// Which flows.
    pub(crate) wanted: Wanted,
    /// At most so many, those that began last.
    pub(crate) last: Option<u64>,
    /// Only those made before this ordinal.
    pub(crate) before: u64,
    /// Only those that come after this place.
    pub(crate) after: Option<Place>,
}

/// The place of a flow in the order of all: the greater, the later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// When it began.
    pub(crate) time: Timestamp,
    /// When it was made, among those that began at the same time.
    pub(crate) ordinal: u64,
}

impl Place {
    /// The place of this flow.
    pub(crate) fn of(made: &Made) -> Self {
        Self { time: made.flow.time, ordinal: made.ordinal }
    }
}

/// What was found on the way back.
enum Back {
    /// All flows that were looked for, the last first.
    All(Vec<Arc<Made>>),
    /// There are too many to hold; this is where they begin.
    First(Place),
}

/// Gives flows until no more are taken.
fn give(flows: impl Iterator<Item = Arc<Made>>, take: &mut impl FnMut(Arc<Made>) -> ControlFlow<()>) {
    for made in flows {
        if take(made).is_break() {
            break;
        }
    }
}

impl Query {
    /// Gives every wanted flow in the order they began, until there are no more or no more are taken. Before flows that
    /// cannot be read now it ends with an error.
    pub(crate) fn run(
        mut self,
        mut take: impl FnMut(Arc<Made>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        if let Some(last) = self.last {
            let first = match self.back(last)? {
                Back::All(flows) => {
                    give(flows.into_iter().rev(), &mut take);
                    return Ok(());
                }
                Back::First(first) => first,
            };
            // What lies before it need not be looked at again.
            self.wanted.since = self.wanted.since.max(Some(first.time));
            self.after =
                self.after.max(first.ordinal.checked_sub(1).map(|ordinal| Place { ordinal, ..first }));
        }
        let mut merge = Merge::new(&self, Direction::Forward);
        while let Some(made) = merge.next()? {
            if take(made).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Goes back over so many flows that began last.
    fn back(&self, last: u64) -> Result<Back, StoreError> {
        let mut merge = Merge::new(self, Direction::Backward);
        let mut flows = Vec::new();
        while (flows.len() as u64) < last.min(GATHERED) {
            match merge.next()? {
                Some(made) => flows.push(made),
                None => return Ok(Back::All(flows)),
            }
        }
        let Some(furthest) = flows.last().filter(|_| last > GATHERED) else { return Ok(Back::All(flows)) };
        let mut first = Place::of(furthest);
        drop(flows);
        for _ in GATHERED..last {
            match merge.next()? {
                Some(made) => first = Place::of(&made),
                None => break,
            }
        }
        Ok(Back::First(first))
    }

    /// Whether a block with flows between these times, the first made of which has this ordinal, may hold a
    /// wanted one.
    fn concerns(&self, first: Timestamp, last: Timestamp, least: u64) -> bool {
        least < self.before
            && self.after.is_none_or(|after| last >= after.time)
            && self.wanted.since.is_none_or(|since| last >= since)
            && self.wanted.until.is_none_or(|until| first < until)
    }

    /// Whether a flow of this place may be wanted, whatever it is.
    fn may_want(&self, place: Place) -> bool {
        place.ordinal < self.before
            && self.after.is_none_or(|after| place > after)
            && self.wanted.may_match(place.time)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

/// Where the flows of a number are.
#[derive(Clone, Debug)]
enum Source {
    Block { segment: u64 },
    Fresh(Arc<[Arc<Made>]>),
}

/// A block that has not been reached yet.
#[derive(Debug)]
struct Closed {
    /// The time at its near end.
    edge: Timestamp,
    number: u64,
    source: Source,
}

/// A block that has been reached.
#[derive(Debug)]
struct Reached {
    source: Source,
    /// Its next wanted flows, the nearest first.
    flows: VecDeque<Arc<Made>>,
    /// Whether there are more behind them.
    more: bool,
}

/// Flows of many blocks become one row.
struct Merge<'query> {
    query: &'query Query,
    direction: Direction,
    /// The nearest at the back.
    closed: Vec<Closed>,
    /// The next flow of each block that has been reached, the nearest on top.
    next: BinaryHeap<Near>,
    /// The reached blocks by their number.
    reached: BTreeMap<u64, Reached>,
}

/// A flow and the number of its block, the nearest being the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Near {
    Forward(Reverse<(Place, u64)>),
    Backward((Place, u64)),
}

impl Near {
    fn spot(self) -> (Place, u64) {
        match self {
            Self::Forward(Reverse(spot)) | Self::Backward(spot) => spot,
        }
    }
}

impl<'query> Merge<'query> {
    fn new(query: &'query Query, direction: Direction) -> Self {
        let edge = |first, last| match direction {
            Direction::Forward => first,
            Direction::Backward => last,
        };
        let blocks = query.kept.blocks.iter();
        let blocks = blocks.filter(|(_, facts)| query.concerns(facts.first, facts.last, facts.least));
        let blocks = blocks.map(|(number, facts)| {
            let Facts { segment, first, last, .. } = *facts;
            Closed { edge: edge(first, last), number: *number, source: Source::Block { segment } }
        });
        let fresh = query.kept.fresh.iter().filter_map(|Fresh { number, flows }| {
            let (first, last) = (flows.first()?.flow.time, flows.last()?.flow.time);
            let source = Source::Fresh(Arc::clone(flows));
            let closed = Closed { edge: edge(first, last), number: *number, source };
            query.concerns(first, last, 0).then_some(closed)
        });
        let mut closed: Vec<_> = blocks.chain(fresh).collect();
        match direction {
            Direction::Forward => closed.sort_by_key(|closed| Reverse((closed.edge, closed.number))),
            Direction::Backward => closed.sort_by_key(|closed| (closed.edge, closed.number)),
        }
        Self { query, direction, closed, next: BinaryHeap::new(), reached: BTreeMap::new() }
    }

    /// The next flow.
    fn next(&mut self) -> Result<Option<Arc<Made>>, StoreError> {
        loop {
            while self.reaches_next() {
                self.reach()?;
            }
            let Some(near) = self.next.pop() else { return Ok(None) };
            let (place, number) = near.spot();
            let Some(mut block) = self.reached.remove(&number) else { continue };
            let made = block.flows.pop_front();
            if block.flows.is_empty() && block.more {
                self.read(number, &mut block, Some(place))?;
            }
            self.put(number, block);
            if made.is_some() {
                return Ok(made);
            }
        }
    }

    /// Whether the nearest closed block may hold a flow that is nearer than all that are known.
    fn reaches_next(&self) -> bool {
        let Some(closed) = self.closed.last() else { return false };
        self.next.peek().is_none_or(|near| match self.direction {
            Direction::Forward => closed.edge <= near.spot().0.time,
            Direction::Backward => closed.edge >= near.spot().0.time,
        })
    }

    fn reach(&mut self) -> Result<(), StoreError> {
        let Some(Closed { edge: _, number, source }) = self.closed.pop() else { return Ok(()) };
        let mut block = Reached { source, flows: VecDeque::new(), more: false };
        self.read(number, &mut block, None)?;
        self.put(number, block);
        Ok(())
    }

    /// Keeps a block for its next flow; one that has none is let go of.
    fn put(&mut self, number: u64, block: Reached) {
        let Some(first) = block.flows.front() else { return };
        let spot = (Place::of(first), number);
        self.next.push(match self.direction {
            Direction::Forward => Near::Forward(Reverse(spot)),
            Direction::Backward => Near::Backward(spot),
        });
        self.reached.insert(number, block);
    }

    /// Reads the wanted flows of a block that come behind a place: as many as are its part.
    fn read(&self, number: u64, block: &mut Reached, behind: Option<Place>) -> Result<(), StoreError> {
        let direction = self.direction;
        let is_behind = |place: Place| {
            behind.is_none_or(|behind| match direction {
                Direction::Forward => place > behind,
                Direction::Backward => place < behind,
            })
        };
        let may_be = |place: Place| is_behind(place) && self.query.may_want(place);
        let Query { shelf, wanted: Wanted { filters, .. }, .. } = self.query;
        let mut flows: VecDeque<Arc<Made>> = match &block.source {
            Source::Block { segment } => {
                let may_be = |time, ordinal| may_be(Place { time, ordinal });
                shelf.pick(*segment, number, filters, may_be)?.into_iter().map(Arc::new).collect()
            }
            Source::Fresh(flows) => {
                let wants = |made: &Made| may_be(Place::of(made)) && filters.matches(&made.flow);
                flows.iter().filter(|made| wants(made)).cloned().collect()
            }
        };
        if direction == Direction::Backward {
            flows.make_contiguous().reverse();
        }
        let part = (HELD / (self.reached.len() + 1)).max(LEAST);
        block.more = flows.len() > part;
        flows.truncate(part);
        // What was cut off needs no room.
        flows.shrink_to_fit();
        block.flows = flows;
        Ok(())
    }
}
