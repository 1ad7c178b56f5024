//! The wire and the domain say the same, and nothing that comes over the wire can do harm.
#![expect(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod strategies;

use portolan_policy::Flow;
use portolan_proto::{ConvertError, Observation, Problem, v1};
use proptest::prelude::*;
use prost::Message as _;

proptest! {
    #[test]
    fn a_flow_survives_the_wire(flow in strategies::flow()) {
        let bytes = v1::Flow::from(flow.clone()).encode_to_vec();
        let back = Flow::try_from(v1::Flow::decode(bytes.as_slice()).unwrap());
        prop_assert_eq!(back, Ok(flow));
    }

    #[test]
    fn an_observation_survives_the_wire(observation in strategies::observation()) {
        let bytes = v1::Observation::from(observation.clone()).encode_to_vec();
        let back = Observation::try_from(v1::Observation::decode(bytes.as_slice()).unwrap());
        prop_assert_eq!(back, Ok(observation));
    }

    #[test]
    fn arbitrary_bytes_are_read_or_refused_with_a_field_name(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        if let Ok(message) = v1::Observation::decode(bytes.as_slice())
            && let Err(error) = Observation::try_from(message)
        {
            prop_assert!(!error.field.is_empty());
        }
    }

    #[test]
    fn a_damaged_observation_is_read_or_refused_with_a_field_name(
        observation in strategies::observation(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = v1::Observation::from(observation).encode_to_vec();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(message) = v1::Observation::decode(bytes.as_slice())
            && let Err(error) = Observation::try_from(message)
        {
            prop_assert!(!error.field.is_empty());
        }
    }
}

/// A message that converts, to be spoilt one field at a time.
fn sound() -> v1::Observation {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    loop {
        let observation = strategies::observation().new_tree(&mut runner).unwrap().current();
        let wire = v1::Observation::from(observation);
        let flow = wire.flow.as_ref().unwrap();
        let pod = matches!(flow.source, Some(v1::End { end: Some(v1::end::End::Pod(_)) }));
        let policies = flow.ingress.as_ref().is_some_and(|side| side.policies.len() > 1);
        if pod && policies && !flow.losses.is_empty() {
            return wire;
        }
    }
}

fn source_pod(wire: &mut v1::Observation) -> &mut v1::PodEnd {
    match &mut wire.flow.as_mut().unwrap().source {
        Some(v1::End { end: Some(v1::end::End::Pod(pod)) }) => pod,
        other => panic!("not a pod: {other:?}"),
    }
}

#[test]
fn an_error_names_the_field_and_the_problem() {
    type Spoil = fn(&mut v1::Observation);
    let cases: [(&str, Problem, Spoil); 14] = [
        ("flow", Problem::Missing, |o| o.flow = None),
        ("flow.time", Problem::Missing, |o| o.flow.as_mut().unwrap().time = None),
        ("flow.time", Problem::Time { seconds: 0, nanos: -1 }, |o| {
            o.flow.as_mut().unwrap().time = Some(prost_types::Timestamp { seconds: 0, nanos: -1 });
        }),
        ("flow.verdict", Problem::UnknownValue(0), |o| o.flow.as_mut().unwrap().verdict = 0),
        ("flow.outcome", Problem::UnknownValue(77), |o| o.flow.as_mut().unwrap().outcome = 77),
        ("flow.protocol", Problem::UnknownValue(7), |o| o.flow.as_mut().unwrap().protocol = 7),
        ("flow.source.end", Problem::Missing, |o| {
            o.flow.as_mut().unwrap().source.as_mut().unwrap().end = None;
        }),
        ("flow.source.pod.ip", Problem::AddressLength(5), |o| source_pod(o).ip = vec![1; 5]),
        ("flow.source.pod.port", Problem::Port(65536), |o| source_pod(o).port = Some(65536)),
        ("flow.source.pod.namespace", Problem::Empty, |o| source_pod(o).namespace.clear()),
        ("flow.ingress.policies[1].kind", Problem::UnknownValue(9), |o| {
            o.flow.as_mut().unwrap().ingress.as_mut().unwrap().policies[1].kind = 9;
        }),
        ("connection.destination_port", Problem::Port(70000), |o| {
            o.connection.as_mut().unwrap().destination_port = 70000;
        }),
        ("flow.losses[0].from", Problem::Missing, |o| o.flow.as_mut().unwrap().losses[0].from = None),
        ("witness", Problem::Missing, |o| o.witness = None),
    ];
    for (field, problem, spoil) in cases {
        let mut wire = sound();
        spoil(&mut wire);
        let expected = ConvertError { field: field.to_owned(), problem };
        assert_eq!(Observation::try_from(wire), Err(expected));
    }
}

#[test]
fn the_error_text_reads_as_a_sentence() {
    let mut wire = sound();
    source_pod(&mut wire).ip = vec![1; 5];
    let error = Observation::try_from(wire).unwrap_err();
    assert_eq!(error.to_string(), "field `flow.source.pod.ip`: has 5 bytes; an address has 4 or 16");
}

#[test]
fn the_descriptor_set_names_every_service() {
    let set = prost_types::FileDescriptorSet::decode(portolan_proto::DESCRIPTORS).unwrap();
    let mut services: Vec<_> = set
        .file
        .iter()
        .flat_map(|f| f.service.iter().map(prost_types::ServiceDescriptorProto::name))
        .collect();
    services.sort_unstable();
    assert_eq!(services, ["Flows", "Ingest", "Status"]);
}
