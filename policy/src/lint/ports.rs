//! Ports by name that nobody has, ports whose protocol was perhaps forgotten, and ports of services.

use super::{
    Code,
    findings::{At, Findings},
    population::{Class, Hint, Population},
    services::{self, Services},
    view::{RuleView, rules},
};
use crate::{
    Protocol,
    network_policy::{Direction, NetworkPolicy},
    peer::PeerMatch,
    port::{read_number, read_protocol},
    shown::short,
    validate::is_port_name,
};
use k8s_openapi::{
    api::{core::v1::ContainerPort, networking::v1::NetworkPolicyPort},
    apimachinery::pkg::util::intstr::IntOrString,
};

/// Checks one policy; only to be asked where pods are known.
pub(super) fn check(
    findings: &mut Findings,
    population: &Population<'_>,
    services: &Services,
    policy: &NetworkPolicy,
) {
    let is_questionable = |port: &NetworkPolicyPort| is_questionable(services, port);
    for rule in rules(policy).filter(|rule| rule.ports.iter().any(is_questionable)) {
        let Some(destinations) = destinations(population, policy, rule) else { continue };
        for (index, port) in rule.ports.iter().enumerate() {
            let at = || At::from(&policy.id).field(format!("{}.port", rule.port_field(index)));
            check_name(findings, at, &destinations, port);
            check_protocol(findings, at, &destinations, port);
            services::check_port(findings, at, services, &destinations, (rule, port));
        }
    }
}

fn is_questionable(services: &Services, port: &NetworkPolicyPort) -> bool {
    let protocol = read_protocol(port.protocol.as_deref());
    let translates = |number| protocol.is_some_and(|protocol| services.translates(number, protocol));
    match &port.port {
        Some(IntOrString::String(_)) => true,
        Some(IntOrString::Int(number)) => {
            port.protocol.is_none() || read_number(*number).is_some_and(translates)
        }
        None => false,
    }
}

/// The pods whose ports a rule speaks of, where these are all known and there is at least one.
fn destinations<'s, 'a>(
    population: &'s Population<'a>,
    policy: &'s NetworkPolicy,
    rule: RuleView<'s>,
) -> Option<Vec<&'s Class<'a>>> {
    let mut classes: Vec<_> = match rule.direction {
        Direction::Ingress => population.selected(policy).collect(),
        Direction::Egress => peers(population, policy, rule)?,
    };
    classes.retain(|class| class.in_pod_network && class.spec.is_some());
    (!classes.is_empty()).then_some(classes)
}

fn peers<'s, 'a>(
    population: &'s Population<'a>,
    policy: &'s NetworkPolicy,
    rule: RuleView<'s>,
) -> Option<Vec<&'s Class<'a>>> {
    let compiled = rule.compiled.peers.as_slice();
    let mut classes = Vec::new();
    for (compiled, written) in compiled.iter().zip(rule.peers) {
        let namespace = match compiled {
            PeerMatch::PodsIn { .. } => policy.id.namespace.as_deref(),
            PeerMatch::PodsOf { namespaces, .. } if population.knows_all(namespaces) => None,
            _ => return None,
        };
        classes.extend(population.matched(compiled, Hint::new(namespace, written.pod_selector.as_ref())));
    }
    Some(classes)
}

/// N18: the name must be there with the protocol.
fn check_name(
    findings: &mut Findings,
    at: impl Fn() -> At,
    destinations: &[&Class<'_>],
    port: &NetworkPolicyPort,
) {
    let Some(IntOrString::String(name)) = &port.port else { return };
    // Named as an invalid field; one finding is enough.
    if !is_port_name(name) {
        return;
    }
    let Some(protocol) = read_protocol(port.protocol.as_deref()) else { return };
    let ports = destinations.iter().flat_map(|class| ports(class));
    let found: Vec<_> = ports.filter(|port| port.name.as_deref() == Some(name)).collect();
    if found.iter().any(|port| read_protocol(port.protocol.as_deref()) == Some(protocol)) {
        return;
    }
    let name = short(name);
    let (message, mend) = match found.first() {
        Some(_) => (
            format!("no container of the pods has a port `{name}` of {protocol}, only of another protocol"),
            "write the protocol of the container port".to_owned(),
        ),
        None => (
            format!("no container of the pods has a port `{name}`{}", example(destinations)),
            "name the container port so, or write its number".to_owned(),
        ),
    };
    findings.add(Code::UnknownPortName, at(), message, mend);
}

/// N1: without a protocol it is TCP.
fn check_protocol(
    findings: &mut Findings,
    at: impl Fn() -> At,
    destinations: &[&Class<'_>],
    port: &NetworkPolicyPort,
) {
    let (Some(IntOrString::Int(number)), None, None) = (&port.port, &port.protocol, port.end_port) else {
        return;
    };
    let Some(number) = read_number(*number) else { return };
    let protocols: Vec<_> = destinations.iter().flat_map(|class| protocols_of(class, number)).collect();
    let Some(other) = protocols.first().filter(|_| !protocols.contains(&Protocol::Tcp)) else { return };
    let message = format!("without a protocol this is {number}/TCP, and the pods have {number}/{other} only");
    findings.add(
        Code::ProtocolForgotten,
        at(),
        message,
        format!("add `protocol: {other}` if that was meant"),
    );
}

fn protocols_of<'a>(class: &Class<'a>, number: u16) -> impl Iterator<Item = Protocol> + use<'a> {
    ports(class)
        .filter(move |port| read_number(port.container_port) == Some(number))
        .filter_map(|port| read_protocol(port.protocol.as_deref()))
}

/// Whether a container declares the port.
pub(super) fn serves(class: &Class<'_>, number: u16, protocol: Protocol) -> bool {
    protocols_of(class, number).any(|known| known == protocol)
}

/// The port numbers of the containers that have the protocol.
pub(super) fn protocol_ports<'a>(
    class: &Class<'a>,
    protocol: Protocol,
) -> impl Iterator<Item = u16> + use<'a> {
    ports(class)
        .filter(move |port| read_protocol(port.protocol.as_deref()) == Some(protocol))
        .filter_map(|port| read_number(port.container_port))
}

/// The ports of all containers, those of init containers included: what they mean is up to the
/// network plugin.
fn ports<'a>(class: &Class<'a>) -> impl Iterator<Item = &'a ContainerPort> + use<'a> {
    let containers = class
        .spec
        .into_iter()
        .flat_map(|spec| spec.containers.iter().chain(spec.init_containers.iter().flatten()));
    containers.flat_map(|container| container.ports.iter().flatten())
}

fn example(destinations: &[&Class<'_>]) -> String {
    let example = destinations.first().and_then(|class| class.example());
    example.map_or(String::new(), |example| format!("; they are pods such as {example}"))
}
