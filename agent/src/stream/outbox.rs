//! Batches on their way: numbered, kept until acknowledged, bounded in memory and on disk.
//!
//! Decides, and does no I/O but through its [`Store`].

mod losing;

use super::{
    batch::{IN_FLIGHT, Identity, Item, Open},
    spool::{Id, Left, Name, Spooled, Store, Unreadable},
};
use crate::{attribute::Record, metrics::Metrics};
use jiff::Timestamp;
use prost::bytes::Bytes;
use std::{collections::VecDeque, sync::Arc};

/// Records in one batch at the most: as many as share most of what there is to tell, in some tens of kilobytes. With
/// ends that carry unusually many labels it is a megabyte; the collector reads more (`portolan_proto::MAX_CONTENT`).
const BATCH: usize = 4096;
/// Batches that wait at the most: what is known of each takes some memory.
const MOST_BATCHES: usize = 65_536;
/// A batch that the disk refuses to give this often is lost.
const MOST_TRIES: u32 = 5;
/// A batch that the collector refuses this often is lost: what comes after it must not wait for ever.
const MOST_REFUSALS: u32 = 3;

/// The loss when memory is full and there is no disk, or none that takes anything.
const OUTBOX_FULL: &str = "outbox-full";
/// The loss when the spool is full.
const SPOOL_FULL: &str = "spool-full";
/// The loss when a file of the spool is not what was written.
const SPOOL_DAMAGED: &str = "spool-damaged";
/// The loss when the collector cannot take a batch, of another version perhaps.
const BATCH_REFUSED: &str = "batch-refused";

/// What may be taken.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of batches in memory.
    pub memory: u64,
    /// Bytes of batches on disk.
    pub disk: u64,
}

/// A batch to be sent.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Its name.
    pub name: Name,
    /// The batch, encoded.
    pub body: Bytes,
}

/// A batch that waits for its acknowledgement.
#[derive(Debug)]
struct Entry {
    name: Name,
    length: u64,
    /// In memory; always, where it is not on disk.
    body: Option<Bytes>,
    is_filed: bool,
    /// The collector may have it.
    is_sent: bool,
}

impl Entry {
    /// What it takes in memory.
    fn held(&self) -> u64 {
        self.body.as_ref().map_or(0, |body| body.len() as u64)
    }
}

/// A file that is lost, and stays until its loss is told for certain: a killed agent finds it again.
#[derive(Debug)]
struct Doomed {
    name: Name,
    is_damaged: bool,
    /// The batch that tells of it.
    told_in: Id,
}

/// The batches that the collector has not acknowledged, and the one under construction.
#[derive(Debug)]
pub struct Outbox<S> {
    identity: Identity,
    /// Which run this is, and the sequence number given last.
    last: Id,
    boot: Arc<str>,
    bounds: Bounds,
    open: Open,
    /// In the order of making. Those that are not filed are the last.
    entries: VecDeque<Entry>,
    unfiled: usize,
    /// Bytes in memory and on disk.
    held: u64,
    filed: u64,
    /// The length of the batch sealed last: the next one will be about as long.
    usual: u64,
    store: Option<S>,
    /// Not to be written to, or not to be read from, until the next trial.
    write_fails: bool,
    read_fails: bool,
    /// How often the same batch could not be read.
    tries: u32,
    /// What the collector refused last, and how often.
    refused: (Id, u32),
    doomed: Vec<Doomed>,
    metrics: Arc<Metrics>,
}

impl<S: Store> Outbox<S> {
    /// An outbox that keeps batches in memory, and in the store where there is one.
    pub fn new(identity: Identity, bounds: Bounds, store: Option<S>, metrics: Arc<Metrics>) -> Self {
        let boot = identity.boot.as_str().into();
        Self {
            identity,
            last: Id { run: 0, sequence: 0 },
            boot,
            bounds,
            open: Open::default(),
            entries: VecDeque::new(),
            unfiled: 0,
            held: 0,
            filed: 0,
            usual: 0,
            store,
            write_fails: false,
            read_fails: false,
            tries: 0,
            refused: (Id { run: 0, sequence: 0 }, 0),
            doomed: Vec::new(),
            metrics,
        }
    }

