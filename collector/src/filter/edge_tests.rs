//! Every field of a filter that makes sense of an edge, on one that it takes and one that it leaves; the others refused.

use super::EdgeFilters;
use crate::{
    build::{FlowExt as _, admitted, denied, flow, pod},
    graph::{Survey, survey},
};
use portolan_policy::{Outcome, Verdict, Who};
use portolan_proto::v1::{self, EndFilter, Filter};

/// From Deployment shop/web to StatefulSet other/db: five attempts allowed, two denied.
fn example() -> Survey {
    let database = pod("other/db-0", "10.0.2.2", "n2");
    let Who::Pod(mut end) = database.who().clone() else { panic!("{database:?}") };
    end.workload.kind = "StatefulSet".to_owned();
    let web = flow(pod("shop/web-1", "10.0.1.1", "n1"), Who::Pod(end).at(None)).egress(admitted("shop/web"));
    let allowed = web.clone().change(|flow| flow.attempts = 5);
    let dropped = web.ended(Outcome::Dropped).ingress(denied(&["other/default-deny"])).change(|flow| {
        (flow.attempts, flow.verdict) = (2, Verdict::Denied);
    });
    survey(vec![allowed, dropped])
}

fn takes(filter: Filter) -> bool {
    let filters = EdgeFilters::new(vec![filter]).unwrap_or_else(|error| panic!("{error}"));
    let survey = example();
    assert_eq!(survey.len(), 1);
    filters.want(&survey.edge(0))
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn namespaces(values: &[&str]) -> EndFilter {
    EndFilter { namespaces: texts(values), ..EndFilter::default() }
}

fn workloads(values: &[&str]) -> EndFilter {
    EndFilter { workloads: texts(values), ..EndFilter::default() }
}

#[test]
fn a_field_about_an_end_finds_either_end_or_the_one_it_names() {
    // What is asked, whether the source is it, whether the destination is it.
    let cases = [
        (namespaces(&["shop"]), true, false),
        (namespaces(&["none", "other"]), false, true),
        (workloads(&["web"]), true, false),
        (workloads(&["deployment/web", "StatefulSet/web"]), true, false),
        (workloads(&["StatefulSet/db"]), false, true),
        (workloads(&["Deployment/db"]), false, false),
        (EndFilter { workloads: texts(&["web"]), ..namespaces(&["other"]) }, false, false),
    ];
    for (end, source, destination) in cases {
        let told = format!("{end:?}");
        assert_eq!(takes(Filter { source: Some(end.clone()), ..Filter::default() }), source, "{told}");
        let filter = Filter { destination: Some(end.clone()), ..Filter::default() };
        assert_eq!(takes(filter), destination, "{told}");
        let filter = Filter { either: Some(end), ..Filter::default() };
        assert_eq!(takes(filter), source || destination, "{told}");
    }
    let port = |port| Some(EndFilter { ports: vec![port], ..EndFilter::default() });
    assert!(takes(Filter { destination: port(5432), ..Filter::default() }));
    assert!(!takes(Filter { destination: port(80), ..Filter::default() }));
}

#[test]
fn a_field_about_the_flow_holds_when_one_attempt_has_it() {
    let verdicts = |verdict: v1::Verdict| Filter { verdicts: vec![verdict.into()], ..Filter::default() };
    let with = |verdict, outcome: v1::Outcome| Filter { outcomes: vec![outcome.into()], ..verdicts(verdict) };
    let protocols = |protocol: v1::Protocol| Filter { protocols: vec![protocol.into()], ..Filter::default() };
    let policies = |name: &str| Filter { policies: texts(&[name]), ..Filter::default() };
    let cases = [
        (Filter::default(), true),
        (Filter { ports: vec![80, 5432], ..Filter::default() }, true),
        (Filter { ports: vec![80], ..Filter::default() }, false),
        (protocols(v1::Protocol::Tcp), true),
        (protocols(v1::Protocol::Udp), false),
        (verdicts(v1::Verdict::Denied), true),
        (verdicts(v1::Verdict::Blocked), false),
        (with(v1::Verdict::Denied, v1::Outcome::Dropped), true),
        (with(v1::Verdict::Denied, v1::Outcome::Established), false),
        (policies("shop/web"), true),
        (policies("default-deny"), true),
        (policies("shop/default-deny"), false),
    ];
    for (filter, expected) in cases {
        let told = format!("{filter:?}");
        assert_eq!(takes(filter), expected, "{told}");
    }
}

#[test]
fn what_an_edge_does_not_know_is_refused_with_what_to_ask_instead() {
    let end = |change: fn(&mut EndFilter)| {
        let mut end = EndFilter::default();
        change(&mut end);
        Some(end)
    };
    let cases = [
        (
            Filter { either: end(|end| end.pods = vec!["shop/web-1".to_owned()]), ..Filter::default() },
            "filter 1, field `pods`: `shop/web-1` is a pod, and the graph knows their workloads: use `workloads`",
        ),
        (
            Filter { source: end(|end| end.labels = vec!["app=a".to_owned()]), ..Filter::default() },
            "filter 1, field `labels`: `app=a` are labels, which the graph does not keep: use `workloads`",
        ),
        (
            Filter { source: end(|end| end.ports = vec![80]), ..Filter::default() },
            "filter 1, field `ports`: `80` is asked of a source",
        ),
        (Filter { nodes: texts(&["n1"]), ..Filter::default() }, "filter 1, field `nodes`: `n1` is asked"),
        (
            Filter { verdicts: vec![99], ..Filter::default() },
            "filter 1, field `verdicts`: `99` is not a value",
        ),
        (
            Filter { either: Some(workloads(&["a/b/c"])), ..Filter::default() },
            "filter 1, field `workloads`: `a/b/c`",
        ),
    ];
    for (filter, expected) in cases {
        let error = EdgeFilters::new(vec![Filter::default(), filter]).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}
