//! Very many edges: memory and rows stay bounded, counts exact.

use super::{Rig, settings};
use crate::{
    build::{FlowExt as _, denied, external, flow, pod},
    graph::{Bounds, Settings, answer::Party},
};
use portolan_policy::Flow;
use std::net::Ipv4Addr;

/// Scanners: the more, the longer it takes.
const ADDRESSES: u32 = if cfg!(debug_assertions) { 100_000 } else { 10_000_000 };

fn scan(address: u32) -> Flow {
    let source = external(&Ipv4Addr::from(0x4000_0000 + address).to_string());
    flow(source, pod("shop/web-1", "10.0.1.1", "n1")).ingress(denied(&["shop/web"]))
}

fn small(addresses: usize, cells: usize) -> Rig {
    Rig::new(Settings { bounds: Bounds { addresses, cells }, ..settings() })
}

#[test]
fn addresses_beyond_the_bound_are_one_party_and_every_attempt_counts() {
    let mut rig = small(1000, 100_000);
    for first in (0..ADDRESSES).step_by(10_000) {
        rig.pour((first..first + 10_000).map(scan));
        rig.keeper.checkpoint().unwrap();
    }
    let answer = rig.ask(None, None);
    assert_eq!(answer.edges.len(), 1001);
    let other = answer.edges.last().unwrap();
    assert_eq!(other.edge.source, Party::Other);
    assert_ne!(other.edge.destination, Party::Other);
    assert_eq!(other.tally.attempts, u64::from(ADDRESSES) - 1000);
    assert_eq!(answer.edges.iter().map(|edge| edge.tally.attempts).sum::<u64>(), u64::from(ADDRESSES));
    assert_eq!(rig.counters.other_addresses.get(), u64::from(ADDRESSES) - 1000);
    assert_eq!((rig.counters.edges.get(), rig.counters.other_edges.get()), (1001, 0));
    assert!(rig.store.bytes() < 100_000, "{} bytes", rig.store.bytes());
}

#[test]
fn edges_beyond_the_bound_are_one_edge_for_each_way_to_end() {
    let mut rig = small(100_000, 500);
    rig.pour((0..5000).map(scan));
    rig.pour((0..2000).map(|port| scan(1).destination_port(port)));
    let answer = rig.ask(None, None);
    let other = answer.edges.last().unwrap();
    assert_eq!((&other.edge.source, &other.edge.destination), (&Party::Other, &Party::Other));
    assert_eq!((other.counts.len(), other.counts[0].verdict), (1, scan(1).verdict));
    assert_eq!(other.tally.attempts, rig.counters.other_edges.get());
    assert_eq!(answer.edges.iter().map(|edge| edge.tally.attempts).sum::<u64>(), 7000);
    assert_eq!(answer.edges.len(), 500);
}

#[test]
fn each_day_has_room_anew() {
    let mut rig = small(1, 100);
    for day in 0..3 {
        let now = rig.now;
        rig.add((0..2).map(|address| (scan(10 * day + address).started(now), None)).collect());
        rig.pass(24 * 60, 0);
    }
    let answer = rig.ask(None, None);
    assert_eq!(answer.edges.len(), 4, "three addresses and the others");
    assert_eq!(answer.edges[3].tally.attempts, 3);
}
