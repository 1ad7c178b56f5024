//! Attempts of a small shop on two nodes, seen from the first.

mod keeping;
mod revising;

use super::*;
use crate::{
    connections::tests::{
        scene::*,
        talk::{Talk, ping, tcp, udp},
    },
    event::Event,
};
use jiff::SignedDuration;
use portolan_policy::{
    Change, Decision, End, Flow, Latency, Outcome, PodEnd, Protocol, ServiceRef, SideVerdict, Verdict, Who,
    parse_manifest,
};
use portolan_proto::Observation;

const SHOP: &str = "
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 10.0.0.1}]}}
- {apiVersion: v1, kind: Node, metadata: {name: n2}, status: {addresses: [{type: InternalIP, address: 10.0.1.1}]}}
- {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
- apiVersion: v1
  kind: Pod
  metadata: {namespace: shop, name: web, labels: {app: web}}
  spec: {nodeName: n1, containers: []}
  status: {podIPs: [{ip: 10.0.0.2}, {ip: 'fd00::2'}]}
- apiVersion: v1
  kind: Pod
  metadata: {namespace: shop, name: db, labels: {app: db}}
  spec: {nodeName: n1, containers: []}
  status: {podIPs: [{ip: 10.0.0.3}, {ip: 'fd00::3'}]}
- apiVersion: v1
  kind: Pod
  metadata: {namespace: shop, name: far, labels: {app: far}}
  spec: {nodeName: n2, containers: []}
  status: {podIPs: [{ip: 10.0.1.4}]}
- apiVersion: v1
  kind: Service
  metadata: {namespace: shop, name: db}
  spec: {clusterIP: 10.96.0.7, ports: [{port: 80, targetPort: 8080}], selector: {app: db}}
- apiVersion: v1
  kind: Service
  metadata: {namespace: shop, name: empty}
  spec: {clusterIP: 10.96.0.8, ports: [{port: 80}], selector: {app: nobody}}
- apiVersion: discovery.k8s.io/v1
  kind: EndpointSlice
  metadata: {namespace: shop, name: db-1, labels: {kubernetes.io/service-name: db}}
  addressType: IPv4
  endpoints: [{addresses: [10.0.0.3], conditions: {ready: true}}]
  ports: [{port: 8080, protocol: TCP}]
";

/// The time of day when the attempt is made; the kernel's clock is near one millisecond then.
fn noon(clock: Clock) -> Timestamp {
    clock.timestamp(0)
}

fn shop(extra: &str) -> History {
    let mut history = History::default();
    for text in [SHOP, extra] {
        let manifest = parse_manifest(text);
        assert!(manifest.errors.is_empty(), "{:?}", manifest.errors);
        for object in manifest.objects {
            history.apply(Timestamp::UNIX_EPOCH, Change::Apply(object)).unwrap();
        }
    }
    history.begin();
    history
}

/// A policy that denies a pod all ingress.
fn locked(name: &str, app: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{namespace: shop, name: {name}}}\n\
         spec: {{podSelector: {{matchLabels: {{app: {app}}}}}, policyTypes: [Ingress]}}\n"
    )
}

fn change(history: &mut History, at: Timestamp, yaml: &str) {
    for object in parse_manifest(yaml).objects {
        history.apply(at, Change::Apply(object)).unwrap();
    }
}

fn on_n1() -> Attributor {
    Attributor::new(Some("n1".to_owned()), reasons(), Places::default())
}

fn observe(events: impl IntoIterator<Item = Event>, history: &History) -> Option<Observation> {
    attribute(&mut on_n1(), attempt(events), history, Clock::now())
}

/// Attributes twice: what was kept of the first time must be what the second would find.
fn attribute(
    attributor: &mut Attributor,
    mut attempt: Attempt,
    history: &History,
    clock: Clock,
) -> Option<Observation> {
    let mut observe = || {
        let record = attributor.attribute(&mut attempt, history, clock, |_| None);
        record.map(|record| record.observation())
    };
    let first = observe();
    assert_eq!(observe(), first);
    first
}

fn attempt(events: impl IntoIterator<Item = Event>) -> Attempt {
    Scene::new().sees(events).flush().only()
}

fn flow(events: impl IntoIterator<Item = Event>, history: &History) -> Flow {
    observe(events, history).expect("it is a flow of this node").flow
}

fn established(talk: Talk) -> [Event; 4] {
    [
        talk.syn(1).left(CLIENT),
        talk.syn(1).reached(SERVER),
        talk.syn_ack().left(SERVER),
        talk.syn_ack().reached(CLIENT),
    ]
}

