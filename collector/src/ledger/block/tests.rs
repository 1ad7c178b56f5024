//! What goes into a block comes out of it; what is no block costs an error.

use super::{Row, VERSION, decode};
use crate::{
    build::{FlowExt as _, admitted, at, web_to_db},
    made::Made,
    strategies,
};
use portolan_policy::{Flow, PodEnd, ServiceRef, Who};
use proptest::{prelude::*, sample::Index};
use std::sync::Arc;

fn encode(flows: &[Arc<Made>]) -> Vec<u8> {
    super::encode(&flows.iter().map(Row::from).collect::<Vec<_>>())
}

fn made() -> impl Strategy<Value = Arc<Made>> {
    let parts = (any::<u64>(), strategies::flow(), strategies::latencies());
    parts.prop_map(|(ordinal, flow, latencies)| Arc::new(Made { ordinal, flow, latencies }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn flows_come_out_as_they_went_in(flows in prop::collection::vec(made(), 0..20)) {
        let decoded: Vec<_> = decode(&encode(&flows)).unwrap().into_iter().map(Arc::new).collect();
        prop_assert_eq!(decoded, flows);
    }

    #[test]
    fn arbitrary_bytes_are_no_block(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&bytes).is_err());
        let mut framed = vec![VERSION, bytes.len() as u8, 0, 0, 0];
        framed.extend(zstd::bulk::compress(&bytes, 1).unwrap());
        decode(&framed).map(drop).unwrap_or_default();
    }

    #[test]
    fn a_damaged_block_is_read_or_refused(
        flows in prop::collection::vec(made(), 1..6),
        flips in prop::collection::vec((any::<Index>(), 0_u8..8), 1..4),
        cut in any::<Index>(),
    ) {
        let block = encode(&flows);
        let mut flipped = block.clone();
        for (place, bit) in flips {
            let place = place.index(flipped.len());
            flipped[place] ^= 1 << bit;
        }
        decode(&flipped).map(drop).unwrap_or_default();
        prop_assert!(decode(&block[..cut.index(block.len())]).is_err());
    }
}

#[test]
fn a_flow_among_its_like_costs_few_bytes() {
    let flow = |number: i64| {
        let flow = web_to_db().source_port(30_000 + (number * 7919 % 30_000) as u16).started(at(number * 17));
        // Flows become durable in nearly the order of their time.
        Arc::new(Made { ordinal: (number ^ 5) as u64, flow, latencies: None })
    };
    let flows: Vec<_> = (0..2048).map(flow).collect();
    let each = encode(&flows).len() / flows.len();
    println!("{each} bytes for each flow");
    assert!(each <= 8, "{each} bytes for each flow");
}

#[test]
fn flows_that_differ_in_one_name_alone_are_told_apart() {
    let service = |name: &str| {
        let named = ServiceRef {
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            ip: [10, 96, 0, 1].into(),
            port: 80,
        };
        move |flow: &mut Flow| flow.service = Some(named.into())
    };
    let of_pod = |change: fn(&mut PodEnd)| {
        move |flow: &mut Flow| {
            let Who::Pod(mut pod) = flow.source.who().clone() else { panic!("a pod") };
            change(&mut pod);
            flow.source = Who::Pod(pod).at(flow.source.port());
        }
    };
    let changed = [
        web_to_db(),
        web_to_db().change(of_pod(|pod| pod.pod.push('x'))),
        web_to_db().change(of_pod(|pod| pod.namespace.push('x'))),
        web_to_db().change(of_pod(|pod| pod.workload.name.push('x'))),
        web_to_db().change(of_pod(|pod| pod.node.push('x'))),
        web_to_db().change(of_pod(|pod| pod.labels = Arc::new([("a".to_owned(), "b".to_owned())].into()))),
        web_to_db().change(service("db")),
        web_to_db().change(service("other")),
        web_to_db().ingress(admitted("shop/one")),
        web_to_db().ingress(admitted("shop/another")),
    ];
    let made = |(ordinal, flow): (usize, &Flow)| {
        Arc::new(Made { ordinal: ordinal as u64, flow: flow.clone(), latencies: None })
    };
    // Twice, so that each is known when it comes again.
    let flows: Vec<_> = changed.iter().chain(&changed).enumerate().map(made).collect();
    let decoded: Vec<_> = decode(&encode(&flows)).unwrap().into_iter().map(Arc::new).collect();
    assert_eq!(decoded, flows);
}
