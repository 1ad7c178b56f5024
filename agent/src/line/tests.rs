//! Lines against serde, for any flow that one attempt can make.

use super::*;
use crate::strategies;
use portolan_policy::{Flow, Latency, Who};
use portolan_proto::Observation;
use proptest::{collection::vec, prelude::*};

fn by_serde(mut flow: Flow, losses: &[Loss]) -> String {
    for loss in losses {
        flow.lose(loss.clone());
    }
    serde_json::to_string(&flow).unwrap() + "\n"
}

/// What a record keeps of any flow: one attempt, and losses stand beside it.
fn of_one_attempt(flow: Flow) -> Flow {
    let latency_us = flow.latency_us.map(|latency| Latency::single(latency.p50));
    Flow { attempts: 1, lost: 0, losses: Vec::new(), latency_us, ..flow }
}

proptest! {
    #[test]
    fn lines_are_those_of_serde_whatever_the_record(
        told in vec((strategies::observation(), vec(strategies::loss(), 0..3)), 1..4),
    ) {
        let (mut writer, mut lines, mut expected) = (LineWriter::default(), Vec::new(), String::new());
        for (Observation { flow, connection, witness, .. }, losses) in told {
            let flow = of_one_attempt(flow);
            let record = Record::sample(Observation { flow: flow.clone(), latencies: None, connection, witness });
            prop_assert_eq!(&record.flow(), &flow);
            let mut beside = Vec::new();
            for loss in losses {
                loss.add_to(&mut beside);
            }
            // The second time, the relation's part is there already.
            for _ in 0..2 {
                writer.write(&record, &beside, &mut lines);
                expected += &by_serde(flow.clone(), &beside);
            }
        }
        prop_assert_eq!(String::from_utf8(lines).unwrap(), expected);
    }
}

#[test]
fn a_name_that_looks_like_a_port_is_no_port() {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut observation = strategies::observation().new_tree(&mut runner).unwrap().current();
    observation.flow = of_one_attempt(observation.flow);
    let end = |name: &str, port| {
        let (namespace, name) = (name.to_owned(), name.to_owned());
        Who::Service { namespace, name, ip: [10, 0, 0, 1].into() }.at(port)
    };
    for name in [",\"port\":", "\",\"port\":null", ",", "\\"] {
        observation.flow.source = end(name, Some(7));
        let record = Record::sample(observation.clone());
        let mut line = Vec::new();
        LineWriter::default().write(&record, &[], &mut line);
        assert_eq!(String::from_utf8(line).unwrap(), by_serde(observation.flow.clone(), &[]), "{name}");
    }
}
