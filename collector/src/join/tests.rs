//! Pairs of views, and what becomes of them.

use super::{Counters, Join, Limits, Told};
use crate::build::{
    FlowExt as _, admitted, at, by_destination, by_source, denied, external, flow, node, pod, view, web_to_db,
};
use crate::made::Joined;
use portolan_policy::{
    Flow, Latency, Loss, Outcome, Protocol, Reporter, ServiceRef, SideDecision, SideVerdict, Verdict, Who,
};
use portolan_proto::{Connection, Latencies, Observation, Witness};
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

/// The flow of two views, which must be the same in either order.
fn joined(source: &Observation, destination: &Observation) -> Flow {
    let in_order = |first, second| {
        let mut join = join();
        assert_eq!(take(&mut join, seconds(1), first), []);
        assert_eq!(join.pending(), 1);
        let flows = take(&mut join, seconds(2), second);
        assert_eq!(join.pending(), 0);
        assert_eq!(join.tick(seconds(1000)), []);
        <[Flow; 1]>::try_from(flows).unwrap_or_else(|flows| panic!("one flow, not {flows:#?}"))
    };
    let [flow] = in_order(source, destination);
    let [other_order] = in_order(destination, source);
    assert_eq!(flow, other_order, "the order of arrival does not matter");
    flow
}

/// What an agent saw beside the outcome.
#[derive(Clone, Copy, Default)]
struct Saw {
    reached: bool,
    in_pod: bool,
    change: bool,
}

fn saw(mut observation: Observation, Saw { reached, in_pod, change }: Saw) -> Observation {
    observation.witness.reached_pod = reached;
    observation.witness.dropped_in_pod = in_pod;
    observation.witness.recently_changed = change;
    observation
}

#[test]
fn outcomes_and_verdicts_of_pairs_of_views() {
    use Outcome::{Delivered, Dropped, Established, NoReply, Refused, Rejected};
    let none = Saw::default();
    let reached = Saw { reached: true, ..none };
    let in_pod = Saw { reached: true, in_pod: true, ..none };
    let change = Saw { change: true, ..none };
    let (admits, denies) = (admitted("shop/db"), denied(&["shop/db"]));
    // Each row: the source's view, the destination's view, the ingress, the joined flow.
    #[rustfmt::skip]
    let rows = [
        ("it went through",          (Established, reached), (Established, reached), &admits, Established, Verdict::Allowed),
        ("not enforced",             (Established, reached), (Established, reached), &denies, Established, Verdict::Unenforced),
        ("the far node missed it",   (Established, reached), (NoReply, none),        &admits, Established, Verdict::Allowed),
        ("a retry went through",     (Established, reached), (Dropped, none),        &admits, Established, Verdict::Allowed),
        ("dropped at the far node",  (NoReply, none),        (Dropped, none),        &denies, Dropped,     Verdict::Denied),
        ("dropped, yet admitted",    (NoReply, none),        (Dropped, none),        &admits, Dropped,     Verdict::Blocked),
        ("the same after a change",  (NoReply, change),      (Dropped, none),        &admits, Dropped,     Verdict::Settling),
        ("rejected at the far node", (Refused, none),        (Rejected, none),       &denies, Rejected,    Verdict::Denied),
        ("reset in the pod's name",  (Refused, none),        (Dropped, none),        &denies, Rejected,    Verdict::Denied),
        ("told from the pod's own",  (Rejected, none),       (Dropped, none),        &denies, Rejected,    Verdict::Denied),
        ("rejected at the near node", (Rejected, none),      (NoReply, none),        &denies, Rejected,    Verdict::Denied),
        ("dropped at the near node", (Dropped, none),        (NoReply, none),        &denies, Dropped,     Verdict::Denied),
        ("the answer was dropped",   (Dropped, none),        (Established, reached), &admits, Dropped,     Verdict::Blocked),
        ("the answer was rejected",  (Rejected, none),       (Established, reached), &admits, Rejected,    Verdict::Blocked),
        ("the reset was dropped",    (Dropped, none),        (Refused, reached),     &admits, Dropped,     Verdict::Blocked),
        ("nobody listens",           (Refused, none),        (Refused, reached),     &admits, Refused,     Verdict::Failed),
        ("nobody listens behind it", (Refused, none),        (Refused, reached),     &denies, Refused,     Verdict::Unenforced),
        ("the pod's own reset",      (Rejected, none),       (Refused, reached),     &admits, Refused,     Verdict::Failed),
        ("the reset got lost",       (NoReply, none),        (Refused, reached),     &admits, Refused,     Verdict::Failed),
        ("silence",                  (NoReply, none),        (NoReply, none),        &admits, NoReply,     Verdict::Failed),
        ("silence where denied",     (NoReply, none),        (NoReply, none),        &denies, NoReply,     Verdict::Denied),
        ("it arrived nevertheless",  (NoReply, none),        (NoReply, reached),     &denies, NoReply,     Verdict::Unenforced),
        ("the answer got lost",      (NoReply, none),        (Established, reached), &admits, NoReply,     Verdict::Failed),
        ("the backlog was full",     (NoReply, none),        (Dropped, in_pod),      &admits, Dropped,     Verdict::Failed),
        ("full behind a policy",     (NoReply, none),        (Dropped, in_pod),      &denies, Dropped,     Verdict::Unenforced),
        ("full and reset",           (Refused, none),        (Dropped, in_pod),      &admits, Refused,     Verdict::Failed),
        ("a datagram arrived",       (Delivered, none),      (Delivered, reached),   &admits, Delivered,   Verdict::Allowed),
        ("a datagram got through",   (Delivered, none),      (Delivered, reached),   &denies, Delivered,   Verdict::Unenforced),
        ("a datagram was dropped",   (Delivered, none),      (Dropped, none),        &denies, Dropped,     Verdict::Denied),
        ("a datagram was dropped at once", (Dropped, none),  (Delivered, none),      &denies, Dropped,     Verdict::Denied),
        ("a datagram was refused",   (Delivered, none),      (Refused, reached),     &admits, Refused,     Verdict::Failed),
        ("its answer got lost",      (Delivered, none),      (Established, reached), &admits, Delivered,   Verdict::Allowed),
    ];
    for (name, (source, source_saw), (destination, destination_saw), ingress, outcome, verdict) in rows {
        let told = |outcome| web_to_db().ended(outcome).ingress(ingress.clone());
        let source = saw(by_source(told(source)), source_saw);
        let destination = saw(by_destination(told(destination)), destination_saw);
        let flow = joined(&source, &destination);
        assert_eq!((flow.outcome, flow.verdict), (outcome, verdict), "{name}");
        assert_eq!(flow.inferred, outcome == NoReply && verdict == Verdict::Denied, "{name}");
        assert_eq!(flow.reporter, Reporter::Both, "{name}");
    }
}

