//! Who and whom.

use super::clean;
use portolan_policy::{End, Flow, PodEnd, Who};
use std::net::IpAddr;

/// Who opened the connection. Its port says nothing.
pub(super) fn source(flow: &Flow) -> String {
    name(&flow.source, false)
}

/// Whom it reached, on which port, and through which service.
pub(super) fn destination(flow: &Flow) -> String {
    let end = &flow.destination;
    let protocol = flow.protocol;
    let mut text = match end.port() {
        Some(port) => format!("{}:{port}/{protocol}", name(end, true)),
        None => format!("{} {protocol}", name(end, false)),
    };
    if let Some(service) = flow.service.as_ref().filter(|_| !matches!(end.who(), Who::Service { .. })) {
        text += &clean(&format!(" via {}/{}:{}", service.namespace, service.name, service.port));
    }
    text
}

fn name(end: &End, with_port: bool) -> String {
    let name = match end.who() {
        Who::Pod(PodEnd { namespace, pod, .. }) => format!("{namespace}/{pod}"),
        Who::Node { namespace: Some(namespace), pod: Some(pod), node, .. } => {
            format!("{namespace}/{pod} on node {node}")
        }
        Who::Node { node, .. } => format!("node {node}"),
        Who::Service { namespace, name, .. } => format!("service {namespace}/{name}"),
        Who::External { ip: IpAddr::V6(ip) } if with_port => format!("[{ip}]"),
        Who::External { ip } => ip.to_string(),
    };
    clean(&name)
}
