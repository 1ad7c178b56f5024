//! What is told of answers made by hand.

use super::{edges, pick::pick, policy_hits};
use crate::{
    build::{admitted, at, denied},
    filter::EdgeFilters,
    graph::{
        answer::{Answer, Count, Decided, Direction, Edge, EdgeAnswer, Party, Tally},
        latencies::Latencies,
    },
};
use portolan_policy::{Outcome, Protocol, SideDecision, Verdict};
use portolan_proto::{
    graph::{Covered, PolicyHit},
    v1::{self, EdgeOrder},
};
use proptest::{collection::vec, prelude::*, sample::select};

/// From shop/`source` to shop/db, with so many attempts of each verdict.
fn edge(source: &str, counts: &[(Verdict, u64)]) -> EdgeAnswer {
    let workload = |name: &str| Party::Workload {
        namespace: "shop".to_owned(),
        kind: "Deployment".to_owned(),
        name: name.to_owned(),
    };
    let edge = Edge {
        source: workload(source),
        destination: workload("db"),
        service: None,
        port: Some(5432),
        protocol: Protocol::Tcp,
    };
    let outcome = Outcome::Established;
    let count = |&(verdict, attempts): &_| Count { outcome, verdict, drop_reason: None, attempts };
    let attempts = counts.iter().map(|(_, attempts)| attempts).sum();
    let tally = Tally {
        attempts,
        packets: 0,
        bytes: attempts * 10,
        retransmits: 0,
        revised: 0,
        first: at(0),
        last: at(attempts as i64),
        latencies: Latencies::default(),
    };
    EdgeAnswer { edge, tally, counts: counts.iter().map(count).collect(), decisions: Vec::new() }
}

fn decided(direction: Direction, decision: SideDecision, attempts: u64, millis: i64) -> Decided {
    Decided { direction, decision, attempts, first: at(millis), last: at(millis + 10) }
}

fn names(edges: &[EdgeAnswer]) -> Vec<&str> {
    let name = |edge: &EdgeAnswer| match &edge.edge.source {
        Party::Workload { name, .. } => name.clone(),
        other => panic!("{other:?}"),
    };
    edges.iter().map(|edge| name(edge).leak() as &str).collect()
}

#[test]
fn each_order_has_the_most_first_equals_by_name_and_leaves_out_what_has_nothing() {
    use Verdict::{Allowed, Blocked, Denied, Failed, Unenforced};
    let slow = |mut edge: EdgeAnswer, micros| {
        edge.tally.latencies.record_n(micros, 1);
        edge
    };
    let all = || {
        vec![
            edge("a", &[(Allowed, 5)]),
            slow(edge("b", &[(Allowed, 3), (Denied, 2)]), 100),
            slow(edge("c", &[(Denied, 2), (Blocked, 9)]), 900),
            edge("d", &[(Denied, 7), (Unenforced, 1), (Failed, 1)]),
        ]
    };
    let cases: [(EdgeOrder, &[&str]); 9] = [
        (EdgeOrder::Unspecified, &["a", "b", "c", "d"]),
        (EdgeOrder::Attempts, &["c", "d", "a", "b"]),
        (EdgeOrder::Denied, &["d", "b", "c"]),
        (EdgeOrder::Unenforced, &["d"]),
        (EdgeOrder::Blocked, &["c"]),
        (EdgeOrder::Failed, &["d"]),
        (EdgeOrder::Latency, &["c", "b"]),
        (EdgeOrder::Bytes, &["c", "d", "a", "b"]),
        (EdgeOrder::LastSeen, &["c", "d", "a", "b"]),
    ];
    for (order, expected) in cases {
        assert_eq!(names(&pick(all(), order, 10).edges), expected, "{order:?}");
    }
    let picked = pick(all(), EdgeOrder::Denied, 2);
    assert_eq!((names(&picked.edges), picked.matching, picked.attempts), (vec!["d", "b"], 3, 25));
}

proptest! {
    #[test]
    fn the_first_ones_are_those_of_all_edges_sorted(
        counts in vec(0..5_u64, 0..40),
        limit in 1..50_usize,
        order in select(vec![EdgeOrder::Unspecified, EdgeOrder::Attempts, EdgeOrder::Denied, EdgeOrder::LastSeen]),
    ) {
        let all: Vec<_> = counts
            .iter()
            .enumerate()
            .map(|(place, attempts)| edge(&format!("w{place:02}"), &[(Verdict::Denied, *attempts)]))
            .collect();
        let mut expected: Vec<_> = all.clone();
        match order {
            EdgeOrder::Unspecified => {}
            EdgeOrder::LastSeen => expected.sort_by_key(|edge| std::cmp::Reverse(edge.tally.last)),
            _ => {
                expected.retain(|edge| edge.tally.attempts > 0);
                expected.sort_by_key(|edge| std::cmp::Reverse(edge.tally.attempts));
            }
        }
        let matching = expected.len() as u64;
        let attempts = expected.iter().map(|edge| edge.tally.attempts).sum::<u64>();
        expected.truncate(limit);
        let picked = pick(all, order, limit);
        prop_assert_eq!(picked.edges, expected);
        prop_assert_eq!((picked.matching, picked.attempts), (matching, attempts));
    }
}

