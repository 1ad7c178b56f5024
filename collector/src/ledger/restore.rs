//! What an earlier run left behind, found again. A row that cannot be read costs itself, and is said.

use super::{
    Ledger, block, by_time,
    catalog::{Catalog, Facts, Fresh},
    keys,
    name::StoreName,
    retention::Retention,
    seal::{Full, MOST, Segments},
    shelf::Shelf,
    store::{Change, SharedStore, Space},
    told::ToldHours,
    views,
    waiting::WaitingRows,
};
use crate::{
    config::Config,
    dedup::Progress,
    intake::{NodeRun, Restored},
    join::Waits,
    metrics::Metrics,
};
use jiff::{SignedDuration, Timestamp};
use portolan_policy::Loss;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tracing::warn;

/// Retention drops whole segments, so one is a small part of everything.
const SEGMENTS: u64 = 16;

/// The largest segment: more at once would be missed.
const SEGMENT: u64 = 256 * 1024 * 1024;

/// The smallest one: each costs some files.
const SMALL: u64 = 64 * 1024;

/// Reads the store.
pub(super) fn restore(
    store: SharedStore,
    config: &Config,
    metrics: Arc<Metrics>,
    now: Timestamp,
) -> (Ledger, Restored) {
    let reader = Reader { store: &store, metrics: &metrics };
    let catalog = reader.catalog(now);
    reader.check(&catalog);
    let (waiting, waits) = reader.waiting();
    let mut told = ToldHours::restored(reader.hours(), config.max_told, metrics.told_forgotten.clone());
    if let Err(error) = told.begin_to_learn(&store) {
        warn!(%error, "Connections told alone are not learnt: the store is asked for each.");
    }
    let restored = Restored {
        next_wait: waiting.next(),
        runs: reader.runs(),
        untold: reader.untold(),
        waits,
        horizon: store.durable().then(|| told.end().map_or(now, |end| end.max(now))),
    };
    let name = reader.name();
    let queue = config.subscriber_queue;
    let shelf = Shelf::new(name, Arc::clone(&store), Arc::clone(&metrics), queue, catalog.clone());
    let ledger = Ledger {
        segments: segments(&store, config, &catalog),
        retention: Retention { age: signed(config.keep_flows), bytes: config.keep_bytes },
        leaving: BTreeSet::new(),
        shelf: Arc::new(shelf),
        store,
        metrics,
        catalog,
        waiting,
        told,
        resend: signed(config.resend),
        folder: None,
    };
    (ledger, restored)
}

