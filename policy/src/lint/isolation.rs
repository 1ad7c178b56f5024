//! Namespaces without a default deny, and pods that are isolated from the cluster's DNS.

use super::{
    Code,
    conditions::is_empty,
    findings::Findings,
    population::{Class, Home, Population},
    ports::protocol_ports,
};
use crate::{
    Cluster, ObjectKey, ObjectKind, Pod, Protocol, Tier,
    network_policy::{Direction, NetworkPolicy},
    peer::PeerMatch,
    port::{Dialled, PortMatch},
    rule::{Peers, Rule},
    sides::{Isolating, Selecting},
    tier_policy::Action,
    truth::Truth,
};
use std::collections::{BTreeMap, BTreeSet};

/// Namespaces of the cluster's own parts are left alone.
const SYSTEM_PREFIX: &str = "kube-";

/// Checks one namespace.
pub(super) fn check_default_deny<'a>(
    findings: &mut Findings,
    cluster: &Cluster,
    population: &Population<'a>,
    home: &Home<'a>,
    policies: &[&NetworkPolicy],
) {
    let live: Vec<_> = live(population, home).collect();
    if home.name.starts_with(SYSTEM_PREFIX) || live.is_empty() {
        return;
    }
    for direction in [Direction::Ingress, Direction::Egress] {
        let for_all =
            |policy: &&NetworkPolicy| is_empty(&policy.subject) && policy.is_about(direction) != Truth::No;
        if policies.iter().any(for_all) {
            continue;
        }
        let open: Vec<_> = live.iter().filter(|(_, pod)| is_open(cluster, pod, direction)).collect();
        report(findings, home.name, direction, &open, &live);
    }
}

/// A class that has living pods in the pod network, with one of them.
fn live<'s, 'a>(
    population: &'s Population<'a>,
    home: &Home<'a>,
) -> impl Iterator<Item = (&'s Class<'a>, &'a Pod)> + use<'s, 'a> {
    let classes = population.classes_of(home).iter();
    classes
        .filter(|class| class.in_pod_network && class.live > 0)
        .filter_map(|class| Some((class, class.pod?)))
}

/// No policy isolates the pod, and no cluster-wide one denies anything.
fn is_open(cluster: &Cluster, pod: &Pod, direction: Direction) -> bool {
    let denies = |selecting: &Selecting| {
        selecting.policy.rules(direction).iter().any(|rule| rule.action == Action::Deny)
    };
    let tiers = [Tier::Admin, Tier::Baseline].into_iter();
    cluster.isolating(pod, direction).is_empty()
        && !tiers.flat_map(|tier| cluster.selecting(pod, tier, direction)).any(denies)
}

