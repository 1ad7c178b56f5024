//! Batches on their way: numbered, kept until acknowledged, bounded. Pure.

use crate::attribute::Record;
use jiff::Timestamp;
use portolan_policy::Loss;
use std::collections::VecDeque;

/// What goes into a batch.
#[derive(Clone, Debug)]
pub enum Item {
    /// Records, in their order.
    Records(Vec<Record>),
    /// A loss.
    Loss(Loss),
}

/// A batch, numbered.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Counts from 1.
    pub sequence: u64,
    /// The records.
    pub records: Vec<Record>,
    /// The losses.
    pub losses: Vec<Loss>,
}

/// Records in one batch at the most: as many as share most of what there is to tell, in some tens of kilobytes. With
/// ends that carry unusually many labels it is a megabyte; the collector reads more (`portolan_proto::MAX_CONTENT`).
const BATCH: usize = 4096;

/// The name of the loss when the outbox itself overflows.
const OVERFLOW: &str = "outbox-full";

/// The batches that the collector has not acknowledged, and the one under construction.
#[derive(Debug)]
pub struct Outbox {
    bound: usize,
    sealed: VecDeque<Batch>,
    open: Batch,
    sequence: u64,
    /// The weight of the sealed batches and of what is in the open one.
    held: usize,
}

impl Outbox {
    /// An empty outbox that holds this many records at the most; a batch of losses alone counts
    /// as one.
    pub fn new(bound: usize) -> Self {
        Self { bound, sealed: VecDeque::new(), open: Batch::default(), sequence: 0, held: 0 }
    }

    /// Takes an item in; batches that this made full are sealed.
    pub fn push(&mut self, item: Item, now: Timestamp) {
        match item {
            Item::Records(records) => records.into_iter().for_each(|record| self.add(record)),
            Item::Loss(loss) => loss.add_to(&mut self.open.losses),
        }
        while self.held > self.bound {
            self.give_up_oldest(now);
        }
    }

    fn add(&mut self, record: Record) {
        self.open.records.push(record);
        self.held += 1;
        if self.open.records.len() >= BATCH {
            self.seal();
        }
    }

    /// Ends the batch under construction, if there is anything in it.
    pub fn seal(&mut self) {
        if self.open.records.is_empty() && self.open.losses.is_empty() {
            return;
        }
        self.sequence += 1;
        self.open.sequence = self.sequence;
        self.held += weight(&self.open) - self.open.records.len();
        self.sealed.push_back(std::mem::take(&mut self.open));
    }

    /// The batch was applied: it and all before it are done.
    pub fn acknowledge(&mut self, sequence: u64) -> u64 {
        let mut done = 0;
        while let Some(batch) = self.sealed.front()
            && batch.sequence <= sequence
        {
            self.held -= weight(batch);
            self.sealed.pop_front();
            done += 1;
        }
        done
    }

    /// The first sealed batch after this sequence number.
    pub fn after(&self, sequence: u64) -> Option<&Batch> {
        let index = self.sealed.partition_point(|batch| batch.sequence <= sequence);
        self.sealed.get(index)
    }

    /// How many batches wait for their acknowledgement.
    pub fn waiting(&self) -> usize {
        self.sealed.len()
    }

    /// Whether there is nothing left to send.
    pub fn is_empty(&self) -> bool {
        self.sealed.is_empty() && self.open.records.is_empty() && self.open.losses.is_empty()
    }

    /// The collector has been away for too long: the oldest batch is given up, and counted.
    fn give_up_oldest(&mut self, now: Timestamp) {
        let (lost, weighed) = if let Some(batch) = self.sealed.pop_front() {
            let weighed = weight(&batch);
            for loss in batch.losses {
                loss.add_to(&mut self.open.losses);
            }
            (batch.records, weighed)
        } else {
            let lost = std::mem::take(&mut self.open.records);
            let weighed = lost.len();
            (lost, weighed)
        };
        self.held -= weighed;
        if let Some(from) = lost.iter().map(Record::time).min() {
            let loss = Loss { cause: OVERFLOW.to_owned(), count: lost.len() as u64, from, to: now };
            loss.add_to(&mut self.open.losses);
        }
    }
}

/// What a sealed batch counts against the bound: without an end to losses there would be none to
/// batches that hold nothing else.
fn weight(batch: &Batch) -> usize {
    batch.records.len().max(1)
}

#[cfg(test)]
mod tests;
