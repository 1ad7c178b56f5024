//! The graph: who talks to whom at workload level, in buckets of time.
//!
//! ```text
//! flows ──► open: minute × cell ──► checkpoint: a chunk for each minute, new words, "all flows before N"
//!                                      │ roll-up: hours out of minutes, days out of hours
//!                                      ▼
//!           ask: days, hours, minutes, and what is open ──► answer: edges
//! ```
//!
//! Flows are durable before they come here. A checkpoint writes what they brought, and which flow it went up
//! to, in one transaction: after a kill the flows from there on are taken from the ledger again.
//!
//! A *cell* is an edge with one outcome, one verdict and one decision on each side. Cells have small numbers,
//! anew on each day (*words*), so that adding up many buckets looks nothing up. Chunks are only ever added: a
//! bucket is the sum of its chunks, whenever they came.

mod addition;
pub(crate) mod answer;
mod ask;
mod chunk;
mod columns;
mod counters;
mod dictionary;
mod keeper;
pub(crate) mod latencies;
mod level;
mod log;
mod merging;
mod met;
mod open;
mod pile;
mod reader;
mod relation;
mod retention;
mod rolling;
mod shared;
mod state;
mod sum;
mod sums;
mod survey;
mod table;
#[cfg(test)]
mod tests;
mod window;
mod words;
mod writing;

pub(crate) use counters::Counters;
pub(crate) use dictionary::Bounds;
pub(crate) use keeper::Keeper;
pub(crate) use retention::Keep;
pub(crate) use sum::Figures;
pub(crate) use survey::{Scope, Seen, Survey};
#[cfg(test)]
pub(crate) use tests::{bounded_survey, survey};

use crate::{config::Config, ledger::SharedStore, made::Made};
use jiff::{SignedDuration, Timestamp};
use reader::Reader;
use shared::Shared;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What an operator may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// How many cells and addresses a day may have.
    pub(crate) bounds: Bounds,
    /// How much is kept.
    pub(crate) keep: Keep,
    /// How long ago a flow may have ended for its time to be believed: no agent sends what is older.
    pub(crate) past: SignedDuration,
}

impl Settings {
    /// The age beyond which no connection that ends now may have begun: a day's bucket of then is kept no more.
    fn oldest_start(&self) -> SignedDuration {
        SignedDuration::try_from(self.keep.days).unwrap_or(SignedDuration::MAX).max(self.past)
    }
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Self {
            bounds: Bounds { addresses: config.max_graph_addresses, cells: config.max_graph_cells },
            keep: Keep {
                minutes: config.keep_minutes,
                hours: config.keep_hours,
                days: config.keep_days,
                bytes: config.keep_graph_bytes,
            },
            past: SignedDuration::try_from(config.resend).unwrap_or(SignedDuration::MAX),
        }
    }
}

/// What is asked, and what the one thread that writes adds to.
#[derive(Debug)]
pub(crate) struct Graph {
    reader: Reader,
    settings: Settings,
    shared: Mutex<Shared>,
}

impl Graph {
    /// Goes on with what an earlier run left in the store. What it did not come to is still missing.
    fn open(store: SharedStore, counters: Counters, settings: Settings, now: Timestamp) -> Self {
        let reader = Reader { store, counters };
        let shared = Mutex::new(Shared::new(reader.state(now)));
        Self { reader, settings, shared }
    }

    /// Adds flows that are durable, in their order.
    fn add(&self, flows: &[Arc<Made>], now: Timestamp) {
        let mut shared = self.shared();
        for made in flows {
            shared.add(made, &self.reader, &self.settings, now);
        }
    }

    /// A panic elsewhere must not end the collector: the state is sound after every step.
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
