//! Arbitrary domain values.
//!
//! The large strategies are boxed: unboxed, their types are too large for the stack of a test.
#![allow(dead_code, reason = "each test crate needs its own part")]

use jiff::Timestamp;
use portolan_policy::{
    End, Enforcer, Flow, Latency, Loss, Outcome, PodEnd, PolicyKind, PolicyRef, Protocol, Reporter,
    RuleVerdict, ServiceRef, SideDecision, SideVerdict, Verdict, Workload,
};
use portolan_proto::{Connection, Latencies, Observation, Witness};
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
    (name(), name(), workload(), any::<IpAddr>(), any::<Option<u16>>(), name(), labels)
        .prop_map(|(namespace, pod, workload, ip, port, node, labels)| PodEnd {
            namespace,
            pod,
            workload,
            ip,
            port,
            node,
            labels: Arc::new(labels),
        })
        .boxed()
}

fn end() -> BoxedStrategy<End> {
    let (ip, port) = (any::<IpAddr>(), any::<Option<u16>>());
    prop_oneof![
        pod().prop_map(End::Pod),
        (name(), option::of(name()), option::of(name()), ip.clone(), port.clone())
            .prop_map(|(node, namespace, pod, ip, port)| End::Node { node, namespace, pod, ip, port }),
        (name(), name(), ip.clone(), port.clone()).prop_map(|(namespace, name, ip, port)| End::Service {
            namespace,
            name,
            ip,
            port
        }),
        (ip, port).prop_map(|(ip, port)| End::External { ip, port }),
    ]
    .boxed()
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
    let what = (select(Protocol::ALL.to_vec()), outcome(), drop, verdict(), any::<bool>());
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
                    outcome,
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
                service,
                protocol,
                outcome,
                drop_reason,
                drop_location,
                enforced_by,
                passed_netfilter,
                verdict,
                inferred,
                egress,
                ingress,
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
