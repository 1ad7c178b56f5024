//! From flows to a block.

use super::{Columns, Rare, Row, names::Index, pack, tables::Tables};
use jiff::Timestamp;
use portolan_policy::{Flow, Latency};
use portolan_proto::Latencies;

const MICROSECOND: i32 = 1000;

/// The block of these flows, in their order.
pub(crate) fn encode(rows: &[Row<'_>]) -> Vec<u8> {
    let whole = rows.iter().all(|row| is_whole(row.flow.time) && is_whole(row.flow.end_time));
    let unit = if whole { MICROSECOND as u32 } else { 1 };
    let ticks: fn(Timestamp) -> i128 =
        if whole { |time| time.as_microsecond().into() } else { Timestamp::as_nanosecond };
    let mut tables = Tables::default();
    let mut columns = Columns { unit, ..Columns::default() };
    let mut rare = Rare::default();
    let (mut last, mut last_ordinal) = (0, 0_u64);
    for (place, row) in rows.iter().enumerate() {
        let Row { ordinal, flow, latencies: _ } = *row;
        columns.ordinal.push(ordinal.wrapping_sub(last_ordinal).cast_signed());
        last_ordinal = ordinal;
        let time = ticks(flow.time);
        columns.time.push(time - last);
        columns.duration.push(ticks(flow.end_time) - time);
        last = time;
        columns.relation.push(tables.relation(flow));
        columns.kind.push(tables.kind(flow));
        columns.push(flow);
        rare.push(place as Index, *row);
    }
    pack(&tables.into_content(columns, rare))
}

fn is_whole(time: Timestamp) -> bool {
    time.subsec_nanosecond() % MICROSECOND == 0
}

impl Columns {
    fn push(&mut self, flow: &Flow) {
        self.port.push(flow.source.port().map_or(0, |port| u32::from(port) + 1));
        self.attempts.push(flow.attempts);
        self.tries.push(flow.tries);
        self.packets.push(flow.packets);
        self.bytes.push(flow.bytes);
        self.latency.push(flow.latency_us.map(|latency| latency.min));
    }
}

impl Rare {
    fn push(&mut self, place: Index, Row { ordinal: _, flow, latencies }: Row<'_>) {
        self.latencies.extend(latencies.map(|latencies| (place, steps(latencies))));
        if let Some(latency) = flow.latency_us.filter(|latency| *latency != Latency::single(latency.min)) {
            self.latency.push((place, latency.p50, latency.p99, latency.max));
        }
        self.retransmits.extend(flow.retransmits.map(|count| (place, count)));
        self.srtt.extend(flow.srtt_us.map(|micros| (place, micros)));
        if flow.lost != 0 || !flow.losses.is_empty() {
            self.lost.push((place, flow.lost, flow.losses.clone()));
        }
    }
}

fn steps(latencies: &Latencies) -> Vec<(u64, u64)> {
    let mut before = 0;
    let step = |(value, count): &(u64, u64)| (value - std::mem::replace(&mut before, *value), *count);
    latencies.counts().iter().map(step).collect()
}
