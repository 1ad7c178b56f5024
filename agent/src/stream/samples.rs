//! Records for tests, and what a batch on its way holds.

use super::Item;
use crate::attribute::Record;
use jiff::Timestamp;
use portolan_policy::{Flow, Loss, Outcome, Protocol, Reporter, SideDecision, SideVerdict, Verdict, Who};
use portolan_proto::{Connection, Observation, Witness, decode, v1};
use prost::{Message as _, bytes::Bytes};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

pub(super) const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// An item of one record.
pub(super) fn numbered(number: u32) -> Item {
    Item::Records(vec![record(number)])
}

/// A record that can be told from others by its number, which is the address that it leads to.
pub(super) fn record(number: u32) -> Record {
    let (client, server) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::from_bits(number));
    let end = |ip: Ipv4Addr| Who::External { ip: ip.into() }.at(Some(80));
    let side = || SideDecision::plain(SideVerdict::NotApplicable).into();
    let flow = Flow {
        time: NOW,
        end_time: NOW,
        source: end(client),
        destination: end(server),
        service: None,
        protocol: Protocol::Tcp,
        outcome: Outcome::Established,
        revises: None,
        drop_reason: None,
        drop_location: None,
        enforced_by: None,
        passed_netfilter: None,
        verdict: Verdict::Allowed,
        inferred: false,
        egress: side(),
        ingress: side(),
        reporter: Reporter::Both,
        attempts: 1,
        tries: 1,
        packets: 1,
        bytes: 0,
        latency_us: None,
        retransmits: None,
        srtt_us: None,
        lost: 0,
        losses: Vec::new(),
    };
    let connection = Connection {
        protocol: Protocol::Tcp,
        source: SocketAddr::new(client.into(), 80),
        destination: SocketAddr::new(server.into(), 80),
        tcp_isn: 1,
        start: NOW,
    };
    Record::sample(Observation { flow, latencies: None, connection, witness: Witness::default() })
}

pub(super) fn lost(cause: &str, count: u64) -> Item {
    Item::Loss(Loss { cause: cause.to_owned(), count, from: NOW, to: NOW })
}

/// A batch out of its bytes.
pub(super) fn read(body: &Bytes) -> v1::Batch {
    v1::Batch::decode(body.clone()).unwrap()
}

/// The numbers of the records in a batch.
pub(super) fn numbers(batch: &v1::Batch) -> Vec<u32> {
    let records = decode(batch).unwrap().observations;
    records.iter().map(|record| number(record.flow.destination.ip())).collect()
}

fn number(address: IpAddr) -> u32 {
    let IpAddr::V4(address) = address else { panic!("{address} is of no sample") };
    address.to_bits()
}

/// What batches tell of a loss.
pub(super) fn count(batches: &[v1::Batch], cause: &str) -> u64 {
    let given_up = batches.iter().flat_map(|batch| &batch.given_up).flat_map(|batch| &batch.losses);
    let losses = batches.iter().flat_map(|batch| &batch.losses).chain(given_up);
    losses.filter(|loss| loss.cause == cause).map(|loss| loss.count).sum()
}