    /// What earlier runs left in the store is sent before all else.
    pub fn take_over(&mut self, left: Left, now: Timestamp) {
        self.last.run = left.next_run();
        for (place, Spooled { name, length }) in left.batches.into_iter().enumerate() {
            self.filed += S::room(length);
            let is_sent = place < IN_FLIGHT; // Perhaps, and only the answers are missing.
            self.entries.push_back(Entry { name, length, body: None, is_filed: true, is_sent });
        }
        if left.nameless > 0 {
            let loss = self.loss_of(SPOOL_DAMAGED, left.nameless, now, now);
            self.open.losses.extend(loss);
        }
        self.measure();
    }

    /// Takes an item in; a batch that this made full is sealed.
    pub fn push(&mut self, item: Item, now: Timestamp) {
        match item {
            Item::Records(records) => records.into_iter().for_each(|record| self.add(record, now)),
            Item::Loss(loss) => loss.add_to(&mut self.open.losses),
        }
    }

    fn add(&mut self, record: Record, now: Timestamp) {
        self.open.records.push(record);
        if self.open.records.len() >= BATCH {
            self.seal(now);
        }
    }

    /// Ends the batch under construction, if there is anything in it, and keeps it. What must go to make room is
    /// told in this very batch, and leaves the disk only after it is there.
    pub fn seal(&mut self, now: Timestamp) {
        if self.open.is_empty() {
            return;
        }
        self.make_room(now);
        self.last.sequence += 1;
        let open = std::mem::take(&mut self.open);
        let name = Name {
            id: self.last,
            records: open.records.len() as u32,
            from: open.since(now),
            boot: Arc::clone(&self.boot),
        };
        let body = open.seal(&self.identity, self.last.sequence);
        self.usual = body.len() as u64;
        self.held += self.usual;
        self.unfiled += 1;
        let (length, body) = (self.usual, Some(body));
        self.entries.push_back(Entry { name, length, body, is_filed: false, is_sent: false });
        self.file();
        self.measure();
    }

    /// The disk may be well again.
    pub fn try_again(&mut self) {
        (self.write_fails, self.read_fails) = (false, false);
        self.file();
        self.measure();
    }

    /// The batch was applied, and is done.
    pub fn acknowledge(&mut self, boot: &str, sequence: u64) {
        let Some(at) = self.find(boot, sequence) else { return };
        let entry = self.take_out(at);
        if let Some(store) = &mut self.store
            && entry.is_filed
        {
            store.remove(&entry.name);
        }
        self.end_doomed();
        self.metrics.batches_acked.inc();
        self.measure();
    }

    /// The collector says that it cannot take this batch.
    pub fn refuse(&mut self, boot: &str, sequence: u64, now: Timestamp) {
        let Some(at) = self.find(boot, sequence) else { return };
        let id = self.entries[at].name.id;
        self.refused = if self.refused.0 == id { (id, self.refused.1 + 1) } else { (id, 1) };
        if self.refused.1 >= MOST_REFUSALS {
            self.give_up(at..at + 1, BATCH_REFUSED, now);
            self.measure();
        }
    }

    fn find(&self, boot: &str, sequence: u64) -> Option<usize> {
        let is_it = |entry: &Entry| entry.name.id.sequence == sequence && *entry.name.boot == *boot;
        self.entries.iter().position(is_it)
    }

    /// The first batch after this one.
    pub fn after(&mut self, id: Option<Id>, now: Timestamp) -> Option<Outgoing> {
        while !self.read_fails {
            let at = self.entries.partition_point(|entry| Some(entry.name.id) <= id);
            let entry = self.entries.get_mut(at)?;
            let name = entry.name.clone();
            match body_of(entry, self.store.as_mut()) {
                Ok(body) => {
                    entry.is_sent = true;
                    self.tries = 0;
                    return Some(Outgoing { name, body });
                }
                Err(Unreadable::Disk(_)) if self.tries < MOST_TRIES => {
                    self.tries += 1;
                    self.read_fails = true;
                }
                Err(_) => {
                    self.tries = 0;
                    self.lose_damaged(at, now);
                }
            }
        }
        None
    }