fn report(
    findings: &mut Findings,
    namespace: &str,
    direction: Direction,
    open: &[&(&Class<'_>, &Pod)],
    live: &[(&Class<'_>, &Pod)],
) {
    let code = match direction {
        Direction::Ingress => Code::NoDefaultDenyIngress,
        Direction::Egress => Code::NoDefaultDenyEgress,
    };
    let Some((_, pod)) = open.first() else { return };
    let count = |classes: &mut dyn Iterator<Item = &(&Class<'_>, &Pod)>| -> usize {
        classes.map(|(class, _)| class.live).sum()
    };
    let (open, all) = (count(&mut open.iter().copied()), count(&mut live.iter()));
    let which = if open == all { "its pods".to_owned() } else { format!("{open} of its {all} pods") };
    let (word, types) = (direction.field(), direction.policy_type());
    let message = format!("no policy isolates {which} in {word}, such as {}", pod.title());
    let mend = format!("add a NetworkPolicy with `podSelector: {{}}` and `policyTypes: [{types}]`");
    let object = ObjectKey::cluster_scoped(ObjectKind::Namespace, namespace);
    findings.add(code, object, message, mend);
}

/// The pods that answer for the cluster's DNS.
pub(super) struct Dns<'a> {
    /// Empty where none is known, or where nobody can say who answers.
    servers: Vec<&'a Class<'a>>,
    /// What they listen on.
    ports: BTreeSet<u16>,
}

/// The ports that DNS pods listen on: the usual one, and the one of OpenShift.
const DNS_PORTS: [u16; 2] = [53, 5353];

impl<'a> Dns<'a> {
    /// Finds them by their usual labels.
    ///
    /// Where a cache on each node answers, its address is the node's, and policies reach it by
    /// blocks alone.
    pub(super) fn find(population: &'a Population<'_>) -> Self {
        let has = |class: &Class<'_>, key: &str, value: &str| {
            class.template.labels.text().get(key).is_some_and(|known| known == value)
        };
        let is_cache = |class: &&Class<'_>| has(class, "k8s-app", "node-local-dns");
        let is_server = |class: &&Class<'_>| {
            has(class, "k8s-app", "kube-dns")
                || has(class, "dns.operator.openshift.io/daemonset-dns", "default")
        };
        let servers: Vec<_> =
            population.classes.iter().filter(is_server).filter(|class| class.live > 0).collect();
        let reachable = servers.iter().all(|class| class.in_pod_network);
        let known = reachable && !population.classes.iter().any(|class| is_cache(&class));
        let own = servers.iter().flat_map(|class| protocol_ports(class, Protocol::Udp));
        let ports = DNS_PORTS.into_iter().chain(own).collect();
        Self { servers: if known { servers } else { Vec::new() }, ports }
    }

    fn is_server(&self, class: &Class<'_>) -> bool {
        self.servers.iter().any(|server| std::ptr::eq(server.template, class.template))
    }

    /// Whether a rule admits questions to whoever may be a DNS server.
    fn is_admitted(&self, population: &Population<'_>, rule: &Rule) -> bool {
        self.is_port_admitted(rule) && self.is_matched(population, rule)
    }

    fn is_port_admitted(&self, rule: &Rule) -> bool {
        let dialled = |port| Dialled { port: Some(port), protocol: Protocol::Udp, destination: None };
        let is_named = |port: &PortMatch| matches!(port, PortMatch::Named(None | Some(Protocol::Udp), _));
        rule.ports.iter().any(is_named)
            || self.ports.iter().any(|port| rule.matches_port(&dialled(*port)) != Truth::No)
    }

    fn is_matched(&self, population: &Population<'_>, rule: &Rule) -> bool {
        if matches!(rule.peers, Peers::Any) {
            return true;
        }
        rule.peers.as_slice().iter().any(|peer| match peer {
            PeerMatch::PodsIn { .. } | PeerMatch::PodsOf { .. } => {
                self.servers.is_empty()
                    || self.servers.iter().any(|server| population.peer_matches(peer, server) != Truth::No)
            }
            PeerMatch::Nothing => false,
            _ => true,
        })
    }
}

/// Checks the pods of one namespace, those with the same isolating policies at once.
pub(super) fn check_dns<'a>(
    findings: &mut Findings,
    cluster: &Cluster,
    population: &Population<'a>,
    dns: &Dns<'_>,
    home: &Home<'a>,
) {
    let mut groups: BTreeMap<Vec<&str>, (usize, &Pod)> = BTreeMap::new();
    for (class, pod) in live(population, home).filter(|(class, _)| !dns.is_server(class)) {
        let isolating = cluster.isolating(pod, Direction::Egress);
        if isolating.is_empty() || is_let_out(cluster, pod) || isolating.iter().any(|it| it.unless.is_some())
        {
            continue;
        }
        let names = isolating.iter().map(|isolating| &*isolating.policy.id.name).collect();
        groups.entry(names).or_insert((0, pod)).0 += class.live;
    }
    for (names, (count, pod)) in groups {
        let isolating = cluster.isolating(pod, Direction::Egress);
        if speaks_of_names(isolating) && !may_ask(population, dns, isolating) {
            report_dns(findings, isolating, &names, count, pod);
        }
    }
}

/// An Admin policy that accepts or passes over egress may let DNS through.
fn is_let_out(cluster: &Cluster, pod: &Pod) -> bool {
    let accepts = |selecting: &Selecting| {
        selecting.policy.rules(Direction::Egress).iter().any(|rule| rule.action == Action::Accept)
    };
    cluster.selecting(pod, Tier::Admin, Direction::Egress).iter().any(accepts)
}

/// Whether something is admitted that is usually called by name: pods, or anybody.
fn speaks_of_names(isolating: &[Isolating]) -> bool {
    let is_pods = |peer: &PeerMatch| matches!(peer, PeerMatch::PodsIn { .. } | PeerMatch::PodsOf { .. });
    let by_name = |rule: &Rule| matches!(rule.peers, Peers::Any) || rule.peers.as_slice().iter().any(is_pods);
    isolating.iter().flat_map(|isolating| isolating.policy.rules(Direction::Egress)).any(by_name)
}

fn may_ask(population: &Population<'_>, dns: &Dns<'_>, isolating: &[Isolating]) -> bool {
    let mut rules = isolating.iter().flat_map(|isolating| isolating.policy.rules(Direction::Egress));
    rules.any(|rule| dns.is_admitted(population, rule))
}

fn report_dns(findings: &mut Findings, isolating: &[Isolating], names: &[&str], count: usize, pod: &Pod) {
    let Some(first) = isolating.first() else { return };
    let others = match names.len() - 1 {
        0 => String::new(),
        more => format!(", with {more} other policies"),
    };
    let message = format!(
        "isolates {count} pods in egress{others}, and no rule admits 53/UDP to the cluster's DNS; \
         pods such as {} may fail to look names up",
        pod.title()
    );
    let mend = "admit 53/UDP and 53/TCP to the pods of kube-system with the label `k8s-app: kube-dns`";
    findings.add(Code::DnsForgotten, &first.policy.id, message, mend);
}
