//! Arbitrary domain values.
//!
//! The large strategies are boxed: unboxed, their types are too large for the stack of a test.
#![allow(dead_code, reason = "each test crate needs its own part")]

use jiff::Timestamp;
use portolan_policy::{
    End, Enforcer, Flow, Latency, Loss, Outcome, PodEnd, PolicyKind, PolicyRef, Protocol, Reporter,
    RuleVerdict, ServiceRef, SideDecision, SideVerdict, Verdict, Who, Workload,
};
use portolan_proto::{
    Connection, Latencies, Observation, Witness,
    graph::{self, DecisionCount, Direction, Edge, OutcomeCount, Party, PolicyHit, Service, by_verdict},
};
use proptest::{collection, option, prelude::*, sample::select};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9.-]{0,12}"
}

fn time() -> impl Strategy<Value = Timestamp> {
    let (min, max) = (Timestamp::MIN.as_nanosecond(), Timestamp::MAX.as_nanosecond());
    prop_oneof![min..=max, -2_000_000_000_i128..2_000_000_000]
        .prop_map(|nanos| Timestamp::from_nanosecond(nanos).unwrap())
}

fn workload() -> impl Strategy<Value = Workload> {
    (select(vec!["Deployment", "CronJob", "Pod"]), name())
        .prop_map(|(kind, name)| Workload { kind: kind.to_owned(), name })
}

fn pod() -> BoxedStrategy<PodEnd> {
    let labels = collection::btree_map(name(), name(), 0..3);
    (name(), name(), workload(), any::<IpAddr>(), name(), labels)
        .prop_map(|(namespace, pod, workload, ip, node, labels)| PodEnd {
            namespace,
            pod,
            workload,
            ip,
            node,
            labels: Arc::new(labels),
        })
        .boxed()
}

fn end() -> BoxedStrategy<End> {
    let who = prop_oneof![
        pod().prop_map(Who::Pod),
        (name(), option::of(name()), option::of(name()), any::<IpAddr>())
            .prop_map(|(node, namespace, pod, ip)| Who::Node { node, namespace, pod, ip }),
        (name(), name(), any::<IpAddr>()).prop_map(|(namespace, name, ip)| Who::Service {
            namespace,
            name,
            ip
        }),
        any::<IpAddr>().prop_map(|ip| Who::External { ip }),
    ];
    (who, any::<Option<u16>>()).prop_map(|(who, port)| who.at(port)).boxed()
}

fn service() -> impl Strategy<Value = ServiceRef> {
    (name(), name(), any::<IpAddr>(), any::<u16>()).prop_map(|(namespace, name, ip, port)| ServiceRef {
        namespace,
        name,
        ip,
        port,
    })
}

fn policy() -> impl Strategy<Value = PolicyRef> {
    let kind = select(vec![
        PolicyKind::NetworkPolicy,
        PolicyKind::ClusterNetworkPolicy,
        PolicyKind::AdminNetworkPolicy,
        PolicyKind::BaselineAdminNetworkPolicy,
    ]);
    (kind, option::of(name()), name(), any::<Option<u32>>())
        .prop_map(|(kind, namespace, name, rule)| PolicyRef { kind, namespace, name, rule })
}

fn side() -> BoxedStrategy<SideDecision> {
    let verdict = select(vec![
        SideVerdict::NotIsolated,
        SideVerdict::Admitted,
        SideVerdict::Denied,
        SideVerdict::NotApplicable,
        SideVerdict::Undecidable,
    ]);
    (verdict, collection::vec(policy(), 0..3), option::of(name()))
        .prop_map(|(verdict, policies, reason)| SideDecision { verdict, policies, reason })
        .boxed()
}

fn outcome() -> impl Strategy<Value = Outcome> {
    select(vec![
        Outcome::Established,
        Outcome::Refused,
        Outcome::Rejected,
        Outcome::Dropped,
        Outcome::NoReply,
        Outcome::Delivered,
    ])
}

fn verdict() -> impl Strategy<Value = Verdict> {
    select(vec![
        Verdict::Allowed,
        Verdict::Denied,
        Verdict::Unenforced,
        Verdict::Blocked,
        Verdict::Failed,
        Verdict::Settling,
        Verdict::Undecided,
    ])
}

fn latency() -> impl Strategy<Value = Latency> {
    any::<[u64; 4]>().prop_map(|[min, p50, p99, max]| Latency { min, p50, p99, max })
}

/// Any loss.
pub(crate) fn loss() -> impl Strategy<Value = Loss> {
    (name(), any::<u64>(), time(), time()).prop_map(|(cause, count, from, to)| Loss {
        cause,
        count,
        from,
        to,
    })
}

fn enforcer() -> BoxedStrategy<Enforcer> {
    let handle = (any::<Option<u64>>(), option::of(name()), select(RuleVerdict::ALL.to_vec()));
    (name(), name(), name(), handle)
        .prop_map(|(family, table, chain, (handle, comment, verdict))| Enforcer {
            family,
            table,
            chain,
            handle,
            comment,
            verdict,
        })
        .boxed()
}