fn service() -> Talk {
    tcp("10.0.0.2:40000", "10.96.0.7:80").through_to("10.0.0.3:8080")
}

fn pod(end: &End) -> (&str, Option<u16>) {
    match end.who() {
        Who::Pod(PodEnd { pod, .. }) => (pod, end.port()),
        other => panic!("{other:?} is no pod"),
    }
}

#[test]
fn a_service_is_an_attribute_and_the_port_is_the_backends() {
    let flow = flow(established(service()), &shop(""));
    assert_eq!(pod(&flow.source), ("web", Some(40000)));
    assert_eq!(pod(&flow.destination), ("db", Some(8080)));
    let dialled = ServiceRef {
        namespace: "shop".to_owned(),
        name: "db".to_owned(),
        ip: "10.96.0.7".parse().unwrap(),
        port: 80,
    };
    assert_eq!(flow.service.as_deref(), Some(&dialled));
    assert_eq!(
        (flow.outcome, flow.verdict, flow.reporter),
        (Outcome::Established, Verdict::Allowed, Reporter::Both)
    );
    assert_eq!(flow.latency_us, Some(Latency::single(3000)));
    assert_eq!((flow.attempts, flow.tries, flow.packets, flow.lost), (1, 1, 1, 0));
    assert_eq!((flow.retransmits, flow.srtt_us), (None, None), "no socket told");
}

#[test]
fn a_pod_that_is_dialled_itself_has_no_service() {
    let flow = flow(established(tcp("10.0.0.2:40000", "10.0.0.3:8080")), &shop(""));
    assert_eq!(flow.service, None);
}

#[test]
fn a_service_without_endpoints_is_itself_the_destination() {
    let nobody = tcp("10.0.0.2:40000", "10.96.0.8:80");
    let events = [nobody.syn(1).left(CLIENT), nobody.unreachable("10.0.0.1").reached(CLIENT)];
    let flow = flow(events, &shop(""));
    assert!(
        matches!(flow.destination.who(), Who::Service { name, .. } if name == "empty"),
        "{:?}",
        flow.destination
    );
    assert_eq!(flow.service.map(|service| service.name.clone()).as_deref(), Some("empty"));
    assert_eq!((flow.outcome, flow.reporter), (Outcome::Rejected, Reporter::Source));
}

#[test]
fn a_dead_address_is_external() {
    let dead = tcp("10.0.0.2:40000", "10.0.0.99:80");
    let flow = flow([dead.syn(1).left(CLIENT)], &shop(""));
    assert!(matches!(flow.destination.who(), Who::External { .. }), "{:?}", flow.destination);
    assert_eq!((flow.outcome, flow.verdict), (Outcome::NoReply, Verdict::Failed));
}

#[test]
fn the_pods_own_node_is_let_in_whatever_the_policies_say() {
    let probe = tcp("10.0.0.1:50000", "10.0.0.3:8080");
    let events = [probe.syn(1).reached(SERVER), probe.syn_ack().left(SERVER)];
    let flow = flow(events, &shop(&locked("lock", "db")));
    assert!(matches!(flow.source.who(), Who::Node { node, .. } if node == "n1"), "{:?}", flow.source);
    assert_eq!(flow.ingress.verdict, SideVerdict::NotApplicable);
    assert_eq!((flow.verdict, flow.reporter), (Verdict::Allowed, Reporter::Destination));
}

#[test]
fn a_denial_names_every_policy_that_isolates() {
    let talk = tcp("10.0.0.2:40000", "10.0.0.3:8080");
    let policies = format!("{}---\n{}", locked("one", "db"), locked("two", "db"));
    let flow = flow([talk.syn(1).left(CLIENT), talk.syn(1).dropped(NETFILTER_DROP)], &shop(&policies));
    assert_eq!((flow.outcome, flow.verdict, flow.inferred), (Outcome::Dropped, Verdict::Denied, false));
    assert_eq!(flow.drop_reason.as_deref(), Some("NETFILTER_DROP"));
    let names: Vec<&str> = flow.ingress.policies.iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
}

#[test]
fn a_drop_that_no_policy_asks_for_is_blocked() {
    let talk = tcp("10.0.0.2:40000", "10.0.0.3:8080");
    let flow = flow([talk.syn(1).left(CLIENT), talk.syn(1).dropped(NETFILTER_DROP)], &shop(""));
    assert_eq!(flow.verdict, Verdict::Blocked);
}

