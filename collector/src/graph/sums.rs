//! The sums of many cells beside each other, by their place.

use super::{
    log::Place,
    pile::{Part, Pile},
    sum::{Figures, Sum},
};

/// Figures by cell, and all latencies.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    figures: Vec<Figures>,
    latencies: Pile,
}

impl Sums {
    /// With room for so many cells.
    pub(super) fn of(cells: usize) -> Self {
        Self { figures: vec![Figures::default(); cells], ..Self::default() }
    }

    /// The figures of a cell. The caller has looked that there may be such a cell.
    pub(super) fn figures(&mut self, cell: Place) -> &mut Figures {
        let cell = cell as usize;
        if self.figures.len() <= cell {
            self.figures.resize(cell + 1, Figures::default());
        }
        &mut self.figures[cell]
    }

    /// Adds latencies of many cells.
    pub(super) fn latencies(&mut self, part: Part) {
        self.latencies.take(part);
    }

    /// Adds to a cell.
    pub(super) fn add(&mut self, cell: Place, Sum { figures, latencies }: &Sum) {
        self.figures(cell).add(figures);
        self.latencies.push(cell, latencies);
    }

    /// Takes others in.
    pub(super) fn absorb(&mut self, others: Self) {
        for (figures, cell) in others.figures.iter().zip(0..) {
            self.figures(cell).add(figures);
        }
        self.latencies.absorb(others.latencies);
    }

    /// Takes others in, whose cells have these places here.
    pub(super) fn absorb_at(&mut self, mut others: Self, places: &[Place]) {
        let some = others.figures.iter().zip(places).filter(|(figures, _)| !figures.is_empty());
        for (figures, place) in some {
            self.figures(*place).add(figures);
        }
        others.latencies.relocate(places);
        self.latencies.absorb(others.latencies);
    }

    /// The sums of the cells that had a flow, in order.
    pub(super) fn into_some(self) -> Vec<(Place, Sum)> {
        let latencies = self.latencies.of_owners(self.figures.len(), |cell| Some(cell as usize));
        let some = self.figures.into_iter().enumerate().filter(|(_, figures)| !figures.is_empty());
        let sum = |(cell, figures)| (cell as Place, Sum { figures, latencies: latencies.of(cell) });
        some.map(sum).collect()
    }

    pub(super) fn into_parts(self) -> (Vec<Figures>, Pile) {
        (self.figures, self.latencies)
    }
}
