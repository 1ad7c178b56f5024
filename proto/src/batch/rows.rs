//! The records of a batch as they are read.

use super::{
    BatchError, Decoded, Flaw,
    column::{Column, Entries, Entry, Memory, addresses, offsets},
    relations::{Kind, Relation},
};
use crate::{Connection, Latencies, Observation, v1};
use jiff::Timestamp;
use portolan_policy::{End, Flow, Latency};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// The columns of the rows, checked.
pub(super) struct Rows<'a> {
    relations: &'a [u32],
    kinds: Column<'a, u32>,
    ends: Column<'a, i64>,
    durations: Column<'a, i64>,
    source_ports: &'a [u8],
    attempts: Column<'a, u64>,
    tries: Column<'a, u64>,
    packets: Column<'a, u64>,
    bytes: Column<'a, u64>,
    latencies: Column<'a, u64>,
    retransmits: Column<'a, u64>,
    srtts: Column<'a, u64>,
    numbered: Sparse<'a, u32>,
    translated: Sparse<'a, [Socket; 2]>,
    spread: Sparse<'a, Spread<'a>>,
}

/// An address and a port that may be out of range.
type Socket = (IpAddr, u32);

impl<'a> Rows<'a> {
    pub(super) fn new(wire: &'a v1::Rows) -> Result<Self, BatchError> {
        let count = wire.relations.len();
        if wire.source_ports.len() != 2 * count && !wire.source_ports.is_empty() {
            let found = wire.source_ports.len().div_ceil(2);
            return Err(BatchError::Column { column: "rows.source_ports", found, wanted: count });
        }
        Ok(Self {
            relations: &wire.relations,
            kinds: Column::new("rows.kinds", &wire.kinds, count)?,
            ends: Column::new("rows.ends", &wire.ends, count)?,
            durations: Column::new("rows.durations", &wire.durations, count)?,
            source_ports: &wire.source_ports,
            attempts: Column::new("rows.attempts", &wire.attempts, count)?,
            tries: Column::new("rows.tries", &wire.tries, count)?,
            packets: Column::new("rows.packets", &wire.packets, count)?,
            bytes: Column::new("rows.bytes", &wire.bytes, count)?,
            latencies: Column::new("rows.latencies", &wire.latencies, count)?,
            retransmits: Column::new("rows.retransmits", &wire.retransmits, count)?,
            srtts: Column::new("rows.srtts", &wire.srtts, count)?,
            numbered: Sparse::new(
                ["rows.numbered", "rows.tcp_isns"],
                &wire.numbered,
                wire.tcp_isns.clone(),
                count,
            )?,
            translated: Sparse::new(
                ["rows.translated", "rows.translated_sources"],
                &wire.translated,
                translated(wire)?,
                count,
            )?,
            spread: Sparse::new(["rows.spread", "rows.spread_sizes"], &wire.spread, spread(wire)?, count)?,
        })
    }

    /// Reads all of them; one that is wrong costs itself.
    pub(super) fn read(
        mut self,
        relations: &Entries<Relation<'_>>,
        kinds: &Entries<Kind<'_>>,
        memory: &mut Memory,
    ) -> Decoded {
        let mut decoded = Decoded::default();
        decoded.observations.reserve(self.relations.len().min(memory.room_for::<Observation>()));
        let mut end = 0_i64;
        for index in 0..self.relations.len() {
            end = end.wrapping_add(self.ends.at(index));
            let own = Own {
                end,
                tcp_isn: self.numbered.step(),
                translated: self.translated.step(),
                spread: self.spread.step(),
            };
            match self.row(Entry::new("rows", index), own, relations, kinds, memory) {
                Ok(observation) => decoded.observations.push(observation),
                Err(flaw) => {
                    decoded.malformed += 1;
                    decoded.flaw.get_or_insert(flaw);
                }
            }
        }
        decoded
    }