#[test]
fn a_full_backlog_is_a_failure_and_no_denial() {
    let talk = tcp("10.0.0.2:40000", "10.0.0.3:8080");
    let events = [
        talk.syn(1).left(CLIENT),
        talk.syn(1).reached(SERVER),
        talk.syn(1).dropped_behind(SERVER, LISTEN_OVERFLOW),
    ];
    let observation = observe(events, &shop("")).expect("it is ours");
    assert_eq!(observation.flow.verdict, Verdict::Failed);
    assert!(observation.witness.dropped_in_pod && observation.witness.reached_pod);
}

#[test]
fn a_filter_inside_the_pod_is_told_as_one_and_enforces() {
    let talk = tcp("10.0.0.2:40000", "10.0.0.3:8080");
    let events = [
        talk.syn(1).left(CLIENT),
        talk.syn(1).reached(SERVER),
        talk.syn(1).dropped_behind(SERVER, NETFILTER_DROP),
    ];
    let observation = observe(events, &shop(&locked("lock", "db"))).expect("it is ours");
    assert_eq!(observation.flow.verdict, Verdict::Denied);
    let witness = observation.witness;
    assert!(witness.dropped_in_pod && witness.filtered && !witness.no_way && !witness.forbidden);
}

#[test]
fn what_another_node_must_tell_is_undecided_here() {
    // The answer of a pod on another node proves it; its silence is only inferred from.
    let history = shop(&locked("lock", "far"));
    let talk = tcp("10.0.0.2:40000", "10.0.1.4:80");
    let answered = flow([talk.syn(1).left(CLIENT), talk.syn_ack().reached(CLIENT)], &history);
    assert_eq!(answered.verdict, Verdict::Unenforced);
    let silent = flow([talk.syn(1).left(CLIENT)], &history);
    assert_eq!((silent.verdict, silent.inferred, silent.reporter), (Verdict::Denied, true, Reporter::Source));
    let reset = flow([talk.syn(1).left(CLIENT), talk.reset_back().reached(CLIENT)], &history);
    assert_eq!((reset.outcome, reset.verdict), (Outcome::Refused, Verdict::Undecided));
    let datagram = udp("10.0.0.2:40000", "10.0.1.4:53");
    let sent = flow([datagram.first().left(CLIENT)], &history);
    assert_eq!((sent.outcome, sent.verdict), (Outcome::Delivered, Verdict::Undecided));
}

#[test]
fn an_echo_has_no_port() {
    let echo = ping("10.0.0.2", "10.0.0.3", 8080);
    let events = [echo.first().left(CLIENT), echo.first().reached(SERVER), echo.answer().left(SERVER)];
    let observation = observe(events, &shop("")).expect("it is ours");
    assert_eq!((observation.flow.source.port(), observation.flow.destination.port()), (None, None));
    assert_eq!(observation.flow.protocol, Protocol::Icmp);
    assert_eq!(observation.flow.service, None);
}

#[test]
fn the_second_family_is_the_same_pods() {
    let flow = flow(established(tcp("[fd00::2]:40000", "[fd00::3]:8080")), &shop(""));
    assert_eq!((pod(&flow.source).0, pod(&flow.destination).0), ("web", "db"));
}

#[test]
fn attempts_of_others_are_none_of_ours() {
    let history = shop("");
    let elsewhere = tcp("10.0.1.4:40000", "192.0.2.9:80");
    assert_eq!(observe([elsewhere.syn(1).left(CLIENT)], &history), None);
    let own = tcp("10.0.0.1:40000", "192.0.2.9:80");
    assert_eq!(observe([own.syn(1).dropped(NETFILTER_DROP)], &history), None);
    let mut nameless = Attributor::new(None, reasons(), Places::default());
    let local = attempt(established(service()));
    assert_eq!(attribute(&mut nameless, local, &history, Clock::now()), None);
}

#[test]
fn what_the_node_sent_to_a_pod_elsewhere_is_ours_where_it_was_dropped_here() {
    let history = shop("");
    let talk = tcp("10.0.0.1:40000", "10.0.1.4:80");
    let dropped = flow([talk.syn(1).dropped(NETFILTER_DROP)], &history);
    assert!(matches!(dropped.source.who(), Who::Node { node, .. } if node == "n1"));
    assert_eq!(pod(&dropped.destination).0, "far");
    assert_eq!(observe([talk.syn(1).left(CLIENT)], &history), None);
}

