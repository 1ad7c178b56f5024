//! What is told of flows that the graph has taken in.

use super::{edges, pick::pick, policy_hits};
use crate::{
    build::{FlowExt as _, admitted, at, denied, external, flow, pod},
    filter::EdgeFilters,
    graph::{Survey, answer::Party, survey},
};
use portolan_policy::{Flow, Latency, SideDecision, SideVerdict, Verdict};
use portolan_proto::{
    graph::{Covered, PolicyHit},
    v1::{self, EdgeOrder},
};
use proptest::{collection::vec, prelude::*, sample::select};
use prost::Message as _;
use std::ops::ControlFlow;

/// From shop/`source` to shop/db, with so many attempts of each verdict.
fn edge(source: &str, counts: &[(Verdict, u64)]) -> Vec<Flow> {
    let between =
        || flow(pod(&format!("shop/{source}-1"), "10.0.1.1", "n1"), pod("shop/db-0", "10.0.2.2", "n2"));
    let flow = |&(verdict, attempts): &(Verdict, u64)| {
        between().change(|flow| {
            flow.verdict = verdict;
            (flow.attempts, flow.bytes, flow.end_time) = (attempts, attempts * 10, at(attempts as i64));
        })
    };
    counts.iter().map(flow).collect()
}

fn name(survey: &Survey, number: usize) -> String {
    match survey.edge(number).source() {
        Party::Workload { name, .. } => name.clone(),
        other => panic!("{other:?}"),
    }
}

fn picked(survey: &Survey, order: EdgeOrder, limit: usize) -> (Vec<String>, u64, u64) {
    let picked = pick(survey, &EdgeFilters::default(), order, limit);
    let names = picked.edges.iter().map(|number| name(survey, *number)).collect();
    (names, picked.matching, picked.attempts)
}

/// Everything that is given.
fn given<T>(tell: impl FnOnce(&mut dyn FnMut(T) -> ControlFlow<()>) -> ControlFlow<()>) -> Vec<T> {
    let mut messages = Vec::new();
    let end = tell(&mut |message| {
        messages.push(message);
        ControlFlow::Continue(())
    });
    assert!(end.is_continue());
    messages
}

fn told(survey: &Survey, filters: &EdgeFilters, histograms: bool) -> (Covered, Vec<v1::EdgeList>) {
    let messages = given(|give| edges(survey, filters, EdgeOrder::Unspecified, 100_000, histograms, give));
    assert!(messages.iter().all(|message| message.encoded_len() < 1 << 22));
    let mut items = messages.into_iter().map(|message| message.item.unwrap());
    let Some(v1::edges_response::Item::Covered(covered)) = items.next() else {
        panic!("what is covered comes first")
    };
    let list = |item| match item {
        v1::edges_response::Item::Edges(list) => list,
        other @ v1::edges_response::Item::Covered(_) => panic!("{other:?}"),
    };
    (covered.try_into().unwrap(), items.map(list).collect())
}

#[test]
fn each_order_has_the_most_first_equals_by_name_and_leaves_out_what_has_nothing() {
    use Verdict::{Allowed, Blocked, Denied, Failed, Unenforced};
    let slow = |mut flows: Vec<Flow>, micros| {
        flows[0].latency_us = Some(Latency::single(micros));
        flows
    };
    let all = survey(
        [
            edge("a", &[(Allowed, 5)]),
            slow(edge("b", &[(Allowed, 3), (Denied, 2)]), 100),
            slow(edge("c", &[(Denied, 2), (Blocked, 9)]), 900),
            edge("d", &[(Denied, 7), (Unenforced, 1), (Failed, 1)]),
        ]
        .concat(),
    );
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
        assert_eq!(picked(&all, order, 10).0, expected, "{order:?}");
    }
    let first = ["d", "b"].map(str::to_owned).to_vec();
    assert_eq!(picked(&all, EdgeOrder::Denied, 2), (first, 3, 25));
}

proptest! {
    #[test]
    fn the_first_ones_are_those_of_all_edges_sorted(
        counts in vec(0..5_u64, 0..40),
        limit in 1..50_usize,
        order in select(vec![EdgeOrder::Unspecified, EdgeOrder::Attempts, EdgeOrder::Denied, EdgeOrder::LastSeen]),
    ) {
        let all: Vec<_> = counts.iter().enumerate().map(|(place, attempts)| (format!("w{place:02}"), *attempts)).collect();
        let flows = all.iter().flat_map(|(name, attempts)| edge(name, &[(Verdict::Denied, *attempts)]));
        let mut expected = all.clone();
        match order {
            EdgeOrder::Unspecified => {}
            EdgeOrder::LastSeen => expected.sort_by_key(|(_, attempts)| std::cmp::Reverse(*attempts)),
            _ => {
                expected.retain(|(_, attempts)| *attempts > 0);
                expected.sort_by_key(|(_, attempts)| std::cmp::Reverse(*attempts));
            }
        }
        let (matching, attempts) = (expected.len() as u64, counts.iter().sum::<u64>());
        expected.truncate(limit);
        let names = expected.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        prop_assert_eq!(picked(&survey(flows.collect()), order, limit), (names, matching, attempts));
    }
}

