//! However the views are ordered, repeated or delayed, a connection is one flow.

use super::{Counters, Join, Limits};
use crate::build::{FlowExt as _, at, by_destination, by_source, web_to_db};
use portolan_policy::{Flow, Outcome, Protocol};
use portolan_proto::Observation;
use proptest::{prelude::*, sample::Index};
use std::{collections::BTreeMap, time::Duration};

/// One connection of the world: which sides tell of it.
#[derive(Clone, Debug)]
struct Attempt {
    protocol: Protocol,
    port: u16,
    source: Option<Outcome>,
    destination: Option<Outcome>,
    skew: i64,
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop::sample::select(Outcome::ALL.to_vec())
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let protocol = prop::sample::select(vec![Protocol::Tcp, Protocol::Udp]);
    let sides = prop_oneof![
        (outcome(), outcome()).prop_map(|(source, destination)| (Some(source), Some(destination))),
        outcome().prop_map(|source| (Some(source), None)),
        outcome().prop_map(|destination| (None, Some(destination))),
    ];
    (protocol, 40_000_u16..40_004, sides, -1500_i64..1500).prop_map(
        |(protocol, port, (source, destination), skew)| Attempt { protocol, port, source, destination, skew },
    )
}

impl Attempt {
    /// Its views. Attempts start far enough apart that no clock can mistake them.
    fn views(&self, number: usize) -> Vec<Observation> {
        let start = number as i64 * 10_000;
        let flow = |outcome, time| {
            web_to_db().over(self.protocol).source_port(self.port).ended(outcome).started(at(time))
        };
        let isn = if self.protocol == Protocol::Tcp { 1 + number as u32 } else { 0 };
        let source = self.source.map(|outcome| by_source(flow(outcome, start)));
        let destination = self.destination.map(|outcome| by_destination(flow(outcome, start + self.skew)));
        let with_isn = |mut view: Observation| {
            view.connection.tcp_isn = isn;
            view
        };
        source.into_iter().chain(destination).map(with_isn).collect()
    }
}

fn join() -> Join {
    let limits = Limits {
        window: Duration::from_secs(5),
        patience: Duration::from_secs(20),
        skew: Duration::from_secs(3),
        remember: Duration::from_mins(2),
        max_pending: 1000,
        max_remembered: 1000,
    };
    Join::new(limits, Counters::default())
}

proptest! {
    #[test]
    fn every_connection_is_exactly_one_flow(
        attempts in prop::collection::vec(attempt(), 1..12),
        order in prop::collection::vec((any::<Index>(), 0_u64..900), 0..80),
        speaks in any::<bool>(),
    ) {
        let views: Vec<_> =
            attempts.iter().enumerate().flat_map(|(number, attempt)| attempt.views(number)).collect();
        // First some of them in any order and as often as it happens, then the rest.
        let shuffled = order.iter().map(|(index, wait)| (index.index(views.len()), *wait));
        let rest = (0..views.len()).rev().map(|index| (index, 0));
        let (mut join, mut now, mut flows) = (join(), Duration::ZERO, Vec::new());
        for (index, wait) in shuffled.chain(rest) {
            now += Duration::from_millis(wait);
            flows.extend(join.tick(now));
            let view = views[index].clone();
            let node = if view.witness.source_local { "n1" } else { "n2" };
            flows.extend(join.on_observation(now, node, view, |_| speaks, |_| Vec::new()));
        }
        flows.extend(join.tick(now + Duration::from_secs(20)));

        let mut made: BTreeMap<i64, u32> = BTreeMap::new();
        for flow in &flows {
            *made.entry(number_of(&flow.flow)).or_default() += 1;
        }
        let expected: BTreeMap<i64, u32> = (0..attempts.len() as i64).map(|number| (number, 1)).collect();
        prop_assert_eq!(made, expected);
        prop_assert_eq!(join.pending(), 0);
        prop_assert_eq!(join.tick(now + Duration::from_mins(10)), Vec::new());
        prop_assert!(join.memory.is_empty(), "everything is forgotten in the end");
    }
}

fn number_of(flow: &Flow) -> i64 {
    let millis = flow.time.duration_since(at(0)).as_millis() as i64;
    (millis + 5_000).div_euclid(10_000)
}
