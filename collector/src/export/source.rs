//! Flows from the ledger.

use super::exporter::{Source, Step};
use crate::ledger::{self, Catalog, Shelf, StoreError, Tail};
use std::sync::Arc;

/// The ledger, and the place up to which it was read.
#[derive(Debug)]
pub(super) struct LedgerSource {
    shelf: Arc<Shelf>,
    store: String,
    tail: Tail,
}

impl LedgerSource {
    /// At the oldest flow.
    pub(super) fn new(shelf: Arc<Shelf>) -> Self {
        let kept = shelf.catalog();
        let tail = Tail::new(Arc::clone(&shelf), &kept, oldest(&kept));
        Self { store: shelf.name().to_string(), shelf, tail }
    }
}

impl Source for LedgerSource {
    fn store(&self) -> &str {
        &self.store
    }

    fn oldest(&self) -> u64 {
        oldest(&self.shelf.catalog())
    }

    fn end(&self) -> u64 {
        self.shelf.catalog().next
    }

    fn seek(&mut self, ordinal: u64) {
        self.tail = Tail::new(Arc::clone(&self.shelf), &self.shelf.catalog(), ordinal);
    }

    fn next(&mut self) -> Result<Option<Step>, StoreError> {
        let mut step = self.tail.next()?;
        if step.is_none() {
            self.tail.go_on();
            step = self.tail.next()?;
        }
        Ok(step.map(|step| match step {
            ledger::Step::Made(made) => Step::Flow(Box::new(Arc::unwrap_or_clone(made).flow)),
            ledger::Step::Gone(count) => Step::Gone(count),
        }))
    }
}

/// The ordinal of the oldest flow, or else of the next one.
fn oldest(kept: &Catalog) -> u64 {
    let blocks = kept.segments.values().map(|extent| extent.least);
    let fresh = kept.fresh.iter().flat_map(|fresh| fresh.flows.iter()).map(|made| made.ordinal);
    blocks.chain(fresh).min().unwrap_or(kept.next)
}
