//! What the one flow of two views says.

use super::tests::{join, nothing, seconds, take};
use crate::build::{
    FlowExt as _, admitted, at, by_destination, by_source, denied, external, flow, node, pod, web_to_db,
};
use portolan_policy::{Flow, Latency, Loss, Outcome, Reporter, ServiceRef, SideDecision, Verdict, Who};
use portolan_proto::{Connection, Latencies, Observation};

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
