//! Services whose port or address was written where the pod's was meant: policies see a connection
//! after it was led to a pod (N36).

use super::{
    Code,
    findings::{At, Findings},
    population::{Class, Hint, Population},
    ports::serves,
    view::RuleView,
};
use crate::{
    Object, Protocol,
    address::parse_ip,
    labels::Labels,
    port::{Dialled, read_number, read_protocol},
    selector::Selector,
    template::Template,
    truth::Truth,
};
use ipnet::IpNet;
use k8s_openapi::{
    api::{core::v1 as k8s, networking::v1::NetworkPolicyPort},
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
};

/// The services that translate addresses or ports.
#[derive(Default)]
pub(super) struct Services {
    /// The ports that lead to a pod of a template, by the number that is dialled.
    behind: HashMap<(*const Template, u16, Protocol), Vec<Behind>>,
    /// The numbers that some service leads elsewhere.
    translated: HashSet<(u16, Protocol)>,
    addresses: BTreeMap<IpAddr, String>,
}

/// Where a port of a service leads.
struct Behind {
    service: String,
    target: u16,
}

impl Services {
    /// Reads the services among the objects.
    pub(super) fn read(objects: &[&Object], population: &Population<'_>) -> Self {
        let mut found: BTreeMap<String, (&k8s::ServiceSpec, String)> = BTreeMap::new();
        for object in objects {
            let Object::Service(service) = object else { continue };
            let (key, Some(spec)) = (object.key(), service.spec.as_ref()) else { continue };
            let is_led = spec.type_.as_deref() != Some("ExternalName");
            if is_led && spec.cluster_ip.as_deref() != Some("None") {
                found.insert(key.to_string(), (spec, key.namespace_or_default().to_owned()));
            }
        }
        let mut services = Self::default();
        for (title, (spec, namespace)) in found {
            services.add_addresses(&title, spec);
            services.add_ports(population, &title, &namespace, spec);
        }
        services
    }

    fn add_addresses(&mut self, title: &str, spec: &k8s::ServiceSpec) {
        for text in spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip) {
            if let Some(ip) = parse_ip(text) {
                self.addresses.entry(ip).or_insert_with(|| title.to_owned());
            }
        }
    }

    fn add_ports(
        &mut self,
        population: &Population<'_>,
        title: &str,
        namespace: &str,
        spec: &k8s::ServiceSpec,
    ) {
        let Some(labels) = spec.selector.clone().filter(|labels| !labels.is_empty()) else { return };
        let wanted = LabelSelector { match_labels: Some(labels), match_expressions: None };
        let selector = Selector::compile(&wanted);
        let hint = Hint::new(Some(namespace), Some(&wanted));
        let classes = population.candidates(hint).filter(|class| {
            let labels = Labels::Known(class.template.labels.prints());
            class.in_pod_network && selector.admits(labels) == Truth::Yes
        });
        for class in classes {
            for port in spec.ports.iter().flatten() {
                self.add_port(title, class, port);
            }
        }
    }

    fn add_port(&mut self, service: &str, class: &Class<'_>, port: &k8s::ServicePort) {
        let protocol = read_protocol(port.protocol.as_deref());
        let (Some(number), Some(protocol)) = (read_number(port.port), protocol) else { return };
        let Some(target) = target(class.template, port, (number, protocol)) else { return };
        if target != number {
            self.translated.insert((number, protocol));
        }
        let behind = self.behind.entry((class.template, number, protocol)).or_default();
        behind.push(Behind { service: service.to_owned(), target });
    }

    /// Whether some service leads that number to another.
    pub(super) fn translates(&self, number: u16, protocol: Protocol) -> bool {
        self.translated.contains(&(number, protocol))
    }

    /// Where the number leads for pods of a class, where it leads to another number only.
    fn behind(&self, class: &Class<'_>, number: u16, protocol: Protocol) -> &[Behind] {
        let key = (std::ptr::from_ref(class.template), number, protocol);
        let behind = self.behind.get(&key).map_or(&[][..], Vec::as_slice);
        if behind.iter().any(|behind| behind.target == number) { &[] } else { behind }
    }
}

/// The number on the pods; `None` where it is a name that they do not have.
fn target(template: &Template, port: &k8s::ServicePort, (number, protocol): (u16, Protocol)) -> Option<u16> {
    match &port.target_port {
        None => Some(number),
        Some(IntOrString::Int(target)) => read_number(*target),
        Some(IntOrString::String(name)) => {
            let mut ports = template.ports.iter();
            ports.find(|port| port.name == *name && port.protocol == protocol).map(|port| port.port)
        }
    }
}

/// A number by which the pods are known only to clients of a service.
pub(super) fn check_port(
    findings: &mut Findings,
    at: impl Fn() -> At,
    services: &Services,
    destinations: &[&Class<'_>],
    (rule, port): (RuleView<'_>, &NetworkPolicyPort),
) {
    let (Some(IntOrString::Int(number)), None) = (&port.port, port.end_port) else { return };
    let protocol = read_protocol(port.protocol.as_deref());
    let (Some(number), Some(protocol)) = (read_number(*number), protocol) else { return };
    if destinations.iter().any(|class| serves(class, number, protocol)) {
        return;
    }
    let missed = destinations.iter().find_map(|class| {
        let is_missed = |behind: &&Behind| {
            let destination = Some(class.template);
            let dialled = Dialled { port: Some(behind.target), protocol, destination };
            rule.compiled.matches_port(&dialled) == Truth::No
        };
        services.behind(class, number, protocol).iter().find(is_missed).map(|behind| (class, behind))
    });
    let Some((class, Behind { service, target })) = missed else { return };
    let example = class.example().map_or(String::new(), |example| format!(" of pods such as {example}"));
    let message = format!(
        "{number}/{protocol} is the port of {service}, which leads to {target}/{protocol}{example}; rules are \
         asked about the port of the pod, and this one does not match {target}/{protocol}"
    );
    findings.add(Code::ServicePort, at(), message, format!("write {target}"));
}

/// A block that is the address of a service and nothing else.
pub(super) fn check_address(
    findings: &mut Findings,
    at: impl Fn() -> At,
    services: &Services,
    block: &IpNet,
) {
    if block.prefix_len() != block.max_prefix_len() {
        return;
    }
    let Some(service) = services.addresses.get(&block.addr()) else { return };
    let message = format!(
        "{} is the address of {service}; rules are asked about the address that it leads to, so this may match nothing",
        block.addr()
    );
    let mend = "select the pods behind it, or write the addresses of its endpoints";
    findings.add(Code::ServiceAddress, at(), message, mend);
}
