//! Pods and services: the ports that policies and flows refer to.

use super::{Path, report::Report, syntax};
use crate::port::{read_number, read_protocol};
use crate::shown::quote;
use k8s_openapi::api::core::v1::{Container, ContainerPort, Pod, Service, ServicePort};

/// The effect of a container port that cannot be read.
const NAMES_NOTHING: &str = "its name stands for nothing";
/// The effect of a service port that cannot be read.
const LEADS_NOWHERE: &str = "the port leads nowhere";

/// The ports of a pod's containers.
pub(super) fn pod(report: &mut Report<'_>, pod: &Pod) {
    let Some(spec) = &pod.spec else { return };
    let at = Path::root("spec");
    containers(report, &at.field("containers"), &spec.containers);
    containers(report, &at.field("initContainers"), spec.init_containers.as_deref().unwrap_or_default());
}

fn containers(report: &mut Report<'_>, at: &Path<'_>, containers: &[Container]) {
    for (index, container) in containers.iter().enumerate() {
        let container_at = at.index(index);
        let ports = container_at.field("ports");
        for (index, port) in container.ports.iter().flatten().enumerate() {
            container_port(report, &ports.index(index), port);
        }
    }
}

fn container_port(report: &mut Report<'_>, at: &Path<'_>, port: &ContainerPort) {
    number(report, &at.field("containerPort"), port.container_port, NAMES_NOTHING);
    protocol(report, &at.field("protocol"), port.protocol.as_deref(), NAMES_NOTHING);
    let name = port.name.as_deref().filter(|name| !name.is_empty());
    if let Some((name, Err(problem))) = name.map(|name| (name, syntax::port_name(name))) {
        let problem = format!("port name {} {problem}", quote(name));
        report.invalid(&at.field("name"), problem, PORT_NAME_MEND, "it is taken as written");
    }
}

/// The ports of a service.
pub(super) fn service(report: &mut Report<'_>, service: &Service) {
    let spec = Path::root("spec");
    let at = spec.field("ports");
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    for (index, port) in ports.enumerate() {
        service_port(report, &at.index(index), port);
    }
}

fn service_port(report: &mut Report<'_>, at: &Path<'_>, port: &ServicePort) {
    number(report, &at.field("port"), port.port, LEADS_NOWHERE);
    protocol(report, &at.field("protocol"), port.protocol.as_deref(), LEADS_NOWHERE);
    // 0 stands for "none yet".
    if let Some(node_port) = port.node_port.filter(|port| *port != 0) {
        number(report, &at.field("nodePort"), node_port, "there is no port on the nodes");
    }
}

/// A port from 1 to 65535.
pub(super) fn number(report: &mut Report<'_>, at: &Path<'_>, number: i32, effect: &str) {
    if read_number(number).is_none() {
        report.invalid(at, format!("{number} is no port"), "write a number from 1 to 65535", effect);
    }
}

/// TCP, UDP or SCTP.
pub(super) fn protocol(report: &mut Report<'_>, at: &Path<'_>, protocol: Option<&str>, effect: &str) {
    let Some(word) = protocol.filter(|word| read_protocol(Some(word)).is_none()) else { return };
    let meant = ["TCP", "UDP", "SCTP"].into_iter().find(|known| known.eq_ignore_ascii_case(word));
    let mend = meant.map_or("write TCP, UDP or SCTP".to_owned(), |known| format!("write {known}"));
    report.invalid(at, format!("no protocol: {}", quote(word)), mend, effect);
}

/// How to write the name of a port.
pub(super) const PORT_NAME_MEND: &str =
    "write a port name such as `http`: at most 15 lower-case letters, digits and `-`";
