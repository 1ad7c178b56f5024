//! Who the ends of a connection are.

use super::{Endpoint, EndpointKind};
use crate::{Cluster, Owner, Pod};
use std::{fmt, net::IpAddr};

/// Who holds an address; `pods` are those that claim it.
pub(super) fn of(cluster: &Cluster, ip: IpAddr, pods: &[&Pod]) -> Endpoint {
    let plain = |kind, name| Endpoint { kind, name, workload: None, pods: Vec::new(), ip };
    match (pods, cluster.owner(ip)) {
        ([pod], _) => {
            let workload = Some(cluster.workload(pod));
            Endpoint { workload, ..plain(EndpointKind::Pod, Some(pod.title())) }
        }
        ([_, ..], _) => {
            let pods = pods.iter().map(|pod| pod.title()).collect();
            Endpoint { pods, ..plain(EndpointKind::Contested, None) }
        }
        ([], Owner::Node { name, pod }) => {
            let pods = pod.iter().map(|pod| pod.title()).collect();
            Endpoint { pods, ..plain(EndpointKind::Node, Some(name.to_owned())) }
        }
        ([], Owner::Service(service)) => {
            plain(EndpointKind::Service, Some(format!("{}/{}", service.namespace, service.name)))
        }
        ([], Owner::Contested) => plain(EndpointKind::Contested, None),
        ([], Owner::Pod(_) | Owner::External) => plain(EndpointKind::External, None),
    }
}

/// `shop/web-1`, `node n1`, `198.51.100.7 (external)`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().unwrap_or_default();
        match (self.kind, self.pods.as_slice()) {
            (EndpointKind::Pod, _) => f.write_str(name),
            (EndpointKind::Contested, pods) => write!(f, "{} (claimed by {})", self.ip, claimants(pods)),
            (EndpointKind::Node, []) => write!(f, "node {name} ({})", self.ip),
            (EndpointKind::Node, pods) => {
                write!(f, "{} (host network of node {name}, {})", pods.join(", "), self.ip)
            }
            (EndpointKind::Service, _) => write!(f, "service {name} ({})", self.ip),
            (EndpointKind::External, _) => write!(f, "{} (external)", self.ip),
        }
    }
}

fn claimants(pods: &[String]) -> String {
    if pods.is_empty() { "several nodes".to_owned() } else { pods.join(" and ") }
}