#[test]
fn what_is_covered_comes_first_and_histograms_where_they_are_asked_for() {
    let slow = |micros, count| {
        let latency = Some(Latency::single(micros));
        vec![edge("web", &[(Verdict::Allowed, 1)]).remove(0).change(|flow| flow.latency_us = latency); count]
    };
    let survey = survey([slow(100, 2), slow(120, 1)].concat());
    let (covered, lists) = told(&survey, &EdgeFilters::default(), true);
    let minute = at(-7412);
    let expected = Covered {
        from: minute,
        to: minute + jiff::SignedDuration::from_mins(1),
        damaged: 0,
        matching: 1,
        told: 1,
        attempts: 3,
        others: 0,
        behind: 0,
    };
    assert_eq!(covered, expected);
    let latency = |lists: &[v1::EdgeList]| lists[0].edges[0].latency_us.clone().unwrap();
    let with = latency(&lists);
    assert_eq!((with.count, with.min, with.p50, with.p99, with.max), (3, 100, 100, 120, 120));
    assert_eq!((with.values, with.counts), (vec![100, 120], vec![2, 1]));
    let without = latency(&told(&survey, &EdgeFilters::default(), false).1);
    assert!(without.values.is_empty() && without.counts.is_empty());
}

#[test]
fn no_message_is_longer_than_clients_take_however_much_an_edge_says() {
    // Each edge with sixty policies of long names, which come to some twenty-five kilobytes.
    let name = |number: u32| format!("shop/{number:03}{}", "x".repeat(400));
    let names: Vec<_> = (0..60).map(name).collect();
    let policies = denied(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let wordy = |number: u16| edge("web", &[(Verdict::Denied, 1)]).remove(0).destination_port(number);
    let survey = survey((0..200).map(|number| wordy(number).ingress(policies.clone())).collect());
    let (_, lists) = told(&survey, &EdgeFilters::default(), false);
    assert_eq!(lists.iter().map(|list| list.edges.len()).sum::<usize>(), 200);
    assert!(lists.iter().all(|list| list.encoded_len() <= 2 * super::FULL));
    assert!(lists.len() <= 100, "several edges go into a message");
}

#[test]
fn what_lies_beyond_the_bounds_is_said_to_who_asks_for_a_part() {
    let folded = SideDecision::plain(SideVerdict::NotApplicable);
    let flows = vec![
        edge("web", &[(Verdict::Allowed, 3)]).remove(0),
        flow(external("192.0.2.1"), external("192.0.2.2")).egress(folded).change(|flow| {
            flow.attempts = 5;
        }),
    ];
    let survey = crate::graph::bounded_survey(flows, 1);
    let asked = |filter: v1::Filter| {
        let covered = told(&survey, &EdgeFilters::new(vec![filter]).unwrap(), false).0;
        (covered.matching, covered.attempts, covered.others)
    };
    let web = || v1::EndFilter { workloads: vec!["web".to_owned()], ..v1::EndFilter::default() };
    assert_eq!(asked(v1::Filter::default()), (2, 8, 0), "they are told as they are");
    assert_eq!(asked(v1::Filter { source: Some(web()), ..v1::Filter::default() }), (1, 3, 5));
    let denied = vec![v1::Verdict::Denied.into()];
    assert_eq!(asked(v1::Filter { verdicts: denied, ..v1::Filter::default() }), (0, 0, 0), "none was denied");
}

#[test]
fn hits_add_up_over_edges_by_policy_direction_and_rule() {
    let decided = |source, verdict, attempts, millis, [egress, ingress]: [SideDecision; 2]| {
        edge(source, &[(verdict, attempts)]).remove(0).egress(egress).ingress(ingress).change(|flow| {
            (flow.time, flow.end_time) = (at(millis), at(millis + 10));
        })
    };
    let nobody = || SideDecision::plain(SideVerdict::NotIsolated);
    let flows = vec![
        decided("web", Verdict::Allowed, 5, 100, [admitted("shop/web"), admitted("shop/db")]),
        decided("web", Verdict::Denied, 2, 50, [nobody(), denied(&["shop/db", "shop/default-deny"])]),
        decided("job", Verdict::Denied, 4, 300, [nobody(), denied(&["shop/db"])]),
    ];
    let survey = survey(flows);
    let told = |filter: v1::Filter| -> Vec<String> {
        let filters = EdgeFilters::new(vec![filter]).unwrap();
        let messages = given(|give| policy_hits(&survey, &filters, give));
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
        "shop/db Some(0) ingress +5 -0 1 100..110",
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
