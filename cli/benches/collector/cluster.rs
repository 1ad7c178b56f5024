//! A cluster with so many edges, made by chance: who is there, who calls whom, and what the policies say.

use crate::chance::Chance;
use portolan_policy::{
    End, PodEnd, PolicyKind, PolicyRef, ServiceRef, SideDecision, SideVerdict, Who, Workload as Owner,
};
use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc};

/// Nodes, with an agent each.
pub(crate) const NODES: usize = 8;
/// Pods of a workload, on so many nodes one after the other.
const REPLICAS: usize = 4;

/// A pod as it calls and as it is called.
struct Pod {
    client: End,
    server: End,
}

/// What calls and is called.
struct Workload {
    pods: [Pod; REPLICAS],
    service: ServiceRef,
    admitted: SideDecision,
    denied: SideDecision,
}

/// Whom an edge leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum To {
    /// A workload on the same nodes.
    Near(usize),
    /// A workload on the other nodes.
    Far(usize),
    /// The name server, which is on every node.
    Names,
    /// An address outside.
    Outside(u32),
}

/// What becomes of the attempts of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// They are admitted.
    Admitted,
    /// The destination's node drops them.
    DeniedThere,
    /// The source's node drops them, and no other sees them.
    DeniedHere,
}

/// A source workload and where it leads.
#[derive(Clone, Copy, Debug)]
struct Edge {
    source: usize,
    to: To,
    by_service: bool,
    fate: Fate,
}

/// One attempt's ends, as far as the cluster decides them.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) source: &'a End,
    pub(crate) destination: &'a End,
    pub(crate) service: Option<&'a ServiceRef>,
    pub(crate) egress: &'a SideDecision,
    pub(crate) ingress: &'a SideDecision,
    pub(crate) fate: Fate,
    pub(crate) is_question: bool,
    /// The node of the source.
    pub(crate) near: usize,
    /// The node of the destination, if it is one of a pod.
    pub(crate) far: Option<usize>,
}

/// Everybody, and all edges.
pub(crate) struct Cluster {
    workloads: Vec<Workload>,
    names: Vec<End>,
    names_service: ServiceRef,
    outside: Vec<End>,
    edges: Vec<Edge>,
    not_isolated: SideDecision,
    not_applicable: SideDecision,
}

impl Cluster {
    /// A cluster with so many edges, and 25 times fewer workloads, but a hundred at least.
    pub(crate) fn new(edges: usize) -> Self {
        let mut chance = Chance::new(42);
        let count = (edges / 25).max(100).next_multiple_of(NODES);
        let workloads = (0..count).map(|number| workload(&mut chance, number)).collect();
        let (mut known, mut chosen, mut outside) = (BTreeSet::new(), Vec::new(), Vec::new());
        while chosen.len() < edges {
            let source = chance.below(count);
            let to = to(&mut chance, source, count, outside.len());
            if !known.insert((source, to)) {
                continue;
            }
            if let To::Outside(_) = to {
                let ip = Ipv4Addr::from(chance.next() as u32).into();
                outside.push(Who::External { ip }.at(Some(443)));
            }
            let fate =
                if matches!(to, To::Near(_) | To::Far(_)) { fate(&mut chance) } else { Fate::Admitted };
            chosen.push(Edge { source, to, by_service: chance.percent(70), fate });
        }
        Self {
            workloads,
            names: (0..NODES).map(name_server).collect(),
            names_service: service("kube-system", "kube-dns", Ipv4Addr::new(10, 96, 0, 10), 53),
            outside,
            edges: chosen,
            not_isolated: SideDecision::plain(SideVerdict::NotIsolated),
            not_applicable: SideDecision::plain(SideVerdict::NotApplicable),
        }
    }

    /// How many edges there are.
    pub(crate) fn edges(&self) -> usize {
        self.edges.len()
    }