/// Any flow that can be told, sensible or not.
pub(crate) fn flow() -> BoxedStrategy<Flow> {
    let drop = (option::of(name()), option::of(name()), option::of(enforcer()), any::<Option<bool>>());
    let outcomes = (outcome(), option::of(outcome()));
    let what = (select(Protocol::ALL.to_vec()), outcomes, drop, verdict(), any::<bool>());
    let reporter = select(vec![Reporter::Source, Reporter::Destination, Reporter::Both]);
    let counts = (
        any::<[u64; 5]>(),
        option::of(latency()),
        any::<[Option<u64>; 2]>(),
        collection::vec(loss(), 0..3),
        reporter,
    );
    let ends = (end(), end(), option::of(service()));
    ((time(), time()), ends, what, (side(), side()), counts)
        .prop_map(
            |(
                (time, end_time),
                (source, destination, service),
                (
                    protocol,
                    (outcome, revises),
                    (drop_reason, drop_location, enforced_by, passed_netfilter),
                    verdict,
                    inferred,
                ),
                (egress, ingress),
                (
                    [attempts, tries, packets, bytes, lost],
                    latency_us,
                    [retransmits, srtt_us],
                    losses,
                    reporter,
                ),
            )| Flow {
                time,
                end_time,
                source,
                destination,
                service: service.map(Arc::new),
                protocol,
                outcome,
                revises,
                drop_reason: drop_reason.map(Into::into),
                drop_location: drop_location.map(Into::into),
                enforced_by: enforced_by.map(Arc::new),
                passed_netfilter,
                verdict,
                inferred,
                egress: egress.into(),
                ingress: ingress.into(),
                reporter,
                attempts,
                tries,
                packets,
                bytes,
                latency_us,
                retransmits,
                srtt_us,
                lost,
                losses,
            },
        )
        .boxed()
}

/// The histogram of a few flows, as agents make them.
pub(crate) fn latencies() -> impl Strategy<Value = Option<Latencies>> {
    option::weighted(0.2, collection::vec(any::<u64>(), 2..20).prop_map(Latencies::of))
}

/// Any observation of any flow.
pub(crate) fn observation() -> impl Strategy<Value = Observation> {
    let address = || (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port));
    let connection = (select(Protocol::ALL.to_vec()), address(), address(), any::<u32>(), time()).prop_map(
        |(protocol, source, destination, tcp_isn, start)| Connection {
            protocol,
            source,
            destination,
            tcp_isn,
            start,
        },
    );
    let witness = any::<[bool; 8]>().prop_map(|facts| Witness {
        source_local: facts[0],
        destination_local: facts[1],
        reached_pod: facts[2],
        dropped_in_pod: facts[3],
        recently_changed: facts[4],
        filtered: facts[5],
        no_way: facts[6],
        forbidden: facts[7],
    });
    (flow(), latencies(), connection, witness).prop_map(|(flow, latencies, connection, witness)| {
        Observation { flow, latencies, connection, witness }
    })
}

fn party() -> BoxedStrategy<Party> {
    prop_oneof![
        (name(), workload()).prop_map(|(namespace, workload)| Party::Workload { namespace, workload }),
        name().prop_map(|node| Party::Node { node }),
        (name(), name()).prop_map(|(namespace, name)| Party::Service { namespace, name }),
        any::<IpAddr>().prop_map(|ip| Party::External { ip }),
        Just(Party::Other),
    ]
    .boxed()
}

fn direction() -> impl Strategy<Value = Direction> {
    select(vec![Direction::Egress, Direction::Ingress])
}

fn decision_count() -> BoxedStrategy<DecisionCount> {
    (direction(), side(), any::<u64>(), time(), time())
        .prop_map(|(direction, decision, attempts, first, last)| DecisionCount {
            direction,
            decision,
            attempts,
            first,
            last,
        })
        .boxed()
}

fn outcome_count() -> BoxedStrategy<OutcomeCount> {
    (outcome(), verdict(), option::of(name()), any::<u64>())
        .prop_map(|(outcome, verdict, drop_reason, attempts)| OutcomeCount {
            outcome,
            verdict,
            drop_reason,
            attempts,
        })
        .boxed()
}

fn summary() -> BoxedStrategy<graph::Latency> {
    let figures = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>());
    (figures, collection::vec(any::<(u64, u64)>(), 0..4))
        .prop_map(|((count, min, p50, p90, p99, max), histogram)| graph::Latency {
            count,
            min,
            p50,
            p90,
            p99,
            max,
            histogram,
        })
        .boxed()
}

/// An edge of the graph.
pub(crate) fn edge() -> BoxedStrategy<Edge> {
    let service = option::of((name(), name()).prop_map(|(namespace, name)| Service { namespace, name }));
    let protocol =
        select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Sctp, Protocol::Icmp, Protocol::Icmpv6]);
    let key = (party(), party(), service, any::<Option<u16>>(), protocol);
    let figures = (any::<[u64; 5]>(), time(), time());
    let lists = (
        collection::vec(outcome_count(), 0..3),
        option::of(summary()),
        collection::vec(decision_count(), 0..3),
    );
    (key, figures, lists)
        .prop_map(|((source, destination, service, port, protocol), figures, lists)| {
            let ([attempts, revised, packets, bytes, retransmits], first, last) = figures;
            let (outcomes, latency_us, decisions) = lists;
            let verdicts = by_verdict(&outcomes);
            Edge {
                source,
                destination,
                service,
                port,
                protocol,
                attempts,
                revised,
                verdicts,
                outcomes,
                packets,
                bytes,
                retransmits,
                first,
                last,
                latency_us,
                decisions,
            }
        })
        .boxed()
}

/// What a policy did.
pub(crate) fn policy_hit() -> BoxedStrategy<PolicyHit> {
    (direction(), policy(), any::<u64>(), any::<u64>(), any::<u64>(), time(), time())
        .prop_map(|(direction, policy, admitted, denied, edges, first, last)| PolicyHit {
            direction,
            policy,
            admitted,
            denied,
            edges,
            first,
            last,
        })
        .boxed()
}
