//! Kept flows in the order they began, out of many blocks, with few of them in memory.
//!
//! Blocks are ordered by the time of their first flow; one is opened when the merge has come so far.
//! A block that waits for long, because its next flow is far away, may be let go of and read again.

use crate::{
    ledger::{Catalog, Facts, Fresh, Shelf},
    made::Made,
    subscribe::Wanted,
};
use jiff::Timestamp;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    ops::ControlFlow,
    sync::Arc,
};

/// Blocks that are in memory at a time.
const OPEN: usize = 32;

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
}

/// Flows that several hold.
type Flows = Arc<[Arc<Made>]>;

/// The place of a flow in the order of all: the greater, the later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    time: Timestamp,
    /// The number of its block.
    number: u64,
    /// Its place among the wanted flows of the block.
    index: usize,
}

impl Query {
    /// Gives every wanted flow in the order they began, until there are no more or no more are taken.
    pub(crate) fn run(self, mut take: impl FnMut(Arc<Made>) -> ControlFlow<()>) {
        let Some(from) = self.first() else { return };
        let mut merge = Merge::new(&self, Direction::Forward);
        while let Some((place, flow)) = merge.next() {
            if place >= from && take(flow).is_break() {
                break;
            }
        }
    }

    /// The place of the first flow that is given; None where none is.
    fn first(&self) -> Option<Place> {
        let beginning = Place { time: Timestamp::MIN, number: 0, index: 0 };
        let Some(last) = self.last else { return Some(beginning) };
        let mut merge = Merge::new(self, Direction::Backward);
        let mut first = None;
        for _ in 0..last {
            match merge.next() {
                Some((place, _)) => first = Some(place),
                None => break,
            }
        }
        first
    }

    /// Whether a block with flows between these times may hold a wanted one.
    fn concerns(&self, first: Timestamp, last: Timestamp) -> bool {
        self.wanted.since.is_none_or(|since| last >= since)
            && self.wanted.until.is_none_or(|until| first < until)
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
    Fresh(Flows),
}

/// A block that has not been reached yet.
#[derive(Debug)]
struct Closed {
    /// The time at its near end.
    edge: Timestamp,
    number: u64,
    source: Source,
}

/// Flows of many blocks become one row.
struct Merge<'query> {
    query: &'query Query,
    direction: Direction,
    /// The nearest at the back.
    closed: Vec<Closed>,
    /// The next flow of each block that has been reached, the nearest on top.
    next: BinaryHeap<Near>,
    /// Where the reached blocks are.
    sources: BTreeMap<u64, Source>,
    /// The wanted flows of some of them.
    open: Opened,
}

/// A place, the nearest being the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Near {
    Forward(Reverse<Place>),
    Backward(Place),
}

impl Near {
    fn place(self) -> Place {
        match self {
            Self::Forward(Reverse(place)) | Self::Backward(place) => place,
        }
    }
}

impl<'query> Merge<'query> {
    fn new(query: &'query Query, direction: Direction) -> Self {
        let edge = |first, last| match direction {
            Direction::Forward => first,
            Direction::Backward => last,
        };
        let blocks = query.kept.blocks.iter().filter(|(_, facts)| query.concerns(facts.first, facts.last));
        let blocks = blocks.map(|(number, facts)| {
            let Facts { segment, first, last, .. } = *facts;
            Closed { edge: edge(first, last), number: *number, source: Source::Block { segment } }
        });
        let fresh = query.kept.fresh.iter().filter_map(|Fresh { number, flows }| {
            let (first, last) = (flows.first()?.flow.time, flows.last()?.flow.time);
            let source = Source::Fresh(Arc::clone(flows));
            let closed = Closed { edge: edge(first, last), number: *number, source };
            query.concerns(first, last).then_some(closed)
        });
        let mut closed: Vec<_> = blocks.chain(fresh).collect();
        match direction {
            Direction::Forward => closed.sort_by_key(|closed| Reverse((closed.edge, closed.number))),
            Direction::Backward => closed.sort_by_key(|closed| (closed.edge, closed.number)),
        }
        let (next, sources, open) = (BinaryHeap::new(), BTreeMap::new(), Opened::default());
        Self { query, direction, closed, next, sources, open }
    }

