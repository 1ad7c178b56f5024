//! The wire and the domain say the same, and nothing that comes over the wire can do harm.
#![expect(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod strategies;

use portolan_policy::Flow;
use portolan_proto::{ConvertError, Problem, v1};
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
    fn arbitrary_bytes_are_read_or_refused_with_a_field_name(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        if let Ok(message) = v1::Flow::decode(bytes.as_slice())
            && let Err(error) = Flow::try_from(message)
        {
            prop_assert!(!error.field.is_empty());
        }
    }

    #[test]
    fn a_damaged_flow_is_read_or_refused_with_a_field_name(
        flow in strategies::flow(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = v1::Flow::from(flow).encode_to_vec();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(message) = v1::Flow::decode(bytes.as_slice())
            && let Err(error) = Flow::try_from(message)
        {
            prop_assert!(!error.field.is_empty());
        }
    }
}

/// A message that converts, to be spoilt one field at a time.
fn sound() -> v1::Flow {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    loop {
        let wire = v1::Flow::from(strategies::flow().new_tree(&mut runner).unwrap().current());
        let pod = matches!(wire.source, Some(v1::End { end: Some(v1::end::End::Pod(_)) }));
        let policies = wire.ingress.as_ref().is_some_and(|side| side.policies.len() > 1);
        if pod && policies && !wire.losses.is_empty() {
            return wire;
        }
    }
}

fn source_pod(wire: &mut v1::Flow) -> &mut v1::PodEnd {
    match &mut wire.source {
        Some(v1::End { end: Some(v1::end::End::Pod(pod)) }) => pod,
        other => panic!("not a pod: {other:?}"),
    }
}

#[test]
fn an_error_names_the_field_and_the_problem() {
    type Spoil = fn(&mut v1::Flow);
    let cases: [(&str, Problem, Spoil); 11] = [
        ("time", Problem::Missing, |flow| flow.time = None),
        ("time", Problem::Time { seconds: 0, nanos: -1 }, |flow| {
            flow.time = Some(prost_types::Timestamp { seconds: 0, nanos: -1 });
        }),
        ("verdict", Problem::UnknownValue(0), |flow| flow.verdict = 0),
        ("outcome", Problem::UnknownValue(77), |flow| flow.outcome = 77),
        ("protocol", Problem::UnknownValue(7), |flow| flow.protocol = 7),
        ("source.end", Problem::Missing, |flow| flow.source.as_mut().unwrap().end = None),
        ("source.pod.ip", Problem::AddressLength(5), |flow| source_pod(flow).ip = vec![1; 5]),
        ("source.pod.port", Problem::Port(65536), |flow| source_pod(flow).port = Some(65536)),
        ("source.pod.namespace", Problem::Empty, |flow| source_pod(flow).namespace.clear()),
        ("ingress.policies[1].kind", Problem::UnknownValue(9), |flow| {
            flow.ingress.as_mut().unwrap().policies[1].kind = 9;
        }),
        ("losses[0].from", Problem::Missing, |flow| flow.losses[0].from = None),
    ];
    for (field, problem, spoil) in cases {
        let mut wire = sound();
        spoil(&mut wire);
        let expected = ConvertError { field: field.to_owned(), problem };
        assert_eq!(Flow::try_from(wire), Err(expected));
    }
}

#[test]
fn the_error_text_reads_as_a_sentence() {
    let mut wire = sound();
    source_pod(&mut wire).ip = vec![1; 5];
    let error = Flow::try_from(wire).unwrap_err();
    assert_eq!(error.to_string(), "field `source.pod.ip`: has 5 bytes; an address has 4 or 16");
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
    assert_eq!(services, ["Flows", "Graph", "Ingest", "Status"]);
}
