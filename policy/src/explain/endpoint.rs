//! Who the ends of a connection are.

use super::{Endpoint, EndpointKind};
use crate::{Cluster, Owner, Service, cluster::Claim};
use std::{fmt, net::IpAddr};

/// Who holds an address, of which pods claim it.
pub(super) fn of(cluster: &Cluster, ip: IpAddr, claim: &Claim<'_>) -> Endpoint {
    let plain =
        |kind, name| Endpoint { kind, name, workload: None, pods: Vec::new(), headless: false, ip: Some(ip) };
    let node = |name: &str, pods| Endpoint { pods, ..plain(EndpointKind::Node, Some(name.to_owned())) };
    let owner = cluster.owner(ip);
    if let Some(pod) = claim.host {
        let name = pod.node.as_deref().or(node_of(&owner)).map(str::to_owned);
        return Endpoint { pods: vec![pod.title()], ..plain(EndpointKind::Node, name) };
    }
    match (claim.pods.as_slice(), owner) {
        ([pod], _) => {
            let workload = Some(cluster.workload(pod));
            Endpoint { workload, ..plain(EndpointKind::Pod, Some(pod.title())) }
        }
        ([_, ..], _) => {
            let pods = claim.pods.iter().map(|pod| pod.title()).collect();
            Endpoint { pods, ..plain(EndpointKind::Contested, None) }
        }
        ([], Owner::Node { name, pod }) => node(name, pod.iter().map(|pod| pod.title()).collect()),
        ([], Owner::Service(service)) => {
            plain(EndpointKind::Service, Some(format!("{}/{}", service.namespace, service.name)))
        }
        ([], Owner::Contested) => plain(EndpointKind::Contested, None),
        ([], Owner::Pod(_) | Owner::External) => plain(EndpointKind::External, None),
    }
}

/// The node, where it is one.
fn node_of<'a>(owner: &Owner<'a>) -> Option<&'a str> {
    match owner {
        Owner::Node { name, .. } => Some(name),
        _ => None,
    }
}

/// A service that has no address, or none that is known.
pub(super) fn by_name(service: &Service) -> Endpoint {
    let name = Some(format!("{}/{}", service.namespace, service.name));
    let headless = service.is_headless();
    Endpoint { kind: EndpointKind::Service, name, workload: None, pods: Vec::new(), headless, ip: None }
}

/// `shop/web-1`, `node n1`, `198.51.100.7 (external)`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().unwrap_or_default();
        let Some(ip) = self.ip else {
            return write!(f, "{}service {name}", if self.headless { "headless " } else { "" });
        };
        match (self.kind, self.pods.as_slice()) {
            (EndpointKind::Pod, _) => f.write_str(name),
            (EndpointKind::Contested, pods) => write!(f, "{ip} (claimed by {})", claimants(pods)),
            (EndpointKind::Node, []) => write!(f, "node {name} ({ip})"),
            (EndpointKind::Node, pods) if self.name.is_none() => {
                write!(f, "{} (host network of a node that is not known, {ip})", pods.join(", "))
            }
            (EndpointKind::Node, pods) => {
                write!(f, "{} (host network of node {name}, {ip})", pods.join(", "))
            }
            (EndpointKind::Service, _) => write!(f, "service {name} ({ip})"),
            (EndpointKind::External, _) => write!(f, "{ip} (external)"),
        }
    }
}

fn claimants(pods: &[String]) -> String {
    if pods.is_empty() { "several nodes".to_owned() } else { pods.join(" and ") }
}
