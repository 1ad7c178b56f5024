//! Every field of a filter, on one flow that it takes and one that it leaves.

use super::Filters;
use crate::build::{FlowExt as _, admitted, denied, external, flow, node, pod, web_to_db};
use portolan_policy::{Flow, Outcome, Protocol, ServiceRef};
use portolan_proto::v1::{self, EndFilter, Filter};

fn takes(filter: Filter, flow: &Flow) -> bool {
    Filters::new(vec![filter]).unwrap_or_else(|error| panic!("{error}")).matches(flow)
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn end(change: impl FnOnce(&mut EndFilter)) -> EndFilter {
    let mut end = EndFilter::default();
    change(&mut end);
    end
}

/// From shop/web-1 on n1 to other/db-0 on n2, denied there.
fn example() -> Flow {
    flow(pod("shop/web-1", "10.0.1.1", "n1"), pod("other/db-0", "10.0.2.2", "n2"))
        .ended(Outcome::Dropped)
        .egress(admitted("shop/web"))
        .ingress(denied(&["other/default-deny"]))
        .judged(portolan_policy::Evidence::default())
}

#[test]
fn a_field_about_an_end_finds_either_end_or_the_one_it_names() {
    // What is asked, whether the source is it, whether the destination is it.
    let cases: [(EndFilter, bool, bool); 16] = [
        (end(|end| end.namespaces = texts(&["shop"])), true, false),
        (end(|end| end.namespaces = texts(&["none", "other"])), false, true),
        (end(|end| end.namespaces = texts(&["sho"])), false, false),
        (end(|end| end.pods = texts(&["shop/web-1"])), true, false),
        (end(|end| end.pods = texts(&["shop/web"])), false, false),
        (end(|end| end.pods = texts(&["shop/web*"])), true, false),
        (end(|end| end.pods = texts(&["other/*"])), false, true),
        (end(|end| end.pods = texts(&["db"])), false, true),
        (end(|end| end.workloads = texts(&["web"])), true, false),
        (end(|end| end.workloads = texts(&["deployment/db"])), false, true),
        (end(|end| end.workloads = texts(&["StatefulSet/db"])), false, false),
        (end(|end| end.labels = texts(&["app in (db,cache)"])), false, true),
        (end(|end| end.labels = texts(&["app!=web"])), false, true),
        (end(|end| end.ports = vec![5432]), false, true),
        (end(|end| (end.namespaces, end.labels) = (texts(&["shop"]), texts(&["app=web"]))), true, false),
        (end(|end| (end.namespaces, end.labels) = (texts(&["shop"]), texts(&["app=db"]))), false, false),
    ];
    for (asked, source, destination) in cases {
        let either = Filter { either: Some(asked.clone()), ..Filter::default() };
        assert_eq!(takes(either, &example()), source || destination, "either end: {asked:?}");
        let filter = Filter { source: Some(asked.clone()), ..Filter::default() };
        assert_eq!(takes(filter, &example()), source, "the source: {asked:?}");
        let filter = Filter { destination: Some(asked.clone()), ..Filter::default() };
        assert_eq!(takes(filter, &example()), destination, "the destination: {asked:?}");
    }
}

#[test]
fn every_other_field_takes_and_leaves() {
    let verdict = |verdict: v1::Verdict| Filter { verdicts: vec![verdict.into()], ..Filter::default() };
    let outcome = |outcome: v1::Outcome| Filter { outcomes: vec![outcome.into()], ..Filter::default() };
    let protocol = |protocol: v1::Protocol| Filter { protocols: vec![protocol.into()], ..Filter::default() };
    let policy = |name: &str| Filter { policies: texts(&[name]), ..Filter::default() };
    let on_node = |name: &str| Filter { nodes: texts(&[name]), ..Filter::default() };
    let port = |port: u32| Filter { ports: vec![port], ..Filter::default() };
    let cases = [
        (Filter::default(), true),
        (verdict(v1::Verdict::Denied), true),
        (verdict(v1::Verdict::Allowed), false),
        (outcome(v1::Outcome::Dropped), true),
        (outcome(v1::Outcome::Refused), false),
        (protocol(v1::Protocol::Tcp), true),
        (protocol(v1::Protocol::Udp), false),
        (policy("shop/web"), true),
        (policy("other/default-deny"), true),
        (policy("default-deny"), true),
        (policy("shop/default-deny"), false),
        (on_node("n2"), true),
        (on_node("n3"), false),
        (port(5432), true),
        (port(40000), true),
        (port(80), false),
    ];
    for (filter, expected) in cases {
        assert_eq!(takes(filter.clone(), &example()), expected, "{filter:?}");
    }
    let ip = "10.96.0.7".parse().unwrap();
    let service = ServiceRef { namespace: "shop".to_owned(), name: "db".to_owned(), ip, port: 80 };
    assert!(
        takes(port(80), &example().change(|flow| flow.service = Some(service.into()))),
        "the service's port"
    );
}

#[test]
fn filters_are_alternatives_and_fields_conditions() {
    let tcp = vec![v1::Protocol::Tcp.into()];
    let from = |namespace: &str| Some(end(|end| end.namespaces = texts(&[namespace])));
    let both = Filter { source: from("shop"), protocols: tcp.clone(), ..Filter::default() };
    assert!(takes(both.clone(), &web_to_db()));
    assert!(!takes(both.clone(), &web_to_db().over(Protocol::Udp)));
    let other = Filter { source: from("elsewhere"), ..Filter::default() };
    assert!(Filters::new(vec![other.clone(), both]).unwrap().matches(&web_to_db()));
    assert!(!Filters::new(vec![other]).unwrap().matches(&web_to_db()));
    assert!(Filters::default().matches(&web_to_db()), "no filter takes everything");
}

#[test]
fn ends_that_are_no_pods_have_no_pod_facts() {
    let outside = flow(external("1.1.1.1"), node("n1", "192.168.0.1"));
    for asked in [
        end(|end| end.namespaces = texts(&["shop"])),
        end(|end| end.pods = texts(&["web"])),
        end(|end| end.workloads = texts(&["web"])),
        end(|end| end.labels = texts(&["!canary"])),
    ] {
        assert!(!takes(Filter { either: Some(asked.clone()), ..Filter::default() }, &outside), "{asked:?}");
    }
}

#[test]
fn what_cannot_be_understood_is_named() {
    let either = |end| Filter { either: Some(end), ..Filter::default() };
    let cases = [
        (either(end(|end| end.pods = texts(&["a/b/c"]))), "filter 1, field `pods`: `a/b/c` is neither"),
        (either(end(|end| end.pods = texts(&["shop/"]))), "filter 1, field `pods`: `shop/` is neither"),
        (either(end(|end| end.pods = texts(&[""]))), "filter 1, field `pods`: `` is neither"),
        (
            either(end(|end| end.workloads = texts(&["/web"]))),
            "filter 1, field `workloads`: `/web` is neither",
        ),
        (either(end(|end| end.labels = texts(&["app in"]))), "filter 1, field `labels`: `app in` has a key"),
        (either(end(|end| end.ports = vec![65_536])), "filter 1, field `ports`: `65536` is not a port"),
        (either(end(|end| end.namespaces = texts(&[""]))), "filter 1, field `namespaces`: `` is empty"),
        (Filter { verdicts: vec![0], ..Filter::default() }, "filter 1, field `verdicts`: `0` is not a value"),
        (
            Filter { outcomes: vec![99], ..Filter::default() },
            "filter 1, field `outcomes`: `99` is not a value",
        ),
        (
            Filter { policies: texts(&["/p"]), ..Filter::default() },
            "filter 1, field `policies`: `/p` is neither",
        ),
    ];
    for (filter, expected) in cases {
        let error = Filters::new(vec![Filter::default(), filter]).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}