fn segments(store: &SharedStore, config: &Config, catalog: &Catalog) -> Segments {
    let current = store.segments().last().copied().unwrap_or_default();
    let (bytes, blocks) =
        catalog.segments.get(&current).map_or((0, 0), |extent| (extent.bytes, extent.blocks));
    let last = catalog.blocks.get_max().map(|(number, _)| number);
    let last = last.into_iter().chain(catalog.fresh.iter().map(|fresh| &fresh.number)).max();
    Segments {
        full: Full {
            flows: MOST,
            bytes: (config.keep_bytes / SEGMENTS).clamp(SMALL, SEGMENT),
            age: signed(config.keep_flows / SEGMENTS as u32),
        },
        current,
        bytes,
        blocks,
        since: None,
        next: last.map_or(0, |last| last + 1),
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

struct Reader<'store> {
    store: &'store SharedStore,
    metrics: &'store Metrics,
}

impl Reader<'_> {
    /// The rows of a table that can be read and understood.
    fn rows<T>(
        &self,
        space: Space,
        table: &[u8],
        read: impl Fn(&[u8], &[u8]) -> Result<T, String>,
    ) -> Vec<T> {
        let mut things = Vec::new();
        for row in self.store.scan(space, table, usize::MAX) {
            match row {
                Ok((key, value)) => match read(&key, &value) {
                    Ok(thing) => things.push(thing),
                    Err(problem) => self.metrics.report_row(&key, &problem),
                },
                Err(error) => self.metrics.report(&error),
            }
        }
        things
    }

    fn catalog(&self, now: Timestamp) -> Catalog {
        let mut catalog = Catalog::default();
        for segment in self.store.segments() {
            let facts = self.rows(Space::Segment(segment), keys::FACTS, |key, value| {
                let facts = Facts::decode(segment, value).ok_or("these are no facts of a block")?;
                Ok((number_of(key)?, facts))
            });
            for (number, facts) in facts {
                catalog.add(number, facts, now);
            }
        }
        let fresh = self.rows(Space::State, keys::FRESH, |key, value| {
            let flows = block::decode(value).map_err(|error| error.to_string())?;
            let flows = by_time(flows.into_iter().map(Arc::new).collect());
            Ok(Fresh { number: number_of(key)?, flows: flows.into() })
        });
        catalog.fresh = Arc::new(fresh);
        catalog.next = self.next(&catalog);
        catalog
    }

    /// The name of the store. One that has none gets it; where that cannot be written, the next run will try.
    fn name(&self) -> StoreName {
        let found = self.rows(Space::State, keys::NAME, |_, value| {
            StoreName::from_bytes(value).ok_or_else(|| "this is no name of a store".to_owned())
        });
        found.first().copied().unwrap_or_else(|| {
            let name = StoreName::drawn();
            let row = Change::Put(Space::State, keys::NAME.to_vec(), name.to_bytes());
            self.store.commit(vec![row]).unwrap_or_else(|error| self.metrics.report(&error));
            name
        })
    }

    /// The ordinal of the next flow. Where its row is gone, it comes after all that are kept.
    fn next(&self, catalog: &Catalog) -> u64 {
        let written = self.rows(Space::State, keys::MADE, |_, value| {
            Ok(u64::from_be_bytes(value.try_into().map_err(|_| "this is no number of flows")?))
        });
        let blocks = catalog.segments.values().map(|extent| extent.greatest);
        let fresh = catalog.fresh.iter().flat_map(|fresh| fresh.flows.iter()).map(|made| made.ordinal);
        let after = blocks.chain(fresh).map(|ordinal| ordinal.saturating_add(1));
        after.chain(written).max().unwrap_or(0)
    }

    /// Says which segments have not the blocks that were written: the engine takes a keyspace whose list
    /// of files is gone for a new one.
    fn check(&self, catalog: &Catalog) {
        let written = self.rows(Space::State, keys::SEGMENT, |key, value| {
            let count = value.try_into().map_err(|_| "this is no count of blocks")?;
            Ok((key.to_vec(), number_of(key)?, u64::from_be_bytes(count)))
        });
        for (key, segment, written) in written {
            let found = catalog.segments.get(&segment).map_or(0, |extent| extent.blocks);
            if found < written {
                let problem = format!("of {written} blocks of segment {segment} only {found} are there");
                self.metrics.report_row(&key, &problem);
            }
        }
    }

    fn runs(&self) -> Vec<(NodeRun, Progress)> {
        self.rows(Space::State, keys::RUN, |key, value| {
            let run = keys::run_of(key).ok_or("this is no run of an agent")?;
            let (heard, ranges) = postcard::from_bytes(value).map_err(|error| error.to_string())?;
            let heard = Timestamp::from_nanosecond(heard).map_err(|error| error.to_string())?;
            Ok((run, Progress { ranges, heard }))
        })
    }

    fn untold(&self) -> Vec<(String, Vec<Loss>)> {
        self.rows(Space::State, keys::UNTOLD, |key, value| {
            let node = keys::untold_of(key).ok_or("this is no name of a node")?;
            Ok((node, postcard::from_bytes(value).map_err(|error| error.to_string())?))
        })
    }

    fn waiting(&self) -> (WaitingRows, Vec<Waits>) {
        let resolved: BTreeSet<u64> =
            self.rows(Space::State, keys::RESOLVED, |key, _| number_of(key)).into_iter().collect();
        // A number is not given again while a row has it, be it one that cannot be read.
        let mut waiting = WaitingRows::above(resolved.last().copied());
        let rows = self.rows(Space::State, keys::WAITING, |key, value| {
            Ok((number_of(key)?, views::decode(value).map_err(|error| error.to_string())))
        });
        let rows: Vec<_> = rows
            .into_iter()
            .filter_map(|(first, views)| {
                waiting.skip(first);
                let problem =
                    |problem: &String| self.metrics.report_row(&keys::number(keys::WAITING, first), problem);
                Some((first, views.inspect_err(problem).ok()?))
            })
            .collect();
        let waits =
            rows.into_iter().flat_map(|(first, views)| waiting.restore(first, views, &resolved)).collect();
        (waiting, waits)
    }

    fn hours(&self) -> Vec<(i64, u64)> {
        self.rows(Space::State, keys::HOURS, |key, value| {
            let hour = keys::told_hour_of(key).ok_or("this is no hour")?;
            // Its rows are there, however many.
            Ok((hour, value.try_into().map_or(0, u64::from_be_bytes)))
        })
    }
}

fn number_of(key: &[u8]) -> Result<u64, String> {
    keys::number_of(key).ok_or_else(|| "this is no number".to_owned())
}
