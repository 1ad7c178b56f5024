//! From records to a batch.

use super::{
    View, frame,
    names::{Ends, Enforcers, Services, Sides, Texts, push_address},
    table::Table,
};
use crate::v1;
use portolan_policy::{Loss, Protocol};
use std::ptr;

/// Which batch it is.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// The cluster's name.
    pub cluster: &'a str,
    /// The node's name.
    pub node: &'a str,
    /// A UUID of this run of the agent.
    pub boot: &'a str,
    /// Counts from 1 within a boot.
    pub sequence: u64,
}

/// Makes a batch of records and losses.
#[expect(single_use_lifetimes, reason = "it cannot be left out of an `impl Trait` yet")]
pub fn encode<'a>(
    header: Header<'_>,
    records: impl IntoIterator<Item = View<'a>>,
    losses: &[Loss],
) -> v1::Batch {
    let mut writer = Writer::default();
    records.into_iter().for_each(|record| writer.push(&record));
    let records = writer.rows.relations.len() as u32;
    let attempts = writer.rows.attempts.iter().fold(0_u64, |sum, attempts| sum.saturating_add(*attempts));
    let (content, content_length) =
        if records == 0 { Default::default() } else { frame::pack(&writer.finish()) };
    let Header { cluster, node, boot, sequence } = header;
    v1::Batch {
        cluster: cluster.to_owned(),
        node: node.to_owned(),
        boot: boot.to_owned(),
        sequence,
        losses: losses.iter().cloned().map(Into::into).collect(),
        records,
        attempts,
        content,
        content_length,
        given_up: Vec::new(),
    }
}

/// What records share, by where it is kept: while it is borrowed, the same place holds the same.
type Place = ([usize; 5], Option<u16>, Protocol);

/// Takes records and writes tables and columns.
#[derive(Default)]
struct Writer<'a> {
    texts: Texts<'a>,
    ends: Ends,
    services: Services<'a>,
    sides: Sides<'a>,
    enforcers: Enforcers<'a>,
    relations: Table<[u32; 7]>,
    wire_relations: v1::Relations,
    places: Table<Place>,
    kinds: Table<KindKey>,
    wire_kinds: v1::Kinds,
    rows: v1::Rows,
    end: i64,
    numbered: Distances,
    translated: Distances,
    spread: Distances,
}

impl<'a> Writer<'a> {
    fn push(&mut self, record: &View<'a>) {
        let relation = self.relation(record);
        let kind = self.kind(record);
        if record.may_have_a_second() {
            self.push_key(record);
        }
        self.push_spread(record);
        for distances in [&mut self.numbered, &mut self.translated, &mut self.spread] {
            distances.step();
        }
        let (start, end) = (record.time.as_microsecond(), record.end_time.as_microsecond());
        let rows = &mut self.rows;
        rows.relations.push(relation);
        rows.kinds.push(kind);
        rows.ends.push(end - self.end);
        rows.durations.push(end - start);
        rows.source_ports.extend(record.source_port.unwrap_or(0).to_be_bytes());
        rows.attempts.push(record.attempts);
        rows.tries.push(record.tries);
        rows.packets.push(record.packets);
        rows.bytes.push(record.bytes);
        rows.latencies.push(known(record.latency_us));
        rows.retransmits.push(known(record.retransmits));
        rows.srtts.push(known(record.srtt_us));
        self.end = end;
    }

    fn relation(&mut self, record: &View<'a>) -> u32 {
        let place = place(record);
        if let Some(number) = self.places.get(&place) {
            return number;
        }
        let key = [
            v1::Protocol::from(record.protocol) as u32,
            self.ends.of(record.source.who(), &mut self.texts),
            self.ends.of(record.destination.who(), &mut self.texts),
            record.destination.port().map_or(0, |port| u32::from(port) + 1),
            record.service.map_or(0, |service| self.services.of(service, &mut self.texts)),
            self.sides.of(record.egress, &mut self.texts),
            self.sides.of(record.ingress, &mut self.texts),
        ];
        let wire = &mut self.wire_relations;
        let number = self.relations.number(key).or_write(|| {
            let [protocol, source, destination, port, service, egress, ingress] = key;
            wire.protocols.push(protocol as i32);
            wire.sources.push(source);
            wire.destinations.push(destination);
            wire.destination_ports.push(port);
            wire.services.push(service);
            wire.egress.push(egress);
            wire.ingress.push(ingress);
        });
        self.places.remember(place, number);
        number
    }

