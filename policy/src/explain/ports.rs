//! Why no entry of a list of ports matches.

use super::{Condition, Unmet, case::Case, written::WrittenPort};
use crate::{Pod, Protocol, network_policy::Direction, shown::listed};
use std::fmt;

/// The one condition that a list of ports leaves unmet; `field` is where the list is written.
pub(super) fn unmet(case: &Case<'_, '_>, ports: &[WrittenPort], field: &str) -> Unmet {
    let (port, protocol) = (case.connection.port, case.connection.protocol);
    let (condition, text) = reason(case, ports);
    Unmet {
        condition,
        field: field.to_owned(),
        has: Some(protocol.with_port(port)),
        wants: Some(listed(ports.iter())),
        close: None,
        text,
        matches_nobody: false,
        hint: service_hint(case, ports).or_else(|| name_hint(case, ports)),
    }
}

fn reason(case: &Case<'_, '_>, ports: &[WrittenPort]) -> (Condition, String) {
    let (port, protocol) = (case.connection.port, case.connection.protocol);
    let Some(port) = port.filter(|_| protocol.has_ports()) else {
        return (
            Condition::Protocol,
            format!("{protocol} is asked, the rule is about {}", listed(ports.iter())),
        );
    };
    if let Some(other) = ports.iter().find(|entry| entry.has_number(port)) {
        return (Condition::Protocol, format!("{port}/{protocol} is asked, the rule has {other}"));
    }
    if let [WrittenPort::Named(_, name)] = ports {
        return (Condition::Port, named(case, name, port));
    }
    if !ports.is_empty() && ports.iter().all(|entry| entry.protocol().is_some_and(|other| other != protocol))
    {
        return (
            Condition::Protocol,
            format!("{port}/{protocol} is asked, the rule has {}", listed(ports.iter())),
        );
    }
    (Condition::Port, format!("port {port} is not among {}", listed(ports.iter())))
}

/// What a name means on the destination pod (N18).
fn named(case: &Case<'_, '_>, name: &str, asked: u16) -> String {
    let Some(pod) = case.destination() else {
        return format!("port {name} is a container port's name, and the destination is no pod");
    };
    let whose = match case.direction {
        Direction::Egress => format!("pod {}", pod.title()),
        Direction::Ingress => "this pod".to_owned(),
    };
    let ports = pod.template.ports.iter().filter(|port| port.name == name);
    let told: Vec<String> = ports
        .map(|port| match (port.protocol, case.connection.protocol) {
            (Protocol::Tcp, Protocol::Tcp) => port.port.to_string(),
            (protocol, _) => protocol.with_port(Some(port.port)),
        })
        .collect();
    if told.is_empty() {
        return format!("no container of {whose} has a port named {name}; {}", names(pod));
    }
    format!(
        "port {name} is {} on {whose}, asked was {asked}/{}",
        told.join(" and "),
        case.connection.protocol
    )
}

/// The names that there are: `its named ports: postgres (5432/TCP)`.
fn names(pod: &Pod) -> String {
    let ports = pod.template.ports.iter().filter(|port| !port.name.is_empty());
    let mut names: Vec<String> =
        ports.map(|port| format!("{} ({})", port.name, port.protocol.with_port(Some(port.port)))).collect();
    names.sort();
    names.dedup();
    match names.as_slice() {
        [] => "it names no port".to_owned(),
        names => format!("its named ports: {}", listed(names.iter())),
    }
}

/// What the first name means, where the list holds more than that.
fn name_hint(case: &Case<'_, '_>, ports: &[WrittenPort]) -> Option<String> {
    let port = case.connection.port.filter(|_| ports.len() > 1)?;
    ports.iter().find_map(|entry| match entry {
        WrittenPort::Named(_, name) => Some(named(case, name, port)),
        _ => None,
    })
}

/// A rule that holds the service's port where policies see the pod's.
fn service_hint(case: &Case<'_, '_>, ports: &[WrittenPort]) -> Option<String> {
    let service = case.service.as_ref()?;
    let dialled = service.port.filter(|dialled| Some(*dialled) != case.connection.port)?;
    let has = ports.iter().any(|entry| entry.has_number(dialled));
    has.then(|| format!("{dialled} is the port of service {}; policies see the pod's port", service.name))
}

impl WrittenPort {
    fn has_number(&self, port: u16) -> bool {
        matches!(self, Self::Range(_, first, last) if (*first..=*last).contains(&port))
    }

    const fn protocol(&self) -> Option<Protocol> {
        match self {
            Self::All(protocol) | Self::Range(protocol, ..) => Some(*protocol),
            Self::Named(protocol, _) => *protocol,
            Self::Invalid => None,
        }
    }
}

impl fmt::Display for WrittenPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(protocol) => write!(f, "every {protocol} port"),
            Self::Range(protocol, first, last) if first == last => write!(f, "{first}/{protocol}"),
            Self::Range(protocol, first, last) => write!(f, "{first}-{last}/{protocol}"),
            Self::Named(Some(protocol), name) => write!(f, "{name}/{protocol}"),
            Self::Named(None, name) => f.write_str(name),
            Self::Invalid => f.write_str("an entry that is not valid"),
        }
    }
}
