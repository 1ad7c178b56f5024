//! However the views are ordered, repeated or delayed, a connection is one flow; and one more where it was told too early.

use super::{Counters, Join, Joined, Limits};
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
    /// Which sides tell again that it got through.
    again: [bool; 2],
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
    (protocol, 40_000_u16..40_004, sides, -1500_i64..1500, any::<[bool; 2]>()).prop_map(
        |(protocol, port, (source, destination), skew, again)| Attempt {
            protocol,
            port,
            source,
            destination,
            skew,
            again,
        },
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
        let told = [source, destination];
        let told = told.iter().zip(self.again).flat_map(|(told, again)| {
            let told = told.iter();
            told.clone().cloned().chain(told.filter(move |_| again).filter_map(got_through))
        });
        told.map(with_isn).collect()
    }

    /// Whether a side told it too early and tells so.
    fn is_told_again(&self) -> bool {
        let early = |told: Option<Outcome>| told.is_some_and(|told| told != Outcome::Established);
        let [source, destination] = self.again;
        (source && early(self.source)) || (destination && early(self.destination))
    }
}

/// The second telling of what was told too early.
fn got_through(told: &Observation) -> Option<Observation> {
    let mut again = told.clone();
    (again.flow.outcome, again.flow.revises) = (Outcome::Established, Some(told.flow.outcome));
    (told.flow.outcome != Outcome::Established).then_some(again)
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

        // How many flows tell it first, how many again, and whether one of them that it got through.
        let mut made: BTreeMap<i64, (u32, u32, bool)> = BTreeMap::new();
        for Joined { flow, latencies: _ } in &flows {
            let (first, again, through) = made.entry(number_of(flow)).or_default();
            *if flow.revises.is_some() { again } else { first } += 1;
            *through |= flow.outcome == Outcome::Established;
            prop_assert_ne!(flow.revises, Some(flow.outcome), "nothing revises itself");
        }
        prop_assert_eq!(made.len(), attempts.len());
        for (attempt, (first, again, through)) in attempts.iter().zip(made.into_values()) {
            prop_assert_eq!(first, 1, "{:?}", attempt);
            prop_assert!(again <= u32::from(attempt.is_told_again()), "{:?}", attempt);
            prop_assert!(through || !attempt.is_told_again(), "what got through is told so: {:?}", attempt);
        }
        prop_assert_eq!(join.pending(), 0);
        prop_assert_eq!(join.tick(now + Duration::from_mins(10)), Vec::new());
        prop_assert!(join.memory.is_empty(), "everything is forgotten in the end");
    }
}

fn number_of(flow: &Flow) -> i64 {
    let millis = flow.time.duration_since(at(0)).as_millis() as i64;
    (millis + 5_000).div_euclid(10_000)
}