    /// The next flow and its place.
    fn next(&mut self) -> Option<(Place, Arc<Made>)> {
        let (place, flows, flow) = loop {
            while self.reaches_next() {
                self.reach();
            }
            let place = self.next.pop()?.place();
            let flows = self.flows(place.number);
            match flows.get(place.index).map(Arc::clone) {
                Some(flow) => break (place, flows, flow),
                // Its segment was dropped meanwhile: the others go on.
                None => self.close(place.number),
            }
        };
        let index = match self.direction {
            Direction::Forward => Some(place.index + 1),
            Direction::Backward => place.index.checked_sub(1),
        };
        match index.and_then(|index| Some((index, flows.get(index)?))) {
            Some((index, flow)) => self.push(place.number, index, flow.flow.time),
            None => self.close(place.number),
        }
        Some((place, flow))
    }

    /// Whether the nearest closed block may hold a flow that is nearer than all that are known.
    fn reaches_next(&self) -> bool {
        let Some(closed) = self.closed.last() else { return false };
        self.next.peek().is_none_or(|near| match self.direction {
            Direction::Forward => closed.edge <= near.place().time,
            Direction::Backward => closed.edge >= near.place().time,
        })
    }

    fn reach(&mut self) {
        let Some(Closed { edge: _, number, source }) = self.closed.pop() else { return };
        self.sources.insert(number, source);
        let flows = self.flows(number);
        let index = match self.direction {
            Direction::Forward => 0,
            Direction::Backward => flows.len().saturating_sub(1),
        };
        match flows.get(index) {
            Some(flow) => self.push(number, index, flow.flow.time),
            None => self.close(number),
        }
    }

    fn push(&mut self, number: u64, index: usize, time: Timestamp) {
        let place = Place { time, number, index };
        self.next.push(match self.direction {
            Direction::Forward => Near::Forward(Reverse(place)),
            Direction::Backward => Near::Backward(place),
        });
    }

    fn close(&mut self, number: u64) {
        self.sources.remove(&number);
        self.open.close(number);
    }

    /// The wanted flows of a block that was reached.
    fn flows(&mut self, number: u64) -> Flows {
        if let Some(flows) = self.open.find(number) {
            return flows;
        }
        let wanted = &self.query.wanted;
        let flows: Flows = match self.sources.get(&number) {
            Some(Source::Block { segment }) => {
                let flows = self.query.shelf.block(*segment, number);
                flows.into_iter().filter(|made| wanted.matches(&made.flow)).map(Arc::new).collect()
            }
            Some(Source::Fresh(flows)) => {
                flows.iter().filter(|made| wanted.matches(&made.flow)).cloned().collect()
            }
            None => Arc::new([]),
        };
        self.open.open(number, Arc::clone(&flows));
        flows
    }
}

/// The blocks in memory, each with the time of its last use.
#[derive(Debug, Default)]
struct Opened {
    blocks: BTreeMap<u64, (u64, Flows)>,
    uses: u64,
}

impl Opened {
    fn find(&mut self, number: u64) -> Option<Flows> {
        self.uses += 1;
        let (used, flows) = self.blocks.get_mut(&number)?;
        *used = self.uses;
        Some(Arc::clone(flows))
    }

    fn open(&mut self, number: u64, flows: Flows) {
        if self.blocks.len() >= OPEN {
            let oldest = self.blocks.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(oldest) = oldest.map(|(number, _)| *number) {
                self.blocks.remove(&oldest);
            }
        }
        self.uses += 1;
        self.blocks.insert(number, (self.uses, flows));
    }

    fn close(&mut self, number: u64) {
        self.blocks.remove(&number);
    }
}
