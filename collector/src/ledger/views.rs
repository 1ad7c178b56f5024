//! The form of views that wait: the flows as a block, beside them what only the join needs.

use super::block::{self, BlockError, Row};
use crate::{
    join::{Side, Waits},
    made::Made,
};
use jiff::Timestamp;
use portolan_policy::Protocol;
use portolan_proto::{Connection, Observation, Witness};
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, sync::Arc};

#[derive(Debug, Serialize, Deserialize)]
struct Views {
    flows: Vec<u8>,
    rest: Vec<Rest>,
}

/// What a view has beside its flow.
#[derive(Debug, Serialize, Deserialize)]
struct Rest {
    number: u64,
    side: Side,
    protocol: Protocol,
    source: SocketAddr,
    destination: SocketAddr,
    tcp_isn: u32,
    start: i128,
    witness: u8,
}

/// Writes views that wait.
pub(crate) fn encode(waits: &[Waits]) -> Vec<u8> {
    let flows = block::encode(&waits.iter().map(row).collect::<Vec<_>>());
    block::pack(&Views { flows, rest: waits.iter().map(rest).collect() })
}

/// Reads views that wait.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Waits>, BlockError> {
    let Views { flows, rest } = block::unpack(bytes)?;
    let flows = block::decode(&flows)?;
    if flows.len() != rest.len() {
        return Err(BlockError::Shape("views"));
    }
    flows.into_iter().zip(rest).map(|(made, rest)| waits(made, &rest)).collect()
}

/// The flow of a view; nobody asks for its ordinal.
fn row(waits: &Waits) -> Row<'_> {
    let Observation { flow, latencies, connection: _, witness: _ } = &*waits.view;
    Row { ordinal: 0, flow, latencies: latencies.as_ref() }
}

fn rest(Waits { number, side, view }: &Waits) -> Rest {
    let Connection { protocol, source, destination, tcp_isn, start } = view.connection;
    Rest {
        number: *number,
        side: *side,
        protocol,
        source,
        destination,
        tcp_isn,
        start: start.as_nanosecond(),
        witness: view.witness.to_bits(),
    }
}

fn waits(Made { ordinal: _, flow, latencies }: Made, rest: &Rest) -> Result<Waits, BlockError> {
    let Rest { number, side, protocol, source, destination, tcp_isn, start, witness } = *rest;
    let start = Timestamp::from_nanosecond(start).map_err(|_| BlockError::Shape("times"))?;
    let connection = Connection { protocol, source, destination, tcp_isn, start };
    let witness = Witness::from_bits(witness);
    Ok(Waits { number, side, view: Arc::new(Observation { flow, latencies, connection, witness }) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{by_destination, by_source, web_to_db};
    use portolan_proto::Latencies;

    #[test]
    fn views_come_back_as_they_were() {
        let latencies = Some(Latencies::of(vec![5, 80, 80]));
        let view = Observation { latencies, ..by_source(web_to_db()) };
        let near = Waits { number: 3, side: Side::Source, view: Arc::new(view) };
        let far = Waits { number: 9, side: Side::Destination, view: Arc::new(by_destination(web_to_db())) };
        let waits = [near, far];
        assert_eq!(decode(&encode(&waits)).unwrap(), waits);
    }
}