fn answer(edges: Vec<EdgeAnswer>) -> Answer {
    Answer { edges, from: at(0), to: at(60_000), damaged: 1 }
}

#[test]
fn what_is_covered_comes_first_and_histograms_where_they_are_asked_for() {
    let mut slow = edge("web", &[(Verdict::Allowed, 3)]);
    slow.tally.latencies.record_n(100, 2);
    slow.tally.latencies.record_n(120, 1);
    let told = |histograms| {
        let filters = EdgeFilters::default();
        edges(answer(vec![slow.clone(); 70]), &filters, EdgeOrder::Unspecified, 66, histograms)
    };
    let messages = told(true);
    let [first, rest @ ..] = messages.as_slice() else { panic!("no message") };
    let expected = Covered { from: at(0), to: at(60_000), damaged: 1, matching: 70, told: 66, attempts: 210 };
    assert_eq!(first.item, Some(v1::edges_response::Item::Covered(expected.into())));
    let list = |message: &v1::EdgesResponse| match &message.item {
        Some(v1::edges_response::Item::Edges(list)) => list.edges.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(rest.iter().map(|message| list(message).len()).collect::<Vec<_>>(), [64, 2]);
    let latency = list(&rest[0])[0].latency_us.clone().unwrap();
    assert_eq!((latency.count, latency.min, latency.p50, latency.p99, latency.max), (3, 100, 100, 120, 120));
    assert_eq!((latency.values, latency.counts), (vec![100, 120], vec![2, 1]));
    let latency = list(&told(false)[1])[0].latency_us.clone().unwrap();
    assert!(latency.values.is_empty() && latency.counts.is_empty());
}

#[test]
fn hits_add_up_over_edges_by_policy_direction_and_rule() {
    use Direction::{Egress, Ingress};
    let mut near = edge("web", &[(Verdict::Allowed, 5)]);
    near.decisions = vec![
        decided(Egress, admitted("shop/web"), 5, 100),
        decided(Ingress, admitted("shop/db"), 5, 200),
        decided(Ingress, denied(&["shop/db", "shop/default-deny"]), 2, 50),
    ];
    let mut far = edge("job", &[(Verdict::Denied, 4)]);
    far.decisions = vec![decided(Ingress, denied(&["shop/db"]), 4, 300)];
    let told = |filter: v1::Filter| -> Vec<String> {
        let filters = EdgeFilters::new(vec![filter]).unwrap();
        let messages = policy_hits(answer(vec![far.clone(), near.clone()]), &filters);
        let lists = messages.into_iter().filter_map(|message| match message.item {
            Some(v1::policy_hits_response::Item::Hits(list)) => Some(list.hits),
            _ => None,
        });
        let line = |hit: v1::PolicyHit| {
            let PolicyHit { direction, policy, admitted, denied, edges, first, last } =
                hit.try_into().unwrap();
            let time = |time: jiff::Timestamp| time.duration_since(at(0)).as_millis();
            let (rule, direction) = (policy.rule, direction.as_str());
            format!(
                "{policy} {rule:?} {direction} +{admitted} -{denied} {edges} {}..{}",
                time(first),
                time(last)
            )
        };
        lists.flatten().map(line).collect()
    };
    let expected = [
        "shop/db None ingress +0 -6 2 50..310",
        "shop/db Some(0) ingress +5 -0 1 200..210",
        "shop/default-deny None ingress +0 -2 1 50..60",
        "shop/web Some(0) egress +5 -0 1 100..110",
    ];
    assert_eq!(told(v1::Filter::default()), expected);
    let policies = vec!["shop/db".to_owned()];
    assert_eq!(told(v1::Filter { policies, ..v1::Filter::default() }), expected[..2]);
    let source = Some(v1::EndFilter { workloads: vec!["job".to_owned()], ..v1::EndFilter::default() });
    let of_job = told(v1::Filter { source, ..v1::Filter::default() });
    assert_eq!(of_job, ["shop/db None ingress +0 -4 1 300..310"]);
}
