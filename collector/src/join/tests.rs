//! Who waits for whom, how long, and what is known for the same.

use super::{Counters, Join, Limits, Told};
use crate::build::{FlowExt as _, at, by_destination, by_source, external, flow, node, pod, view, web_to_db};
use crate::made::Joined;
use portolan_policy::{Flow, Outcome, Protocol, Reporter, SideDecision, SideVerdict, Verdict};
use portolan_proto::{Connection, Observation, Witness};
use std::time::Duration;

const WINDOW: Duration = Duration::from_secs(5);
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn join() -> Join {
    let limits = Limits {
        window: WINDOW,
        patience: PATIENCE,
        skew: Duration::from_secs(3),
        remember: Duration::from_mins(2),
        max_pending: 4,
        max_remembered: 100,
    };
    Join::new(limits, Counters::default())
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn node_of(observation: &Observation) -> &'static str {
    if observation.witness.source_local { "n1" } else { "n2" }
}

/// The ledger knows of nothing told alone.
pub(super) fn nothing(_: &Connection) -> Vec<Told> {
    Vec::new()
}

/// The flows of what was made.
pub(super) fn flows(made: Vec<Joined>) -> Vec<Flow> {
    made.into_iter().map(|Joined { flow, latencies: _ }| flow).collect()
}

pub(super) fn take(join: &mut Join, now: Duration, observation: &Observation) -> Vec<Flow> {
    flows(join.on_observation(now, node_of(observation), observation.clone(), |_| true, nothing))
}

#[test]
fn a_view_waits_for_its_other_half_and_then_goes_alone() {
    let behind_nat = flow(node("n1", "192.168.0.1"), pod("shop/db-0", "10.0.2.2", "n2"));
    let cases = [
        ("the destination may have seen nothing", by_source(web_to_db()), WINDOW, Reporter::Source),
        ("the source has seen it", by_destination(web_to_db()), PATIENCE, Reporter::Destination),
        ("the node may have been itself", by_destination(behind_nat), WINDOW, Reporter::Destination),
    ];
    for (name, view, wait, reporter) in cases {
        let mut join = join();
        assert_eq!(take(&mut join, seconds(10), &view), [], "{name}");
        assert_eq!(join.tick(seconds(9) + wait), [], "{name}");
        let flows = flows(join.tick(seconds(10) + wait));
        assert_eq!(flows, [Flow { reporter, ..view.flow.clone() }], "{name}: as its agent told it");
        assert_eq!(join.pending(), 0);
    }
}

#[test]
fn nobody_waits_where_nobody_else_can_speak() {
    let local = Witness { source_local: true, destination_local: true, ..Witness::default() };
    let out = Witness { source_local: true, ..Witness::default() };
    let inward = Witness { destination_local: true, ..Witness::default() };
    let web = || pod("shop/web-1", "10.0.1.1", "n1");
    let cases = [
        ("both ends here", flow(web(), pod("shop/db-0", "10.0.1.2", "n1")), local, Reporter::Both),
        ("to the outside", flow(web(), external("1.1.1.1")), out, Reporter::Source),
        ("from the outside", flow(external("1.1.1.1"), web()), inward, Reporter::Destination),
        ("to another node", flow(web(), node("n2", "192.168.0.2")), out, Reporter::Source),
        ("from the own node", flow(node("n1", "192.168.0.1"), web()), inward, Reporter::Destination),
    ];
    for (name, flow, witness, reporter) in cases {
        let mut join = join();
        let flows = flows(join.on_observation(seconds(0), "n1", view(flow, 7, witness), |_| true, nothing));
        assert_eq!(flows.iter().map(|flow| flow.reporter).collect::<Vec<_>>(), [reporter], "{name}");
        assert_eq!(join.pending(), 0, "{name}");
    }
    let mut join = join();
    let flows = join.on_observation(seconds(0), "n1", by_source(web_to_db()), |node| node != "n2", nothing);
    assert_eq!(flows.len(), 1, "the other node has no agent");
}

#[test]
fn a_late_second_view_makes_no_second_flow_and_is_counted() {
    let mut join = join();
    take(&mut join, seconds(0), &by_source(web_to_db()));
    assert_eq!(join.tick(seconds(6)).len(), 1);
    assert_eq!(take(&mut join, seconds(7), &by_destination(web_to_db())), []);
    assert_eq!(take(&mut join, seconds(8), &by_destination(web_to_db())), []);
    assert_eq!((join.counters.late.get(), join.counters.repeated.get()), (1, 1));
    assert_eq!(join.tick(seconds(1000)), []);
    assert!(join.memory.is_empty(), "nothing is remembered for ever");
}

