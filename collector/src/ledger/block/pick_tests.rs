//! What is picked from a block is what a filter takes of its flows, one by one.

use super::{Row, decode, encode, pick};
use crate::{
    build::{FlowExt as _, admitted, at, denied, external, flow, node, pod},
    filter::Filters,
    made::Made,
};
use portolan_policy::{End, Flow, Outcome, Protocol, ServiceRef, Verdict, Who};
use portolan_proto::v1::{self, EndFilter};
use proptest::{collection::vec, option, prelude::*, sample::select};

const PORTS: [u16; 4] = [53, 80, 5432, 40_000];
const PROTOCOLS: [Protocol; 2] = [Protocol::Tcp, Protocol::Udp];

fn end() -> impl Strategy<Value = End> {
    let host_network = Who::Node {
        node: "n1".to_owned(),
        namespace: Some("shop".to_owned()),
        pod: Some("web-9".to_owned()),
        ip: [192, 168, 0, 1].into(),
    };
    let service =
        Who::Service { namespace: "shop".to_owned(), name: "db".to_owned(), ip: [10, 96, 0, 1].into() };
    select(vec![
        pod("shop/web-1", "10.0.1.1", "n1"),
        pod("shop/db-0", "10.0.2.2", "n2"),
        pod("other/web-1", "10.0.1.3", "n1"),
        pod("other/db-0", "10.0.2.4", "n2"),
        external("192.0.2.1"),
        node("n2", "192.168.0.2"),
        host_network.at(None),
        service.at(None),
    ])
}

fn made() -> impl Strategy<Value = Made> {
    let ports = (option::of(select(&PORTS)), option::of(select(&PORTS)), option::of(select(&PORTS)));
    let decisions = vec![admitted("shop/web"), admitted("other/db"), denied(&["shop/db", "other/db"])];
    let kind = (select(Verdict::ALL.to_vec()), select(Outcome::ALL.to_vec()), select(&PROTOCOLS));
    let rest = (select(decisions.clone()), select(decisions), 0..50_i64, any::<bool>(), 0..40_u64);
    (end(), end(), ports, kind, rest).prop_map(|(source, destination, ports, kind, rest)| {
        let (verdict, outcome, protocol) = kind;
        let (egress, ingress, millis, rare, ordinal) = rest;
        let flow = flow(source, destination).started(at(millis)).over(protocol).ended(outcome);
        let flow = flow.egress(egress).ingress(ingress).change(|flow: &mut Flow| {
            flow.verdict = verdict;
            flow.source = flow.source.clone().with_port(ports.0);
            flow.destination = flow.destination.clone().with_port(ports.1);
            flow.service = ports.2.map(|port| {
                let (namespace, name) = ("shop".to_owned(), "db".to_owned());
                ServiceRef { namespace, name, ip: [10, 96, 0, 1].into(), port }.into()
            });
            flow.retransmits = rare.then_some(7);
        });
        Made { ordinal, flow, latencies: None }
    })
}

/// Nothing, mostly, or a value or two.
fn some<T: Clone + std::fmt::Debug + 'static>(values: &[T]) -> BoxedStrategy<Vec<T>> {
    prop_oneof![3 => Just(Vec::new()), 2 => vec(select(values.to_vec()), 1..3)].boxed()
}

fn texts(values: &[&str]) -> BoxedStrategy<Vec<String>> {
    some(&values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>())
}

fn ports() -> BoxedStrategy<Vec<u32>> {
    some(&PORTS.map(u32::from))
}

fn end_filter() -> impl Strategy<Value = Option<EndFilter>> {
    let pods = texts(&["web", "shop/web-1", "other/*", "shop/web*"]);
    let workloads = texts(&["web", "deployment/db", "StatefulSet/db"]);
    let labels = texts(&["app=web", "!app", "app notin (db)", "none"]);
    let fields = (texts(&["shop", "other", "none"]), pods, workloads, labels, ports());
    let filter = fields.prop_map(|(namespaces, pods, workloads, labels, ports)| EndFilter {
        namespaces,
        pods,
        workloads,
        labels,
        ports,
    });
    option::weighted(0.4, filter)
}

fn filter() -> impl Strategy<Value = v1::Filter> {
    let words = (
        some(&PROTOCOLS.map(|word| v1::Protocol::from(word).into())),
        some(&Verdict::ALL.map(|word| v1::Verdict::from(word).into())),
        some(&Outcome::ALL.map(|word| v1::Outcome::from(word).into())),
    );
    let names = (texts(&["db", "shop/web", "none/db"]), texts(&["n1", "n2", "n3"]));
    (end_filter(), end_filter(), end_filter(), ports(), words, names).prop_map(
        |(either, source, destination, ports, (protocols, verdicts, outcomes), (policies, nodes))| {
            v1::Filter { either, source, destination, ports, protocols, verdicts, outcomes, policies, nodes }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(768))]

    #[test]
    fn what_is_picked_is_what_is_taken_one_by_one(
        flows in vec(made(), 0..24),
        filters in vec(filter(), 0..3),
        from in 0..30_i64,
        before in 0..40_u64,
    ) {
        let rows = flows.iter().map(|made| Row { ordinal: made.ordinal, flow: &made.flow, latencies: None });
        let block = encode(&rows.collect::<Vec<_>>());
        let filters = Filters::new(filters).unwrap();
        let picked = pick(&block, &filters, |time, ordinal| time >= at(from) && ordinal < before).unwrap();
        let mut taken = decode(&block).unwrap();
        prop_assert_eq!(&taken, &flows);
        taken.retain(|made| {
            made.flow.time >= at(from) && made.ordinal < before && filters.matches(&made.flow)
        });
        prop_assert_eq!(picked, taken);
    }
}

#[test]
fn nothing_is_made_of_a_block_in_which_nothing_can_pass() {
    let web = |port| flow(pod("shop/web-1", "10.0.1.1", "n1"), external("192.0.2.1")).source_port(port);
    let flows: Vec<_> = (1..=9).map(web).collect();
    let row = |(ordinal, flow)| Row { ordinal, flow, latencies: None };
    let block = encode(&(0..).zip(&flows).map(row).collect::<Vec<_>>());
    let asked = |filter: v1::Filter| {
        let mut asked = 0;
        let picked = pick(&block, &Filters::new(vec![filter]).unwrap(), |_, _| {
            asked += 1;
            true
        });
        (asked, picked.unwrap().len())
    };
    let verdicts = vec![v1::Verdict::Denied.into()];
    assert_eq!(asked(v1::Filter { verdicts, ..v1::Filter::default() }), (0, 0));
    assert_eq!(asked(v1::Filter { ports: vec![3, 7], ..v1::Filter::default() }), (2, 2));
    assert_eq!(asked(v1::Filter { nodes: vec!["n1".to_owned()], ..v1::Filter::default() }), (9, 9));
}
