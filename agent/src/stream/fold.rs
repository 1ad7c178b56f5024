//! Folding: in a busy batch, attempts that differ in port and time alone become one record with their number. Pure.
//!
//! What another node may tell of too stays as it is, for the collector joins views one by one. Nothing is lost:
//! attempts, packets, bytes and the rest are summed, handshakes become a histogram.

use crate::attribute::Record;
use foldhash::quality::RandomState;
use jiff::Timestamp;
use portolan_policy::{Enforcer, Outcome, Reporter, Verdict};
use portolan_proto::{Latencies, View, Witness};
use std::{collections::HashMap, sync::Arc};

/// A batch with so many records is folded: the node is busy, and nobody reads that many one by one.
const BUSY: usize = 1024;

/// What attempts have in common that become one.
#[derive(PartialEq, Eq, Hash)]
struct Key<'a> {
    /// Where the relation lies, which all of them hold.
    relation: usize,
    outcome: Outcome,
    revises: Option<Outcome>,
    drop_reason: Option<&'a str>,
    drop_location: Option<&'a str>,
    enforced_by: Option<&'a Enforcer>,
    passed_netfilter: Option<bool>,
    verdict: Verdict,
    inferred: bool,
    reporter: Reporter,
    witness: Witness,
}

impl<'a> Key<'a> {
    fn of(record: &'a Record) -> Self {
        Self {
            relation: Arc::as_ptr(&record.relation).addr(),
            outcome: record.outcome,
            revises: record.revises,
            drop_reason: record.drop_reason.as_deref(),
            drop_location: record.drop_location.as_deref(),
            enforced_by: record.enforced_by.as_ref(),
            passed_netfilter: record.passed_netfilter,
            verdict: record.verdict,
            inferred: record.inferred,
            reporter: record.reporter,
            witness: record.witness,
        }
    }
}

/// One attempt, or several that became one record.
#[derive(Debug)]
pub(super) struct Folded<'a> {
    first: &'a Record,
    time: Timestamp,
    end_time: Timestamp,
    attempts: u64,
    tries: u64,
    packets: u64,
    bytes: u64,
    latencies: Vec<u64>,
    retransmits: Option<u64>,
    srtts: Vec<u64>,
    /// What became of `latencies` where they are several.
    histogram: Option<Latencies>,
}

impl<'a> Folded<'a> {
    fn new(record: &'a Record) -> Self {
        Self {
            first: record,
            time: record.time(),
            end_time: record.end_time,
            attempts: 1,
            tries: record.tries,
            packets: record.packets,
            bytes: record.bytes,
            latencies: record.latency_us.into_iter().collect(),
            retransmits: record.retransmits,
            srtts: record.srtt_us.into_iter().collect(),
            histogram: None,
        }
    }

    fn add(&mut self, record: &Record) {
        self.time = self.time.min(record.time());
        self.end_time = self.end_time.max(record.end_time);
        self.attempts += 1;
        self.tries = self.tries.saturating_add(record.tries);
        self.packets = self.packets.saturating_add(record.packets);
        self.bytes = self.bytes.saturating_add(record.bytes);
        self.latencies.extend(record.latency_us);
        self.srtts.extend(record.srtt_us);
        if let Some(again) = record.retransmits {
            self.retransmits = Some(self.retransmits.unwrap_or(0).saturating_add(again));
        }
    }

    fn finish(mut self) -> Self {
        if self.latencies.len() > 1 {
            self.histogram = Some(Latencies::of(std::mem::take(&mut self.latencies)));
        }
        self.srtts.sort_unstable();
        self
    }

    /// The record as it goes into a batch. There is no one source port of several attempts; their smoothed round trip
    /// is the median.
    pub(super) fn view(&self) -> View<'_> {
        let Self { first, time, end_time, attempts, tries, packets, bytes, retransmits, .. } = *self;
        View {
            time,
            end_time,
            source_port: first.source_port.filter(|_| attempts == 1),
            attempts,
            tries,
            packets,
            bytes,
            latency_us: self.latencies.first().copied(),
            latencies: self.histogram.as_ref(),
            retransmits,
            srtt_us: self.srtts.get(self.srtts.len() / 2).copied(),
            ..first.view()
        }
    }
}

/// The records of a batch, folded where they are very many; in the order of the first of each.
pub(super) fn fold(records: &[Record]) -> Vec<Folded<'_>> {
    if records.len() < BUSY { records.iter().map(Folded::new).collect() } else { fold_all(records) }
}

fn fold_all(records: &[Record]) -> Vec<Folded<'_>> {
    let mut folded: Vec<Folded<'_>> = Vec::new();
    let mut places: HashMap<Key<'_>, usize, RandomState> = HashMap::default();
    for record in records {
        if record.view().may_have_a_second() {
            folded.push(Folded::new(record));
            continue;
        }
        let place = *places.entry(Key::of(record)).or_insert(folded.len());
        match folded.get_mut(place) {
            Some(known) => known.add(record),
            None => folded.push(Folded::new(record)),
        }
    }
    folded.into_iter().map(Folded::finish).collect()
}

#[cfg(test)]
mod tests;
