//! What a query must know of each block to leave it out, and which segments there are.

use super::extent::Extent;
use crate::made::Made;
use imbl::OrdMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What is known of a block without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The segment that it is in.
    pub(crate) segment: u64,
    /// When its first flow began.
    pub(crate) first: Timestamp,
    /// When its last flow began.
    pub(crate) last: Timestamp,
    /// The least ordinal in it.
    pub(crate) least: u64,
    /// The greatest ordinal in it.
    pub(crate) greatest: u64,
    /// How many flows it holds.
    pub(crate) flows: u32,
    /// How many bytes it takes.
    pub(crate) bytes: u32,
}

/// The form of facts on disk.
#[derive(Serialize, Deserialize)]
struct FactsRow(i128, i128, u64, u64, u32, u32);

impl Facts {
    /// Of a block with these flows, which are ordered by time; None of no flows.
    pub(super) fn of(segment: u64, flows: &[Arc<Made>], bytes: usize) -> Option<Self> {
        let (first, last) = (flows.first()?.flow.time, flows.last()?.flow.time);
        let ordinals = || flows.iter().map(|made| made.ordinal);
        let (least, greatest) = (ordinals().min()?, ordinals().max()?);
        Some(Self { segment, first, last, least, greatest, flows: flows.len() as u32, bytes: bytes as u32 })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let Self { segment: _, first, last, least, greatest, flows, bytes } = *self;
        let row = FactsRow(first.as_nanosecond(), last.as_nanosecond(), least, greatest, flows, bytes);
        postcard::to_stdvec(&row).expect("numbers always have a form")
    }

    pub(super) fn decode(segment: u64, bytes: &[u8]) -> Option<Self> {
        let FactsRow(first, last, least, greatest, flows, bytes) = postcard::from_bytes(bytes).ok()?;
        let (first, last) = (Timestamp::from_nanosecond(first).ok()?, Timestamp::from_nanosecond(last).ok()?);
        Some(Self { segment, first, last, least, greatest, flows, bytes })
    }
}

/// Flows that no block holds yet, in the order of their time.
#[derive(Clone, Debug)]
pub(crate) struct Fresh {
    /// Sorts with the numbers of blocks.
    pub(crate) number: u64,
    /// The flows.
    pub(crate) flows: Arc<[Arc<Made>]>,
}

/// Everything that is kept. A copy is cheap and stays as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalog {
    /// The blocks by number.
    pub(crate) blocks: OrdMap<u64, Facts>,
    /// The segments that they are in.
    pub(crate) segments: OrdMap<u64, Extent>,
    /// What no block holds yet, oldest first.
    pub(crate) fresh: Arc<Vec<Fresh>>,
    /// How many flows the blocks hold.
    pub(crate) flows: u64,
    /// How many bytes the blocks take.
    pub(crate) bytes: u64,
    /// How many flows were ever made: the ordinal of the next.
    pub(crate) next: u64,
}

impl Catalog {
    /// Adds a block, now.
    pub(super) fn add(&mut self, number: u64, facts: Facts, now: Timestamp) {
        let block = Extent::of(number, &facts, now);
        self.flows += block.flows;
        self.bytes += block.bytes;
        let known = self.segments.get(&facts.segment);
        self.segments.insert(facts.segment, known.map_or(block, |known| known.with(block)));
        self.blocks.insert(number, facts);
    }

    /// Forgets the blocks of a segment, and says how many flows they held.
    pub(super) fn forget(&mut self, segment: u64) -> u64 {
        let Some(Extent { numbers: (first, last), flows, bytes, .. }) = self.segments.remove(&segment) else {
            return 0;
        };
        let numbers = self.blocks.range(first..=last).filter(|(_, facts)| facts.segment == segment);
        for number in numbers.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.blocks.remove(&number);
        }
        self.flows -= flows;
        self.bytes -= bytes;
        flows
    }

    /// How many flows there are.
    pub(crate) fn len(&self) -> u64 {
        self.flows + self.fresh_len() as u64
    }

    /// How many flows no block holds yet.
    pub(super) fn fresh_len(&self) -> usize {
        self.fresh.iter().map(|fresh| fresh.flows.len()).sum()
    }
}