#[test]
fn the_reason_comes_from_the_view_that_saw_the_drop() {
    let quiet = web_to_db().ended(Outcome::NoReply);
    let dropped = web_to_db()
        .ended(Outcome::Dropped)
        .because("NETFILTER_DROP")
        .change(|flow| flow.drop_location = Some("netfilter".into()));
    let reason = |source: &Flow, destination: &Flow| {
        let flow = joined(&by_source(source.clone()), &by_destination(destination.clone()));
        assert_eq!(
            flow.drop_location.is_some(),
            flow.drop_reason.is_some(),
            "the place goes with the reason"
        );
        flow.drop_reason
    };
    assert_eq!(reason(&quiet, &dropped).as_deref(), Some("NETFILTER_DROP"));
    assert_eq!(reason(&dropped, &quiet).as_deref(), Some("NETFILTER_DROP"));
    let refused = web_to_db().ended(Outcome::Refused);
    assert_eq!(reason(&refused, &dropped).as_deref(), Some("NETFILTER_DROP"), "now it is rejected");
    let established = web_to_db();
    assert_eq!(reason(&established, &dropped), None, "a retry went through");
    let no_socket = web_to_db().ended(Outcome::Refused).because("NO_SOCKET");
    assert_eq!(reason(&quiet, &no_socket), None, "refused is no drop");
}

#[test]
fn each_side_is_believed_about_its_own_pod() {
    let blind = || SideDecision::undecidable("the other node's pods are unknown");
    let source = by_source(web_to_db().egress(admitted("shop/web")).ingress(blind()));
    let destination = by_destination(web_to_db().egress(blind()).ingress(denied(&["shop/db"])));
    let flow = joined(&source, &destination);
    assert_eq!(*flow.egress, admitted("shop/web"));
    assert_eq!(*flow.ingress, denied(&["shop/db"]));

    // Both know, and the nearer one was closer to the change.
    let source = by_source(web_to_db().egress(admitted("shop/new")).ingress(admitted("shop/old")));
    let destination = by_destination(web_to_db().egress(admitted("shop/old")).ingress(admitted("shop/new")));
    let flow = joined(&source, &destination);
    assert_eq!((&*flow.egress, &*flow.ingress), (&admitted("shop/new"), &admitted("shop/new")));

    // Only the far side knows.
    let source = by_source(web_to_db().egress(blind()).ingress(admitted("shop/db")));
    let destination = by_destination(web_to_db().egress(admitted("shop/web")).ingress(blind()));
    let flow = joined(&source, &destination);
    assert_eq!((&*flow.egress, &*flow.ingress), (&admitted("shop/web"), &admitted("shop/db")));

    let flow =
        joined(&by_source(web_to_db().ingress(blind())), &by_destination(web_to_db().ingress(blind())));
    assert_eq!(flow.verdict, Verdict::Undecided);
}

