//! Port entries of all policy kinds in one form (N15–N20, C12, C13, A3).

use crate::naive::{
    truth::{Truth, any},
    view::Question,
};
use k8s_openapi::api::{core::v1::Pod, networking::v1 as networking};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use portolan_policy::api::{v1alpha1, v1alpha2};

const LAST: i32 = 65_535;

/// What one entry of a port list lets through.
pub(crate) enum Entry {
    /// What the API would reject.
    Nothing,
    /// Every port of a protocol.
    Whole(String),
    /// The ports of a protocol from start to end.
    Range(String, i32, i32),
    /// A container port by its name, and by its protocol where one is given.
    Named(String, Option<String>),
}

/// A list that is absent or empty restricts nothing.
pub(crate) fn admitted(entries: &[Entry], question: &Question<'_>) -> Truth {
    if entries.is_empty() { Truth::Yes } else { any(entries.iter().map(|entry| entry.admits(question))) }
}

impl Entry {
    fn admits(&self, question: &Question<'_>) -> Truth {
        if let Some(fact) = &question.destination.hidden {
            return self.admits_hidden(question.protocol.as_str(), fact);
        }
        let same = |protocol: &str| protocol == question.protocol.as_str();
        match self {
            Self::Nothing => Truth::No,
            Self::Whole(protocol) => Truth::from(same(protocol)),
            Self::Range(protocol, ..) if !same(protocol) => Truth::No,
            Self::Range(_, start, end) => match question.port {
                Some(port) => Truth::from((*start..=*end).contains(&i32::from(port))),
                None => unknown_port(),
            },
            Self::Named(_, Some(protocol)) if !same(protocol) => Truth::No,
            Self::Named(name, _) => {
                any(question.destination.pods.iter().map(|pod| serves(pod, name, question)))
            }
        }
    }
}

impl Entry {
    /// Whether it lets through a port that nobody knows.
    fn admits_hidden(&self, protocol: &str, fact: &str) -> Truth {
        match self {
            Self::Nothing => Truth::No,
            Self::Whole(word) | Self::Range(word, 1, LAST) => Truth::from(word == protocol),
            Self::Range(word, ..) | Self::Named(_, Some(word)) if word != protocol => Truth::No,
            Self::Named(name, _) if name.is_empty() => Truth::No,
            Self::Range(..) | Self::Named(..) => Truth::missing(fact),
        }
    }
}

fn unknown_port() -> Truth {
    Truth::missing("the destination port")
}

/// Whether the pod has a container port of that name with the protocol and number in question.
fn serves(pod: &Pod, name: &str, question: &Question<'_>) -> Truth {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let ports = containers.flat_map(|container| container.ports.iter().flatten());
    let named = ports.filter(|port| {
        port.name.as_deref() == Some(name)
            && !name.is_empty()
            && is_port(port.container_port)
            && port.protocol.as_deref().unwrap_or("TCP") == question.protocol.as_str()
    });
    any(named.map(|port| match question.port {
        Some(asked) => Truth::from(port.container_port == i32::from(asked)),
        None => unknown_port(),
    }))
}

fn is_port(number: i32) -> bool {
    (1..=LAST).contains(&number)
}

fn is_protocol(word: &str) -> bool {
    matches!(word, "TCP" | "UDP" | "SCTP")
}

/// A range whose end is clamped to the last port; nothing where its ends are no ports.
fn range(protocol: &str, start: i32, end: i32) -> Entry {
    if is_protocol(protocol) && is_port(start) && start <= end {
        Entry::Range(protocol.to_owned(), start, end.min(LAST))
    } else {
        Entry::Nothing
    }
}

/// An entry of a NetworkPolicy.
pub(crate) fn of_network_policy(entry: &networking::NetworkPolicyPort) -> Entry {
    let protocol = entry.protocol.as_deref().unwrap_or("TCP");
    match (&entry.port, entry.end_port) {
        _ if !is_protocol(protocol) => Entry::Nothing,
        (None, None) => Entry::Whole(protocol.to_owned()),
        (Some(IntOrString::Int(port)), end) => range(protocol, *port, end.unwrap_or(*port)),
        (Some(IntOrString::String(name)), None) => Entry::Named(name.clone(), Some(protocol.to_owned())),
        (None | Some(IntOrString::String(_)), Some(_)) => Entry::Nothing,
    }
}

/// An entry of an Admin or BaselineAdminNetworkPolicy: exactly one field (A3).
pub(crate) fn of_admin(entry: &v1alpha1::Port) -> Entry {
    match (&entry.port_number, &entry.named_port, &entry.port_range) {
        (Some(one), None, None) => range(one.protocol.as_deref().unwrap_or("TCP"), one.port, one.port),
        (None, Some(name), None) => Entry::Named(name.clone(), None),
        (None, None, Some(some)) => range(some.protocol.as_deref().unwrap_or("TCP"), some.start, some.end),
        _ => Entry::Nothing,
    }
}

/// An entry of a ClusterNetworkPolicy: exactly one field (C12, C13).
pub(crate) fn of_cluster(entry: &v1alpha2::ProtocolMatch) -> Entry {
    if !entry.unknown.is_empty() {
        return Entry::Nothing;
    }
    match (&entry.tcp, &entry.udp, &entry.sctp, &entry.destination_named_port) {
        (Some(ports), None, None, None) => of_protocol("TCP", ports),
        (None, Some(ports), None, None) => of_protocol("UDP", ports),
        (None, None, Some(ports), None) => of_protocol("SCTP", ports),
        (None, None, None, Some(name)) => Entry::Named(name.clone(), None),
        _ => Entry::Nothing,
    }
}

fn of_protocol(protocol: &str, ports: &v1alpha2::Ports) -> Entry {
    let Some(port) = &ports.destination_port else { return Entry::Whole(protocol.to_owned()) };
    match (port.number, &port.range) {
        (Some(number), None) => range(protocol, number, number),
        (None, Some(some)) => range(protocol, some.start, some.end),
        _ => Entry::Nothing,
    }
}