#[test]
fn attempts_are_told_apart_by_sequence_number_start_and_ports() {
    let start = |millis| web_to_db().over(Protocol::Udp).started(at(millis));
    let udp = |flow: Flow, by: fn(Flow) -> Observation| {
        let mut observation = by(flow);
        observation.connection.tcp_isn = 0;
        observation
    };
    let tcp = |isn, by: fn(Flow) -> Observation| {
        let mut observation = by(web_to_db());
        observation.connection.tcp_isn = isn;
        observation
    };
    let cases = [
        ("another initial sequence number", tcp(7, by_source), tcp(8, by_destination)),
        ("starts too far apart", udp(start(0), by_source), udp(start(3001), by_destination)),
        ("another port", by_source(web_to_db()), by_destination(web_to_db().source_port(40001))),
        ("another protocol", by_source(web_to_db()), by_destination(web_to_db().over(Protocol::Sctp))),
    ];
    for (name, first, second) in cases {
        let mut join = join();
        take(&mut join, seconds(0), &first);
        take(&mut join, seconds(0), &second);
        assert_eq!(join.pending(), 2, "{name}");
        assert_eq!(join.tick(seconds(100)).len(), 2, "{name}");
    }
}

#[test]
fn of_several_conversations_the_nearest_start_is_joined() {
    let udp = |millis, by: fn(Flow) -> Observation| {
        let mut observation = by(web_to_db().over(Protocol::Udp).started(at(millis)));
        observation.connection.tcp_isn = 0;
        observation
    };
    let mut join = join();
    for millis in [0, 1000, 2000] {
        assert_eq!(take(&mut join, seconds(0), &udp(millis, by_source)), []);
    }
    let flows = take(&mut join, seconds(0), &udp(1040, by_destination));
    assert_eq!(flows.iter().map(|flow| flow.time).collect::<Vec<_>>(), [at(1000)]);
}

#[test]
fn too_many_that_wait_are_cut_short_oldest_first_and_counted() {
    let mut join = join();
    let view = |isn: u32| {
        let mut observation = by_source(web_to_db().started(at(i64::from(isn))));
        observation.connection.tcp_isn = isn;
        observation
    };
    for isn in 1..=4 {
        assert_eq!(take(&mut join, seconds(0), &view(isn)), []);
    }
    let flows = take(&mut join, seconds(0), &view(5));
    assert_eq!(flows.iter().map(|flow| flow.time).collect::<Vec<_>>(), [at(1)]);
    assert_eq!((join.pending(), join.counters.cut_short.get()), (4, 1));
}

#[test]
fn too_many_remembered_are_forgotten_and_counted() {
    let mut join = join();
    for isn in 1..=150 {
        let mut observation = by_source(web_to_db());
        observation.connection.tcp_isn = isn;
        assert_eq!(join.on_observation(seconds(0), "n1", observation, |_| false, nothing).len(), 1);
    }
    assert_eq!((join.expiries.len(), join.counters.forgotten.get()), (100, 50));
}

#[test]
fn at_the_end_nothing_is_kept_back() {
    let mut join = join();
    take(&mut join, seconds(0), &by_source(web_to_db()));
    assert_eq!(join.flush(seconds(0)).len(), 1);
    assert_eq!((join.pending(), join.flush(seconds(0))), (0, Vec::new()));
}

#[test]
fn a_node_that_saw_it_in_passing_speaks_for_the_nearer_end() {
    let mut join = join();
    let passing = |outcome| view(web_to_db().ended(outcome), 7, Witness::default());
    assert_eq!(join.on_observation(seconds(0), "n2", passing(Outcome::Dropped), |_| true, nothing), []);
    let flows = take(&mut join, seconds(0), &by_source(web_to_db().ended(Outcome::NoReply)));
    assert_eq!(flows.iter().map(|flow| flow.outcome).collect::<Vec<_>>(), [Outcome::Dropped]);
}

#[test]
fn an_undecidable_side_stays_undecidable_alone() {
    let flow = web_to_db().ingress(SideDecision::undecidable("no such pod"));
    let mut join = join();
    let flows = flows(join.on_observation(seconds(0), "n1", by_source(flow), |_| false, nothing));
    assert_eq!(flows[0].ingress.verdict, SideVerdict::Undecidable);
    assert_eq!(flows[0].verdict, Verdict::Undecided);
}

#[test]
fn views_of_several_attempts_are_told_at_once_and_never_taken_for_each_other() {
    let folded = web_to_db().change(|flow| {
        flow.source = flow.source.clone().with_port(None);
        flow.attempts = 40;
    });
    let witness = Witness { source_local: true, destination_local: true, ..Witness::default() };
    let mut join = join();
    for _ in 0..2 {
        let flows = take(&mut join, seconds(1), &view(folded.clone(), 0, witness));
        assert_eq!(flows.iter().map(|flow| flow.attempts).collect::<Vec<_>>(), [40]);
    }
    assert_eq!((join.pending(), join.tick(seconds(1000))), (0, vec![]));
}
