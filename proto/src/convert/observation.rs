//! Observations, their join key and their witness.

use super::{
    error::{ConvertError, Within as _},
    scalar::{address, address_to_proto, port, required, time, timestamp_to_proto},
    words::Word as _,
};
use crate::{Connection, Observation, Witness, v1};
use portolan_policy::Protocol;
use std::net::SocketAddr;

impl From<Observation> for v1::Observation {
    fn from(Observation { flow, connection, witness }: Observation) -> Self {
        Self { flow: Some(flow.into()), connection: Some(connection.into()), witness: Some(witness.into()) }
    }
}

impl TryFrom<v1::Observation> for Observation {
    type Error = ConvertError;

    fn try_from(wire: v1::Observation) -> Result<Self, ConvertError> {
        let v1::Observation { flow, connection, witness } = wire;
        Ok(Self {
            flow: required(flow, "flow")?.try_into().within("flow")?,
            connection: required(connection, "connection")?.try_into().within("connection")?,
            witness: required(witness, "witness")?.into(),
        })
    }
}

impl From<Connection> for v1::Connection {
    fn from(Connection { protocol, source, destination, tcp_isn, start }: Connection) -> Self {
        Self {
            protocol: v1::Protocol::from(protocol).into(),
            source_ip: address_to_proto(source.ip()),
            source_port: u32::from(source.port()),
            destination_ip: address_to_proto(destination.ip()),
            destination_port: u32::from(destination.port()),
            tcp_isn,
            start: Some(timestamp_to_proto(start)),
        }
    }
}

impl TryFrom<v1::Connection> for Connection {
    type Error = ConvertError;

    fn try_from(wire: v1::Connection) -> Result<Self, ConvertError> {
        let v1::Connection {
            protocol,
            source_ip,
            source_port,
            destination_ip,
            destination_port,
            tcp_isn,
            start,
        } = wire;
        Ok(Self {
            protocol: Protocol::from_wire(protocol, "protocol")?,
            source: SocketAddr::new(address(&source_ip, "source_ip")?, port(source_port, "source_port")?),
            destination: SocketAddr::new(
                address(&destination_ip, "destination_ip")?,
                port(destination_port, "destination_port")?,
            ),
            tcp_isn,
            start: time(start, "start")?,
        })
    }
}

impl From<Witness> for v1::Witness {
    fn from(witness: Witness) -> Self {
        let Witness {
            source_local,
            destination_local,
            reached_pod,
            dropped_in_pod,
            recently_changed,
            filtered,
            no_way,
            forbidden,
        } = witness;
        Self {
            source_local,
            destination_local,
            reached_pod,
            dropped_in_pod,
            recently_changed,
            filtered,
            no_way,
            forbidden,
        }
    }
}

impl From<v1::Witness> for Witness {
    fn from(wire: v1::Witness) -> Self {
        let v1::Witness {
            source_local,
            destination_local,
            reached_pod,
            dropped_in_pod,
            recently_changed,
            filtered,
            no_way,
            forbidden,
        } = wire;
        Self {
            source_local,
            destination_local,
            reached_pod,
            dropped_in_pod,
            recently_changed,
            filtered,
            no_way,
            forbidden,
        }
    }
}