#[test]
fn a_verdict_is_by_the_policies_of_its_moment() {
    let clock = Clock::now();
    let mut history = shop("");
    change(&mut history, noon(clock) + SignedDuration::from_secs(60), &locked("later", "db"));
    let before = attempt(established(service()));
    let verdict = |attempt: &Attempt| {
        attribute(&mut on_n1(), attempt.clone(), &history, clock).map(|seen| seen.flow.verdict)
    };
    assert_eq!(verdict(&before), Some(Verdict::Allowed));
    let after = Scene::new().until(120_000).sees(established(service())).flush().only();
    assert_eq!(verdict(&after), Some(Verdict::Unenforced));
}

#[test]
fn a_mismatch_close_to_a_change_is_settling_and_the_witness_says_so() {
    let clock = Clock::now();
    for (seconds, verdict) in [(-20, Verdict::Unenforced), (-3, Verdict::Settling)] {
        let mut history = shop("");
        change(&mut history, noon(clock) + SignedDuration::from_secs(seconds), &locked("new", "db"));
        let observation =
            attribute(&mut on_n1(), attempt(established(service())), &history, clock).expect("it is ours");
        assert_eq!(observation.flow.verdict, verdict, "{seconds} s");
        assert_eq!(observation.witness.recently_changed, verdict == Verdict::Settling);
    }
}

const LATE: &str = "
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: late, labels: {app: late}}
spec: {nodeName: n1, containers: []}
status: {podIPs: [{ip: 10.0.0.50}]}
";

#[test]
fn a_pod_that_is_faster_than_the_word_of_it_is_known_all_the_same() {
    let clock = Clock::now();
    let mut history = shop("");
    let talk = tcp("10.0.0.50:40000", "10.0.0.3:8080");
    let early = attempt(established(talk));
    change(&mut history, noon(clock) + SignedDuration::from_millis(700), LATE);
    let observation = attribute(&mut on_n1(), early, &history, clock).expect("it is ours");
    assert_eq!(pod(&observation.flow.source).0, "late");
}

#[test]
fn an_address_is_the_pods_that_held_it_then() {
    let clock = Clock::now();
    let mut history = shop(LATE);
    let then = noon(clock) + SignedDuration::from_secs(30);
    let gone = parse_manifest(LATE).objects.remove(0).key();
    history.apply(then, Change::Delete(gone)).unwrap();
    change(&mut history, then, &LATE.replace("late", "heir"));
    let talk = tcp("10.0.0.50:40000", "10.0.0.3:8080");
    let seen = |attempt: &Attempt| {
        let observation = attribute(&mut on_n1(), attempt.clone(), &history, clock).expect("it is ours");
        pod(&observation.flow.source).0.to_owned()
    };
    assert_eq!(seen(&attempt(established(talk))), "late");
    assert_eq!(seen(&Scene::new().until(60_000).sees(established(talk)).flush().only()), "heir");
}

#[test]
fn the_key_for_the_other_node_is_what_was_on_the_wire() {
    let masqueraded =
        tcp("192.0.2.9:50000", "10.0.0.1:30080").through_to("10.0.0.3:8080").seen_as("10.0.0.1:61000");
    let events = [masqueraded.syn(99).reached(SERVER), masqueraded.syn_ack().left(SERVER)];
    let observation = observe(events, &shop("")).expect("it is ours");
    assert!(
        matches!(observation.flow.source.who(), Who::External { .. }),
        "the client outside, not the node"
    );
    assert_eq!(observation.connection.source, "10.0.0.1:61000".parse().unwrap());
    assert_eq!(observation.connection.destination, "10.0.0.3:8080".parse().unwrap());
    assert_eq!(observation.connection.tcp_isn, 99);
    assert_eq!(observation.connection.start, observation.flow.time);
    assert_eq!(
        observation.witness,
        Witness { destination_local: true, reached_pod: true, ..Witness::default() }
    );
}

#[test]
fn the_decision_is_the_evaluators() {
    let history = shop(&locked("lock", "db"));
    let flow = flow(established(service()), &history);
    let connection = portolan_policy::Connection {
        source: "10.0.0.2".parse().unwrap(),
        destination: "10.0.0.3".parse().unwrap(),
        port: Some(8080),
        protocol: Protocol::Tcp,
    };
    let Decision { egress, ingress } = history.latest().decide(&connection);
    assert_eq!((flow.egress, flow.ingress), (egress, ingress));
}