    fn kind(&mut self, record: &View<'a>) -> u32 {
        let key = KindKey {
            outcome: v1::Outcome::from(record.outcome).into(),
            revises: record.revises.map_or(0, |outcome| v1::Outcome::from(outcome).into()),
            verdict: v1::Verdict::from(record.verdict).into(),
            reporter: v1::Reporter::from(record.reporter).into(),
            inferred: record.inferred,
            witness: record.witness.to_bits().into(),
            passed_netfilter: record.passed_netfilter.map_or(0, |passed| 1 + u32::from(passed)),
            drop_reason: self.texts.of_some(record.drop_reason),
            drop_location: self.texts.of_some(record.drop_location),
            enforcer: record.enforced_by.map_or(0, |rule| self.enforcers.of(rule, &mut self.texts)),
            source_port: record.source_port.is_some(),
        };
        let wire = &mut self.wire_kinds;
        self.kinds.number(key).or_write(|| key.write(wire))
    }

    /// What the other node's view is found by, as far as the record itself does not tell it.
    fn push_key(&mut self, record: &View<'a>) {
        let rows = &mut self.rows;
        let connection = &record.connection;
        if connection.tcp_isn != 0 {
            rows.numbered.push(self.numbered.take());
            rows.tcp_isns.push(connection.tcp_isn);
        }
        if [connection.source, connection.destination] != record.plain_addresses() {
            rows.translated.push(self.translated.take());
            push_address(&mut rows.translated_sources, connection.source.ip());
            rows.translated_source_ports.push(connection.source.port().into());
            push_address(&mut rows.translated_destinations, connection.destination.ip());
            rows.translated_destination_ports.push(connection.destination.port().into());
        }
    }

    fn push_spread(&mut self, record: &View<'a>) {
        let Some(latencies) = record.latencies else { return };
        let rows = &mut self.rows;
        rows.spread.push(self.spread.take());
        rows.spread_sizes.push(latencies.counts().len() as u32);
        let mut before = 0;
        for (value, count) in latencies.counts() {
            rows.spread_steps.push(value - before);
            rows.spread_counts.push(*count);
            before = *value;
        }
    }

    fn finish(self) -> v1::BatchContent {
        let (ends, label_sets) = self.ends.finish();
        let (sides, policies) = self.sides.finish();
        v1::BatchContent {
            strings: Some(self.texts.wire),
            label_sets: Some(label_sets),
            ends: Some(ends),
            services: Some(self.services.wire),
            policies: Some(policies),
            sides: Some(sides),
            enforcers: Some(self.enforcers.wire),
            relations: Some(self.wire_relations),
            kinds: Some(self.wire_kinds),
            rows: Some(without_zeros(self.rows)),
        }
    }
}

/// What many records have in common besides their relation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct KindKey {
    outcome: i32,
    revises: i32,
    verdict: i32,
    reporter: i32,
    inferred: bool,
    witness: u32,
    passed_netfilter: u32,
    drop_reason: u32,
    drop_location: u32,
    enforcer: u32,
    source_port: bool,
}

impl KindKey {
    fn write(self, wire: &mut v1::Kinds) {
        wire.outcomes.push(self.outcome);
        wire.revises.push(self.revises);
        wire.verdicts.push(self.verdict);
        wire.reporters.push(self.reporter);
        wire.inferred.push(self.inferred);
        wire.witnesses.push(self.witness);
        wire.passed_netfilter.push(self.passed_netfilter);
        wire.drop_reasons.push(self.drop_reason);
        wire.drop_locations.push(self.drop_location);
        wire.enforcers.push(self.enforcer);
        wire.source_ports.push(self.source_port);
    }
}

/// How far a row is from the last one that had something of its own.
#[derive(Debug)]
struct Distances(u32);

impl Default for Distances {
    fn default() -> Self {
        Self(1)
    }
}

impl Distances {
    fn step(&mut self) {
        self.0 += 1;
    }

    fn take(&mut self) -> u32 {
        std::mem::take(&mut self.0)
    }
}

fn place(record: &View<'_>) -> Place {
    let service = record.service.map_or(0, |service| ptr::from_ref(service).addr());
    let ends = [record.source, record.destination].map(|end| ptr::from_ref(end.who()).addr());
    let sides = [ptr::from_ref(record.egress).addr(), ptr::from_ref(record.ingress).addr()];
    ([ends[0], ends[1], service, sides[0], sides[1]], record.destination.port(), record.protocol)
}

/// One more than the figure; 0 where there is none.
fn known(figure: Option<u64>) -> u64 {
    figure.map_or(0, |figure| figure.saturating_add(1))
}

/// A column without any value stands for zeros.
fn without_zeros(mut rows: v1::Rows) -> v1::Rows {
    for column in [&mut rows.latencies, &mut rows.retransmits, &mut rows.srtts] {
        if column.iter().all(|value| *value == 0) {
            column.clear();
        }
    }
    rows
}