    fn row(
        &self,
        entry: Entry,
        own: Own<'_>,
        relations: &Entries<Relation<'_>>,
        kinds: &Entries<Kind<'_>>,
        memory: &mut Memory,
    ) -> Result<Observation, Flaw> {
        let at = entry.index;
        let relation = entry.find(relations, self.relations[at], "its relation is not in the batch")?;
        let kind = entry.find(kinds, self.kinds.at(at), "its kind is not in the batch")?;
        let weight = size_of::<Observation>().saturating_add(relation.weight).saturating_add(kind.weight);
        entry.take(memory, weight)?;
        let end_time = time(entry, own.end)?;
        let time = time_before(entry, own.end, self.durations.at(at))?;
        let mut flow = self.flow(at, [time, end_time], relation, kind);
        let latencies = own.spread.map(|spread| spread.read(entry, memory)).transpose()?;
        let latencies = latencies.filter(|latencies| !latencies.counts().is_empty());
        flow.latency_us = latencies.as_ref().and_then(Latencies::latency).or(flow.latency_us);
        let connection = connection(entry, &flow, own)?;
        Ok(Observation { flow, latencies, connection, witness: kind.witness })
    }

    fn flow(
        &self,
        at: usize,
        [time, end_time]: [Timestamp; 2],
        relation: &Relation<'_>,
        kind: &Kind<'_>,
    ) -> Flow {
        let source_port = if kind.has_source_port { Some(self.source_port(at)) } else { None };
        Flow {
            time,
            end_time,
            source: End::new(Arc::clone(relation.source), source_port),
            destination: End::new(Arc::clone(relation.destination), relation.destination_port),
            service: relation.service.cloned(),
            protocol: relation.protocol,
            outcome: kind.outcome,
            revises: kind.revises,
            drop_reason: kind.drop_reason.clone(),
            drop_location: kind.drop_location.clone(),
            enforced_by: kind.enforced_by.cloned(),
            passed_netfilter: kind.passed_netfilter,
            verdict: kind.verdict,
            inferred: kind.inferred,
            egress: Arc::clone(relation.egress),
            ingress: Arc::clone(relation.ingress),
            reporter: kind.reporter,
            attempts: self.attempts.at(at),
            tries: self.tries.at(at),
            packets: self.packets.at(at),
            bytes: self.bytes.at(at),
            latency_us: known(self.latencies.at(at)).map(Latency::single),
            retransmits: known(self.retransmits.at(at)),
            srtt_us: known(self.srtts.at(at)),
            lost: 0,
            losses: Vec::new(),
        }
    }

    fn source_port(&self, at: usize) -> u16 {
        let octet = |at: usize| self.source_ports.get(at).copied().unwrap_or(0);
        u16::from_be_bytes([octet(2 * at), octet(2 * at + 1)])
    }
}

/// What a row says outside the dense columns.
#[derive(Clone, Copy)]
struct Own<'a> {
    end: i64,
    tcp_isn: Option<u32>,
    translated: Option<[Socket; 2]>,
    spread: Option<Spread<'a>>,
}

/// One less than the figure; none where that is 0.
const fn known(one_more: u64) -> Option<u64> {
    one_more.checked_sub(1)
}

fn time(entry: Entry, micros: i64) -> Result<Timestamp, Flaw> {
    Timestamp::from_microsecond(micros).map_err(|_| entry.flaw("its time is out of range"))
}

fn time_before(entry: Entry, end: i64, duration: i64) -> Result<Timestamp, Flaw> {
    let start = end.checked_sub(duration).ok_or_else(|| entry.flaw("its duration is out of range"))?;
    time(entry, start)
}