    /// How many batches wait for their acknowledgement.
    pub fn waiting(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing left to send.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.open.is_empty()
    }

    /// Whether all that is left to send is on disk.
    pub fn is_filed(&self) -> bool {
        self.unfiled == 0 && self.store.is_some() && self.open.is_empty()
    }

    /// Writes what is in memory only, in its order, as far as the disk takes it.
    fn file(&mut self) {
        let Some(store) = &mut self.store else { return };
        // What is sent soon need not be read again.
        let cache = self.bounds.memory / 8;
        while self.unfiled > 0 && !self.write_fails && self.filed <= self.bounds.disk {
            let at = self.entries.len() - self.unfiled;
            let entry = &mut self.entries[at];
            let body = entry.body.as_ref().expect("what is not on disk is in memory");
            if store.write(&entry.name, body).is_err() {
                self.write_fails = true;
                self.metrics.spool_write_errors.inc();
                return;
            }
            entry.is_filed = true;
            self.unfiled -= 1;
            self.filed += S::room(entry.length);
            if self.held > cache {
                self.held -= entry.held();
                entry.body = None;
            }
        }
        self.end_doomed();
    }

    /// Gives up the oldest until there is room for a batch of the usual length.
    fn make_room(&mut self, now: Timestamp) {
        while self.unfiled > 0 && self.held + self.usual > self.bounds.memory {
            let first = self.entries.len() - self.unfiled;
            self.give_up(first..self.entries.len(), OUTBOX_FULL, now);
        }
        let to_file = S::room(self.usual) + self.backlog();
        while self.filed_entries() > 0 && !self.write_fails && self.filed + to_file > self.bounds.disk {
            self.give_up(0..self.filed_entries(), SPOOL_FULL, now);
        }
        while self.entries.len() >= MOST_BATCHES {
            let cause = if self.store.is_some() { SPOOL_FULL } else { OUTBOX_FULL };
            self.give_up(0..self.entries.len(), cause, now);
        }
    }

    /// What is in memory for want of a disk and will be on it, if that is well again.
    fn backlog(&self) -> u64 {
        self.entries.range(self.filed_entries()..).map(|entry| S::room(entry.length)).sum()
    }

    fn filed_entries(&self) -> usize {
        self.entries.len() - self.unfiled
    }

    fn take_out(&mut self, at: usize) -> Entry {
        let entry = self.entries.remove(at).expect("the index is that of an entry");
        self.held -= entry.held();
        if entry.is_filed {
            self.filed -= S::room(entry.length);
        } else {
            self.unfiled -= 1;
        }
        entry
    }

    /// The batch under construction.
    const fn next(&self) -> Id {
        Id { run: self.last.run, sequence: self.last.sequence + 1 }
    }

    /// Ends what is told of on disk, or to the collector.
    fn end_doomed(&mut self) {
        let first_untold = self.entries.get(self.filed_entries()).map_or(self.next(), |entry| entry.name.id);
        let Some(store) = &mut self.store else { return };
        for doomed in self.doomed.extract_if(.., |doomed| doomed.told_in < first_untold) {
            if doomed.is_damaged { store.set_aside(&doomed.name) } else { store.remove(&doomed.name) }
        }
    }

    fn measure(&self) {
        self.metrics.batches_waiting.set(self.entries.len() as i64);
        self.metrics.spool_batches.set(self.filed_entries() as i64);
        self.metrics.spool_bytes.set(self.filed as i64);
    }
}

/// The batch, out of memory or from disk.
fn body_of<S: Store>(entry: &mut Entry, store: Option<&mut S>) -> Result<Bytes, Unreadable> {
    match (&entry.body, store) {
        (Some(body), _) => Ok(body.clone()),
        (None, Some(store)) => store.read(&entry.name),
        (None, None) => unreachable!("what is not in memory is in a store"),
    }
}

#[cfg(test)]
mod disk;
#[cfg(test)]
mod tests;
