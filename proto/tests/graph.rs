//! What the graph says survives the wire, and nothing that comes over it can do harm.
#![expect(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod strategies;

use portolan_proto::{
    ConvertError, Problem,
    graph::{Covered, Edge, PolicyHit},
    v1,
};
use proptest::prelude::*;
use prost::Message;

/// Reads bytes as a message and then as what it means; an error must say which field.
fn read<W: Message + Default, T: TryFrom<W, Error = ConvertError>>(bytes: &[u8]) -> Option<T> {
    let read = T::try_from(W::decode(bytes).ok()?);
    read.inspect_err(|error| assert!(!error.field.is_empty())).ok()
}

proptest! {
    #[test]
    fn an_edge_survives_the_wire(edge in strategies::edge()) {
        let bytes = v1::Edge::from(edge.clone()).encode_to_vec();
        prop_assert_eq!(read::<v1::Edge, Edge>(&bytes), Some(edge));
    }

    #[test]
    fn a_hit_survives_the_wire(hit in strategies::policy_hit()) {
        let bytes = v1::PolicyHit::from(hit.clone()).encode_to_vec();
        prop_assert_eq!(read::<v1::PolicyHit, PolicyHit>(&bytes), Some(hit));
    }

    #[test]
    fn a_damaged_edge_is_read_or_refused_with_a_field_name(
        edge in strategies::edge(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = v1::Edge::from(edge).encode_to_vec();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        read::<v1::Edge, Edge>(&bytes);
        read::<v1::PolicyHit, PolicyHit>(&bytes);
        read::<v1::Covered, Covered>(&bytes);
    }
}

#[test]
fn an_error_names_the_field_and_the_problem() {
    type Spoil = fn(&mut v1::Edge);
    let cases: [(&str, Problem, Spoil); 7] = [
        ("first", Problem::Missing, |edge| edge.first = None),
        ("source.party", Problem::Missing, |edge| edge.source = Some(v1::Party { party: None })),
        ("destination.external", Problem::AddressLength(3), |edge| {
            edge.destination = Some(v1::Party { party: Some(v1::party::Party::External(vec![1; 3])) });
        }),
        ("port", Problem::Port(65_536), |edge| edge.port = Some(65_536)),
        ("outcomes[0].verdict", Problem::UnknownValue(9), |edge| {
            let outcome = v1::Outcome::Dropped.into();
            edge.outcomes = vec![v1::OutcomeCount { outcome, verdict: 9, ..Default::default() }];
        }),
        ("decisions[0].direction", Problem::UnknownValue(0), |edge| {
            edge.decisions = vec![v1::DecisionCount::default()];
        }),
        ("latency_us.counts", Problem::Missing, |edge| {
            edge.latency_us = Some(v1::LatencySummary { values: vec![1], ..Default::default() });
        }),
    ];
    for (field, problem, spoil) in cases {
        let mut edge = sound();
        spoil(&mut edge);
        assert_eq!(Edge::try_from(edge), Err(ConvertError { field: field.to_owned(), problem }));
    }
}

fn sound() -> v1::Edge {
    let node = |name: &str| Some(v1::Party { party: Some(v1::party::Party::Node(name.to_owned())) });
    let time = Some(prost_types::Timestamp { seconds: 1, nanos: 0 });
    let edge = v1::Edge {
        source: node("a"),
        destination: node("b"),
        protocol: v1::Protocol::Tcp.into(),
        first: time,
        last: time,
        ..Default::default()
    };
    Edge::try_from(edge.clone()).unwrap();
    edge
}
