//! What flows brought since the last checkpoint, by minute.

use super::{log::Place, sum::Sum, sums::Sums};
use foldhash::fast::RandomState;
use std::collections::{BTreeMap, HashMap};

/// Sums by minute and cell.
#[derive(Debug, Default)]
pub(super) struct Open {
    minutes: BTreeMap<u32, HashMap<Place, Sum, RandomState>>,
    flows: u64,
}

impl Open {
    pub(super) const fn is_empty(&self) -> bool {
        self.flows == 0
    }

    /// How many flows it holds.
    pub(super) const fn flows(&self) -> u64 {
        self.flows
    }

    /// The sum that a flow is added to.
    pub(super) fn of(&mut self, minute: u32, cell: Place) -> &mut Sum {
        self.flows += 1;
        self.minutes.entry(minute).or_default().entry(cell).or_default()
    }

    /// Every minute with its cells, in no order.
    pub(super) fn minutes(&self) -> impl Iterator<Item = (u32, impl Iterator<Item = (Place, &Sum)>)> {
        self.minutes.iter().map(|(minute, cells)| (*minute, cells.iter().map(|(cell, sum)| (*cell, sum))))
    }

    /// Adds the minutes of a span to sums.
    pub(super) fn add_to(&self, from: u32, until: u32, sums: &mut Sums) {
        for (cell, sum) in self.minutes.range(from..until).flat_map(|(_, cells)| cells) {
            sums.add(*cell, sum);
        }
    }
}
