//! From a block to flows: all of them, or those that are wanted. Nothing in a block is believed.

use super::{Columns, Flows, Rare, Shared, make::Maker, names::Index, unpack_bytes, view::View};
use crate::{filter::Filters, made::Made};
use jiff::Timestamp;
use portolan_policy::{Flow, Latency};
use portolan_proto::Latencies;
use std::io;

/// Why bytes are no block.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BlockError {
    /// It ends before it should.
    #[error("it is too short")]
    Short,
    /// Another version wrote it, or nobody.
    #[error("it has form {0}, which this version does not know")]
    Version(u8),
    /// It would not fit in memory.
    #[error("it says that it holds {0} bytes")]
    Large(usize),
    /// What is compressed is broken.
    #[error("its zstd frame is broken")]
    Frame(#[source] io::Error),
    /// What was compressed is not what was written.
    #[error("its content is broken")]
    Content(#[source] postcard::Error),
    /// A table or a column has no such place.
    #[error("its {0} do not fit together")]
    Shape(&'static str),
}

/// The flows of a block, in their order.
pub(crate) fn decode(block: &[u8]) -> Result<Vec<Made>, BlockError> {
    pick(block, &Filters::default(), |_, _| true)
}

/// The flows of a block that filters take and that may be, by their time and ordinal. The filters are asked about what
/// flows share, and only flows that pass are made.
pub(crate) fn pick(
    block: &[u8],
    filters: &Filters,
    mut may_be: impl FnMut(Timestamp, u64) -> bool,
) -> Result<Vec<Made>, BlockError> {
    let plain = unpack_bytes(block)?;
    let (shared, flows): (Shared, _) = postcard::take_from_bytes(&plain).map_err(BlockError::Content)?;
    let view = View::new(&shared)?;
    let sieve = view.sieve(filters);
    if sieve.is_closed() {
        return Ok(Vec::new());
    }
    let Flows { columns, rare } = postcard::from_bytes(flows).map_err(BlockError::Content)?;
    columns.check(&shared)?;
    let mut maker = Maker::new(&shared);
    let mut picked = Picked { rows: columns.relation.len(), places: Vec::new(), flows: Vec::new() };
    let (mut last, mut ordinal) = (0_i128, 0_u64);
    for place in 0..picked.rows {
        ordinal = ordinal.wrapping_add_signed(columns.ordinal[place]);
        last = last.checked_add(columns.time[place]).ok_or(BlockError::Shape("times"))?;
        let (relation, kind) = (columns.relation[place] as usize, columns.kind[place] as usize);
        if sieve.passes((relation, &view.relation(relation)), kind, columns.source_port(place)?) {
            let time = columns.timestamp(Some(last))?;
            if may_be(time, ordinal) {
                let flow = maker.flow(&columns, place, (time, last))?;
                picked.places.push(place as Index);
                picked.flows.push(Made { ordinal, flow, latencies: None });
            }
        }
    }
    rare.apply(&mut picked)?;
    Ok(picked.flows)
}

impl Columns {
    /// Whether they fit together, and to what flows share.
    fn check(&self, shared: &Shared) -> Result<(), BlockError> {
        let Self {
            ordinal,
            relation,
            kind,
            unit: _,
            time,
            duration,
            port,
            attempts,
            tries,
            packets,
            bytes,
            latency,
        } = self;
        let lengths = [kind.len(), time.len(), duration.len(), port.len(), attempts.len(), tries.len()];
        let more = [ordinal.len(), packets.len(), bytes.len(), latency.len()];
        let same = lengths.iter().chain(&more).all(|length| *length == relation.len());
        let is_below = |places: &[Index], count: usize| places.iter().all(|place| (*place as usize) < count);
        match () {
            () if !same => Err(BlockError::Shape("columns")),
            () if !is_below(relation, shared.relations.len()) => Err(BlockError::Shape("relations")),
            () if !is_below(kind, shared.kinds.len()) => Err(BlockError::Shape("kinds")),
            () => Ok(()),
        }
    }

    pub(super) fn timestamp(&self, time: Option<i128>) -> Result<Timestamp, BlockError> {
        let nanos = time.and_then(|time| time.checked_mul(i128::from(self.unit)));
        let nanos = nanos.ok_or(BlockError::Shape("times"))?;
        Timestamp::from_nanosecond(nanos).map_err(|_| BlockError::Shape("times"))
    }

    pub(super) fn source_port(&self, place: usize) -> Result<Option<u16>, BlockError> {
        let port = self.port[place].checked_sub(1);
        port.map(|port| u16::try_from(port).map_err(|_| BlockError::Shape("ports"))).transpose()
    }
}

/// The flows that were made of a block.
struct Picked {
    /// How many flows the block has.
    rows: usize,
    /// The place of each in it.
    places: Vec<Index>,
    flows: Vec<Made>,
}

impl Picked {
    /// The flow of a place, if it was made.
    fn made(&mut self, place: Index) -> Result<Option<&mut Made>, BlockError> {
        if place as usize >= self.rows {
            return Err(BlockError::Shape("rare columns"));
        }
        let found = self.places.binary_search(&place).ok();
        Ok(found.and_then(|found| self.flows.get_mut(found)))
    }

    fn flow(&mut self, place: Index) -> Result<Option<&mut Flow>, BlockError> {
        Ok(self.made(place)?.map(|made| &mut made.flow))
    }
}

impl Rare {
    fn apply(self, picked: &mut Picked) -> Result<(), BlockError> {
        let Self { latency, latencies, retransmits, srtt, lost } = self;
        for (place, steps) in latencies {
            if let Some(made) = picked.made(place)? {
                made.latencies = Some(histogram(steps));
            }
        }
        for (place, p50, p99, max) in latency {
            if let Some(flow) = picked.flow(place)? {
                let min = flow.latency_us.ok_or(BlockError::Shape("latencies"))?.min;
                flow.latency_us = Some(Latency { min, p50, p99, max });
            }
        }
        for (place, count) in retransmits {
            if let Some(flow) = picked.flow(place)? {
                flow.retransmits = Some(count);
            }
        }
        for (place, micros) in srtt {
            if let Some(flow) = picked.flow(place)? {
                flow.srtt_us = Some(micros);
            }
        }
        for (place, count, losses) in lost {
            if let Some(flow) = picked.flow(place)? {
                (flow.lost, flow.losses) = (count, losses);
            }
        }
        Ok(())
    }
}

fn histogram(steps: Vec<(u64, u64)>) -> Latencies {
    Latencies::from_counts(steps.into_iter().scan(0_u64, |value, (step, count)| {
        *value = value.saturating_add(step);
        Some((*value, count))
    }))
}