/// The key of the row: the addresses of its ends, unless it tells others.
fn connection(entry: Entry, flow: &Flow, own: Own<'_>) -> Result<Connection, Flaw> {
    let Own { end: _, tcp_isn, translated, spread: _ } = own;
    let plain = [&flow.source, &flow.destination].map(|end| (end.ip(), end.port().unwrap_or(0).into()));
    let socket = |(ip, port): Socket| {
        let port = u16::try_from(port).map_err(|_| entry.flaw("its translated port is none"))?;
        Ok(SocketAddr::new(ip, port))
    };
    let [source, destination] = translated.unwrap_or(plain);
    Ok(Connection {
        protocol: flow.protocol,
        source: socket(source)?,
        destination: socket(destination)?,
        tcp_isn: tcp_isn.unwrap_or(0),
        start: flow.time,
    })
}

fn translated(wire: &v1::Rows) -> Result<Vec<[Socket; 2]>, BatchError> {
    let count = wire.translated.len();
    let (sources, destinations) = (wire.translated_sources.as_ref(), wire.translated_destinations.as_ref());
    let sources = addresses("rows.translated_sources", sources, count)?;
    let destinations = addresses("rows.translated_destinations", destinations, count)?;
    let source_ports = Column::new("rows.translated_source_ports", &wire.translated_source_ports, count)?;
    let destination_ports =
        Column::new("rows.translated_destination_ports", &wire.translated_destination_ports, count)?;
    let pairs = sources.into_iter().zip(destinations).enumerate();
    Ok(pairs
        .map(|(at, (source, destination))| {
            [(source, source_ports.at(at)), (destination, destination_ports.at(at))]
        })
        .collect())
}

/// A histogram as it stands on the wire.
#[derive(Clone, Copy)]
struct Spread<'a> {
    steps: &'a [u64],
    counts: &'a [u64],
}

impl Spread<'_> {
    fn read(self, entry: Entry, memory: &mut Memory) -> Result<Latencies, Flaw> {
        entry.take(memory, self.steps.len().saturating_mul(size_of::<(u64, u64)>()))?;
        let values = self.steps.iter().scan(0_u64, |value, step| {
            *value = value.saturating_add(*step);
            Some(*value)
        });
        Ok(Latencies::from_counts(values.zip(self.counts.iter().copied())))
    }
}

/// What the rows say whose attempts took differently long.
fn spread(wire: &v1::Rows) -> Result<Vec<Spread<'_>>, BatchError> {
    let v1::Rows { spread_sizes, spread_steps, spread_counts, .. } = wire;
    offsets("rows.spread_counts", spread_sizes, spread_counts.len())?;
    let offsets = offsets("rows.spread_steps", spread_sizes, spread_steps.len())?;
    let pairs = offsets.windows(2).map(|range| {
        let range = range[0] as usize..range[1] as usize;
        Spread { steps: &spread_steps[range.clone()], counts: &spread_counts[range] }
    });
    Ok(pairs.collect())
}

/// Values that few rows have, with the distances between these.
struct Sparse<'a, T> {
    distances: std::slice::Iter<'a, u32>,
    values: std::vec::IntoIter<T>,
    /// How far the next one is.
    next: u32,
}

impl<'a, T> Sparse<'a, T> {
    /// One wrong distance would give the values behind it to other rows.
    fn new(
        [column, of_values]: [&'static str; 2],
        distances: &'a [u32],
        values: Vec<T>,
        rows: usize,
    ) -> Result<Self, BatchError> {
        if distances.len() != values.len() {
            return Err(BatchError::Column {
                column: of_values,
                found: values.len(),
                wanted: distances.len(),
            });
        }
        let last: u64 = distances.iter().copied().map(u64::from).sum();
        if distances.contains(&0) || last > rows as u64 {
            return Err(BatchError::Distance { column, rows });
        }
        let mut distances = distances.iter();
        let next = distances.next().copied().unwrap_or(0);
        Ok(Self { distances, values: values.into_iter(), next })
    }

    /// Goes to the next row, and gives its value.
    fn step(&mut self) -> Option<T> {
        self.next = self.next.checked_sub(1)?;
        if self.next > 0 {
            return None;
        }
        self.next = self.distances.next().copied().unwrap_or(0);
        self.values.next()
    }
}