fn loss(cause: &str, count: u64) -> Loss {
    Loss { cause: cause.to_owned(), count, from: at(0), to: at(5) }
}

#[test]
fn the_sockets_own_accounts_survive_the_join_whoever_has_them() {
    let told = |retransmits, srtt_us| {
        web_to_db().change(|flow| (flow.retransmits, flow.srtt_us) = (retransmits, srtt_us))
    };
    let accounts = |source: Flow, destination: Flow| {
        let flow = joined(&by_source(source), &by_destination(destination));
        (flow.retransmits, flow.srtt_us)
    };
    assert_eq!(accounts(told(Some(1), Some(80)), told(Some(3), Some(20))), (Some(3), Some(80)));
    assert_eq!(accounts(told(Some(0), None), told(None, Some(20))), (Some(0), Some(20)));
    assert_eq!(accounts(told(None, None), told(None, None)), (None, None), "no socket told");
}

#[test]
fn identities_service_counts_and_times_come_from_who_knows_them() {
    let service = ServiceRef {
        namespace: "shop".to_owned(),
        name: "db".to_owned(),
        ip: "10.96.0.7".parse().unwrap(),
        port: 5432,
    };
    let masqueraded = flow(node("n1", "192.168.0.1"), pod("shop/db-0", "10.0.2.2", "n2"));
    let far = flow(pod("shop/web-1", "10.0.1.1", "n1"), external("10.0.2.2"));
    let mut source = by_source(far.change(|flow| {
        flow.service = Some(service.clone().into());
        flow.latency_us = Some(Latency::single(95));
        (flow.packets, flow.bytes, flow.attempts, flow.tries) = (10, 900, 3, 5);
        flow.lose(loss("ring", 1));
    }));
    let mut destination = by_destination(masqueraded.started(at(40)).change(|flow| {
        flow.latency_us = Some(Latency::single(5));
        (flow.packets, flow.bytes, flow.attempts, flow.tries) = (8, 1000, 2, 6);
        (flow.retransmits, flow.srtt_us) = (Some(4), Some(77));
        flow.lose(loss("map", 2));
        flow.lose(loss("ring", 1));
    }));
    destination.connection = Connection { start: at(40), ..source.connection };
    // The destination's view must be there first, or the source's would not wait for an outsider.
    source.witness.source_local = true;
    let mut join = join();
    assert_eq!(take(&mut join, seconds(0), &destination), []);
    let flows = take(&mut join, seconds(1), &source);
    let [joined] = flows.as_slice() else { panic!("one flow, not {flows:#?}") };

    assert!(
        matches!(joined.source.who(), Who::Pod(pod) if pod.pod == "web-1"),
        "the pod behind the source NAT"
    );
    assert!(matches!(joined.destination.who(), Who::Pod(pod) if pod.pod == "db-0"));
    assert_eq!(joined.service.as_deref(), Some(&service));
    assert_eq!(joined.latency_us, Some(Latency::single(95)));
    assert_eq!((joined.time, joined.end_time), (at(0), at(140)));
    assert_eq!((joined.packets, joined.bytes, joined.attempts), (10, 1000, 3), "views of the same packets");
    assert_eq!((joined.tries, joined.retransmits, joined.srtt_us), (6, Some(4), Some(77)));
    assert_eq!((joined.lost, joined.losses.clone()), (4, vec![loss("ring", 2), loss("map", 2)]));
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
fn a_router_without_a_way_is_no_firewall_unless_it_said_that_it_is_forbidden() {
    let mut far = by_destination(web_to_db().ended(Outcome::Dropped));
    let mut near = by_source(web_to_db().ended(Outcome::Rejected));
    assert_eq!(joined(&near, &far).outcome, Outcome::Rejected, "a firewall dropped it and said so");
    far.witness.no_way = true;
    assert_eq!(joined(&near, &far).outcome, Outcome::Dropped);
    near.witness.forbidden = true;
    assert_eq!(joined(&near, &far).outcome, Outcome::Rejected);
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

#[test]
fn a_histogram_of_handshakes_stays_with_its_flow() {
    let latencies = Some(Latencies::of(vec![80, 95, 4000]));
    let near = Observation { latencies: latencies.clone(), ..by_source(web_to_db()) };
    let mut join = join();
    let far = by_destination(web_to_db());
    assert_eq!(join.on_observation(seconds(0), "n1", near.clone(), |_| true, nothing), []);
    let both = join.on_observation(seconds(0), "n2", far, |_| true, nothing);
    assert_eq!(both[0].latencies, latencies, "the client's node knows best");
    let mut join = super::tests::join();
    let alone = join.on_observation(seconds(0), "n1", near, |_| false, nothing);
    assert_eq!(alone[0].latencies, latencies);
}
