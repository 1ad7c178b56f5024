//! Flows and observations that read like sentences, for unit and integration tests alike.
#![allow(dead_code, reason = "each test crate needs its own part")]
#![allow(clippy::unwrap_used, reason = "the input is written in the test")]

use jiff::{SignedDuration, Timestamp};
use portolan_policy::{
    Decision, End, Evidence, Flow, Outcome, PodEnd, PolicyKind, PolicyRef, Protocol, Reporter, SideDecision,
    SideVerdict, Verdict, Who, Workload, judge,
};
use portolan_proto::{Connection, Observation, Witness};
use std::{net::SocketAddr, sync::Arc};

/// A moment so many milliseconds after a fixed one.
pub(crate) fn at(millis: i64) -> Timestamp {
    let fixed: Timestamp = "2026-01-02T12:31:07.412Z".parse().unwrap();
    fixed + SignedDuration::from_millis(millis)
}

/// `namespace/pod` of the Deployment that is named like the pod up to its first hyphen, with the
/// label `app` of the same name.
pub(crate) fn pod(name: &str, ip: &str, node: &str) -> End {
    let (namespace, pod) = name.split_once('/').unwrap();
    let workload = pod.split('-').next().unwrap();
    Who::Pod(PodEnd {
        namespace: namespace.to_owned(),
        pod: pod.to_owned(),
        workload: Workload { kind: "Deployment".to_owned(), name: workload.to_owned() },
        ip: ip.parse().unwrap(),
        node: node.to_owned(),
        labels: Arc::new([("app".to_owned(), workload.to_owned())].into()),
    })
    .at(None)
}

/// An address outside.
pub(crate) fn external(ip: &str) -> End {
    Who::External { ip: ip.parse().unwrap() }.at(None)
}

/// An address of a node.
pub(crate) fn node(name: &str, ip: &str) -> End {
    Who::Node { node: name.to_owned(), namespace: None, pod: None, ip: ip.parse().unwrap() }.at(None)
}

/// An established TCP connection from port 40000 to 5432 that no policy speaks about.
pub(crate) fn flow(source: End, destination: End) -> Flow {
    Flow {
        time: at(0),
        end_time: at(100),
        source: source.with_port(Some(40000)),
        destination: destination.with_port(Some(5432)),
        service: None,
        protocol: Protocol::Tcp,
        outcome: Outcome::Established,
        revises: None,
        drop_reason: None,
        drop_location: None,
        enforced_by: None,
        passed_netfilter: None,
        verdict: Verdict::Allowed,
        inferred: false,
        egress: SideDecision::plain(SideVerdict::NotIsolated).into(),
        ingress: SideDecision::plain(SideVerdict::NotIsolated).into(),
        reporter: Reporter::Source,
        attempts: 1,
        tries: 1,
        packets: 10,
        bytes: 1000,
        latency_us: None,
        retransmits: None,
        srtt_us: None,
        lost: 0,
        losses: Vec::new(),
    }
}

/// From shop/web-1 on n1 to shop/db-0 on n2.
pub(crate) fn web_to_db() -> Flow {
    flow(pod("shop/web-1", "10.0.1.1", "n1"), pod("shop/db-0", "10.0.2.2", "n2"))
}

/// A NetworkPolicy, and its admitting rule if there is one.
pub(crate) fn policy(name: &str, rule: Option<u32>) -> PolicyRef {
    let (namespace, name) = name.split_once('/').unwrap();
    PolicyRef {
        kind: PolicyKind::NetworkPolicy,
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
        rule,
    }
}

/// Denied by these policies.
pub(crate) fn denied(policies: &[&str]) -> SideDecision {
    SideDecision {
        verdict: SideVerdict::Denied,
        policies: policies.iter().map(|name| policy(name, None)).collect(),
        reason: None,
    }
}

/// Admitted by the first rule of this policy.
pub(crate) fn admitted(name: &str) -> SideDecision {
    SideDecision { verdict: SideVerdict::Admitted, policies: vec![policy(name, Some(0))], reason: None }
}

/// Changes to a flow, in the order of a sentence.
pub(crate) trait FlowExt: Sized {
    fn change(self, change: impl FnOnce(&mut Flow)) -> Self;

    fn started(self, time: Timestamp) -> Self {
        self.change(|flow| {
            flow.time = time;
            flow.end_time = time + SignedDuration::from_millis(100);
        })
    }

    fn source_port(self, port: u16) -> Self {
        self.change(|flow| flow.source = flow.source.clone().with_port(Some(port)))
    }

    fn destination_port(self, port: u16) -> Self {
        self.change(|flow| flow.destination = flow.destination.clone().with_port(Some(port)))
    }

    fn over(self, protocol: Protocol) -> Self {
        self.change(|flow| flow.protocol = protocol)
    }

    fn ended(self, outcome: Outcome) -> Self {
        self.change(|flow| flow.outcome = outcome)
    }

    fn because(self, reason: &str) -> Self {
        self.change(|flow| flow.drop_reason = Some(reason.into()))
    }

    fn egress(self, decision: SideDecision) -> Self {
        self.change(|flow| flow.egress = decision.into())
    }

    fn ingress(self, decision: SideDecision) -> Self {
        self.change(|flow| flow.ingress = decision.into())
    }

    /// Gives the verdict that follows from the rest.
    fn judged(self, evidence: Evidence) -> Self {
        self.change(|flow| {
            let decision = Decision { egress: Arc::clone(&flow.egress), ingress: Arc::clone(&flow.ingress) };
            let judgement = judge(flow.outcome, &decision, evidence);
            flow.verdict = judgement.verdict;
            flow.inferred = judgement.inferred;
        })
    }
}

impl FlowExt for Flow {
    fn change(mut self, change: impl FnOnce(&mut Flow)) -> Self {
        change(&mut self);
        self
    }
}

/// The key of a flow whose addresses nobody translated.
pub(crate) fn connection(flow: &Flow, tcp_isn: u32) -> Connection {
    let socket = |end: &End| SocketAddr::new(end.ip(), end.port().unwrap_or(0));
    Connection {
        protocol: flow.protocol,
        source: socket(&flow.source),
        destination: socket(&flow.destination),
        tcp_isn,
        start: flow.time,
    }
}

/// The view of an agent that saw so much.
pub(crate) fn view(flow: Flow, tcp_isn: u32, witness: Witness) -> Observation {
    let evidence = Evidence {
        reached_pod: witness.reached_pod,
        dropped_in_pod: witness.dropped_in_pod,
        filtered: witness.filtered,
        recently_changed: witness.recently_changed,
    };
    let connection = connection(&flow, tcp_isn);
    Observation { flow: flow.judged(evidence), latencies: None, connection, witness }
}

/// The view of the source's node.
pub(crate) fn by_source(flow: Flow) -> Observation {
    let flow = flow.change(|flow| flow.reporter = Reporter::Source);
    view(flow, 7, Witness { source_local: true, ..Witness::default() })
}

/// The view of the destination's node.
pub(crate) fn by_destination(flow: Flow) -> Observation {
    let flow = flow.change(|flow| flow.reporter = Reporter::Destination);
    view(flow, 7, Witness { destination_local: true, ..Witness::default() })
}
