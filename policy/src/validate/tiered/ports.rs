//! Ports of the cluster-wide kinds (C12, C13, A3).

use super::{
    ALL_TAKEN, Report,
    view::{Ports, Rule},
};
use crate::{
    api::{v1alpha1, v1alpha2},
    shown::quote,
    validate::{
        Path, fields, syntax,
        unknown::meant,
        workload::{PORT_NAME_MEND, number, protocol},
    },
};

/// The effect of an entry that cannot be read.
const NO_PORT: &str = "the entry matches nothing";

/// The `ports` or `protocols` of a rule.
pub(super) fn check(report: &mut Report<'_>, rule_at: &Path<'_>, rule: &Rule<'_>, limit: usize) {
    match rule.ports {
        Ports::Admin(ports) => {
            let at = rule_at.field("ports");
            list(report, &at, ports.map(<[_]>::len), limit);
            for (index, port) in ports.unwrap_or_default().iter().enumerate() {
                admin_port(report, &at.index(index), rule, port);
            }
        }
        Ports::Cluster(protocols) => {
            let at = rule_at.field("protocols");
            list(report, &at, protocols.map(<[_]>::len), limit);
            for (index, entry) in protocols.unwrap_or_default().iter().enumerate() {
                protocol_match(report, &at.index(index), rule, entry);
            }
        }
    }
}

fn list(report: &mut Report<'_>, at: &Path<'_>, found: Option<usize>, limit: usize) {
    if found == Some(0) {
        report.invalid(at, "an empty list", "leave it out for any port", "it restricts nothing");
    }
    report.at_most(at, found.unwrap_or_default(), limit, ALL_TAKEN);
}

fn admin_port(report: &mut Report<'_>, at: &Path<'_>, rule: &Rule<'_>, port: &v1alpha1::Port) {
    let v1alpha1::Port { port_number, named_port, port_range } = port;
    let present = [port_number.is_some(), named_port.is_some(), port_range.is_some()];
    exactly_one(report, at, &present, "portNumber, portRange or namedPort");
    if let Some(v1alpha1::PortNumber { protocol: word, port }) = port_number {
        let at = at.field("portNumber");
        protocol(report, &at.field("protocol"), word.as_deref(), NO_PORT);
        number(report, &at.field("port"), *port, NO_PORT);
    }
    if let Some(v1alpha1::PortRange { protocol: word, start, end }) = port_range {
        let at = at.field("portRange");
        protocol(report, &at.field("protocol"), word.as_deref(), NO_PORT);
        range(report, &at, *start, *end);
    }
    if let Some(name) = named_port {
        named(report, &at.field("namedPort"), rule, name);
    }
}

fn protocol_match(report: &mut Report<'_>, at: &Path<'_>, rule: &Rule<'_>, entry: &v1alpha2::ProtocolMatch) {
    let v1alpha2::ProtocolMatch { tcp, udp, sctp, destination_named_port, unknown } = entry;
    let present = [tcp.is_some(), udp.is_some(), sctp.is_some(), destination_named_port.is_some()];
    match unknown.keys().next() {
        Some(key) => {
            let problem = format!("no field of the API: {}", quote(key));
            let mend = meant(&fields::PROTOCOL, key);
            let mend = mend.unwrap_or_else(|| "write tcp, udp, sctp or destinationNamedPort".to_owned());
            report.invalid(at, problem, mend, NO_PORT);
        }
        None => exactly_one(report, at, &present, "tcp, udp, sctp or destinationNamedPort"),
    }
    for (field, ports) in [("tcp", tcp), ("udp", udp), ("sctp", sctp)] {
        if let Some(ports) = ports {
            protocol_ports(report, &at.field(field), ports);
        }
    }
    if let Some(name) = destination_named_port {
        named(report, &at.field("destinationNamedPort"), rule, name);
    }
}

fn protocol_ports(report: &mut Report<'_>, at: &Path<'_>, ports: &v1alpha2::Ports) {
    let Some(port) = &ports.destination_port else {
        let mend = "write destinationPort; for all ports, a range from 1 to 65535";
        return report.invalid(at, "no destinationPort", mend, "it stands for all ports of the protocol");
    };
    let at = at.field("destinationPort");
    exactly_one(report, &at, &[port.number.is_some(), port.range.is_some()], "number or range");
    if let Some(port) = port.number {
        number(report, &at.field("number"), port, NO_PORT);
    }
    if let Some(v1alpha2::PortRange { start, end }) = &port.range {
        range(report, &at.field("range"), *start, *end);
    }
}

fn exactly_one(report: &mut Report<'_>, at: &Path<'_>, present: &[bool], fields: &str) {
    let count = present.iter().filter(|present| **present).count();
    if count != 1 {
        let problem = if count == 0 { "the entry says nothing" } else { "several fields in one entry" };
        report.invalid(at, problem, format!("write exactly one of {fields}"), NO_PORT);
    }
}

/// Both ends included, the first below the last.
fn range(report: &mut Report<'_>, at: &Path<'_>, start: i32, end: i32) {
    number(report, &at.field("start"), start, NO_PORT);
    let at = at.field("end");
    if end > i32::from(u16::MAX) {
        report.invalid(
            &at,
            format!("{end} is no port"),
            "write a number up to 65535",
            "the range ends at 65535",
        );
    } else if end == start {
        let mend = "write the port as a single number";
        report.invalid(
            &at,
            format!("the range begins and ends at {end}"),
            mend,
            "it stands for that one port",
        );
    } else if end < start {
        let problem = format!("end {end} is below start {start}");
        report.invalid(&at, problem, "write the higher number as end", NO_PORT);
    }
}

/// C13: names need pods.
fn named(report: &mut Report<'_>, at: &Path<'_>, rule: &Rule<'_>, name: &str) {
    if let Err(problem) = syntax::port_name(name) {
        let problem = format!("port name {} {problem}", quote(name));
        report.invalid(at, problem, PORT_NAME_MEND, "it is taken as the name of a port");
    }
    let without_names = |peer: &crate::api::Peer| {
        peer.networks.is_some() || peer.nodes.is_some() || peer.domain_names.is_some()
    };
    if rule.peers.iter().any(without_names) {
        let problem = format!("the port name {} beside networks, nodes or domainNames", quote(name));
        let mend = "write the port as a number, or put these peers into a rule of their own";
        report.invalid(at, problem, mend, "the name stands for the ports of pods alone");
    }
}
