//! The plain way to send a record: a message of its own that spells everything out.

use crate::traffic::Record;
use portolan_policy::Flow;
use portolan_proto::{Connection, Observation, Witness, timestamp, timestamp_to_proto, v1};
use prost::Message;
use std::net::{IpAddr, SocketAddr};

#[derive(Clone, PartialEq, Message)]
struct Key {
    #[prost(enumeration = "v1::Protocol", tag = "1")]
    protocol: i32,
    #[prost(bytes = "vec", tag = "2")]
    source_ip: Vec<u8>,
    #[prost(uint32, tag = "3")]
    source_port: u32,
    #[prost(bytes = "vec", tag = "4")]
    destination_ip: Vec<u8>,
    #[prost(uint32, tag = "5")]
    destination_port: u32,
    #[prost(uint32, tag = "6")]
    tcp_isn: u32,
    #[prost(message, optional, tag = "7")]
    start: Option<prost_types::Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
struct Seen {
    #[prost(bool, tag = "1")]
    source_local: bool,
    #[prost(bool, tag = "2")]
    destination_local: bool,
    #[prost(bool, tag = "3")]
    reached_pod: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Single {
    #[prost(message, optional, tag = "1")]
    flow: Option<v1::Flow>,
    #[prost(message, optional, tag = "2")]
    key: Option<Key>,
    #[prost(message, optional, tag = "3")]
    seen: Option<Seen>,
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(four) => four.octets().to_vec(),
        IpAddr::V6(sixteen) => sixteen.octets().to_vec(),
    }
}

/// Writes one message after the other, each with its length.
pub(crate) fn encode(records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Record { observation: Observation { flow, latencies: _, connection, witness }, .. } in records {
        let key = Key {
            protocol: v1::Protocol::from(connection.protocol).into(),
            source_ip: octets(connection.source.ip()),
            source_port: connection.source.port().into(),
            destination_ip: octets(connection.destination.ip()),
            destination_port: connection.destination.port().into(),
            tcp_isn: connection.tcp_isn,
            start: Some(timestamp_to_proto(connection.start)),
        };
        let Witness { source_local, destination_local, reached_pod, .. } = *witness;
        let single = Single {
            flow: Some(flow.clone().into()),
            key: Some(key),
            seen: Some(Seen { source_local, destination_local, reached_pod }),
        };
        single.encode_length_delimited(&mut bytes).expect("a vector takes any bytes");
    }
    bytes
}

/// Reads them back.
pub(crate) fn decode(mut bytes: &[u8]) -> anyhow::Result<Vec<Observation>> {
    let mut observations = Vec::new();
    while !bytes.is_empty() {
        let single = Single::decode_length_delimited(&mut bytes)?;
        let (key, seen) = (single.key.unwrap_or_default(), single.seen.unwrap_or_default());
        let flow: Flow = single.flow.unwrap_or_default().try_into()?;
        let Seen { source_local, destination_local, reached_pod } = seen;
        observations.push(Observation {
            connection: Connection {
                protocol: flow.protocol,
                source: socket(&key.source_ip, key.source_port)?,
                destination: socket(&key.destination_ip, key.destination_port)?,
                tcp_isn: key.tcp_isn,
                start: timestamp(key.start.unwrap_or_default(), "start")?,
            },
            flow,
            latencies: None,
            witness: Witness { source_local, destination_local, reached_pod, ..Witness::default() },
        });
    }
    Ok(observations)
}

fn socket(octets: &[u8], port: u32) -> anyhow::Result<SocketAddr> {
    Ok(SocketAddr::new(<[u8; 4]>::try_from(octets)?.into(), port.try_into()?))
}