    /// An attempt along an edge, from any of its pods.
    pub(crate) fn call(&self, edge: usize, chance: &mut Chance) -> Call<'_> {
        let Edge { source: number, to, by_service, fate } = self.edges[edge];
        let (source, replica) = (&self.workloads[number], chance.below(REPLICAS));
        let near = (number + replica) % NODES;
        let call = Call {
            source: &source.pods[replica].client,
            destination: &self.names[near],
            service: Some(&self.names_service),
            egress: &self.not_isolated,
            ingress: &self.not_isolated,
            fate,
            is_question: false,
            near,
            far: Some(near),
        };
        match to {
            To::Names => Call { is_question: true, ..call },
            To::Outside(place) => Call {
                destination: &self.outside[place as usize],
                service: None,
                ingress: &self.not_applicable,
                far: None,
                ..call
            },
            To::Near(other) => self.to_pod(call, source, other, replica, by_service),
            To::Far(other) => self.to_pod(call, source, other, chance.below(REPLICAS), by_service),
        }
    }

    fn to_pod<'a>(
        &'a self,
        call: Call<'a>,
        source: &'a Workload,
        other: usize,
        replica: usize,
        by_service: bool,
    ) -> Call<'a> {
        let target = &self.workloads[other];
        Call {
            destination: &target.pods[replica].server,
            service: by_service.then_some(&target.service),
            egress: if call.fate == Fate::DeniedHere { &source.denied } else { &self.not_isolated },
            ingress: if call.fate == Fate::DeniedThere { &target.denied } else { &target.admitted },
            far: Some((other + replica) % NODES),
            ..call
        }
    }
}

fn to(chance: &mut Chance, source: usize, count: usize, outside: usize) -> To {
    // Workloads whose numbers are alike modulo the nodes are on the same nodes; half a turn away they share none.
    let alike = |chance: &mut Chance| chance.below(count / NODES) * NODES + source % NODES;
    match chance.below(100) {
        0..48 => To::Near(alike(chance)),
        48..78 => To::Far((alike(chance) + NODES / 2) % count),
        78..90 => To::Names,
        _ => To::Outside(outside as u32),
    }
}

fn fate(chance: &mut Chance) -> Fate {
    match chance.below(100) {
        0..4 => Fate::DeniedThere,
        4..6 => Fate::DeniedHere,
        _ => Fate::Admitted,
    }
}

fn workload(chance: &mut Chance, number: usize) -> Workload {
    let (name, hash) = (format!("service-{}", chance.word(6)), chance.word(10));
    let namespace = format!("team-{}", number / 8);
    let policy = |name: &str, rule| PolicyRef {
        kind: PolicyKind::NetworkPolicy,
        namespace: Some(namespace.clone()),
        name: name.to_owned(),
        rule,
    };
    let said = |verdict, policy| SideDecision { verdict, policies: vec![policy], reason: None };
    let labels = [
        ("app.kubernetes.io/name", name.clone()),
        ("app.kubernetes.io/part-of", namespace.clone()),
        ("pod-template-hash", hash.clone()),
        ("tier", ["front", "middle", "back"][number % 3].to_owned()),
    ];
    let labels = Arc::new(labels.map(|(key, value)| (key.to_owned(), value)).into());
    let ip = Ipv4Addr::from(0x0a60_0100 + number as u32);
    Workload {
        pods: std::array::from_fn(|replica| {
            let end = PodEnd {
                namespace: namespace.clone(),
                pod: format!("{name}-{hash}-{}", chance.word(5)),
                workload: Owner { kind: "Deployment".to_owned(), name: name.clone() },
                ip: Ipv4Addr::from(0x0a80_0000 + (number * REPLICAS + replica) as u32).into(),
                node: node((number + replica) % NODES),
                labels: Arc::clone(&labels),
            };
            let client = Who::Pod(end).at(None);
            Pod { server: client.clone().with_port(Some(8080)), client }
        }),
        service: service(&namespace, &name, ip, 80),
        admitted: said(SideVerdict::Admitted, policy(&name, Some(0))),
        denied: said(SideVerdict::Denied, policy("default-deny", None)),
    }
}

/// The name of a node.
pub(crate) fn node(number: usize) -> String {
    format!("ip-10-0-{number}-17.eu-central-1.compute.internal")
}

fn name_server(number: usize) -> End {
    Who::Pod(PodEnd {
        namespace: "kube-system".to_owned(),
        pod: format!("coredns-7c65d6cfc9-x{number}"),
        workload: Owner { kind: "DaemonSet".to_owned(), name: "coredns".to_owned() },
        ip: Ipv4Addr::new(10, 127, 0, number as u8).into(),
        node: node(number),
        labels: Arc::new([("k8s-app".to_owned(), "kube-dns".to_owned())].into()),
    })
    .at(Some(53))
}

fn service(namespace: &str, name: &str, ip: Ipv4Addr, port: u16) -> ServiceRef {
    ServiceRef { namespace: namespace.to_owned(), name: name.to_owned(), ip: ip.into(), port }
}
