//! The cluster as Kubernetes would know it: nodes, pods, services and what else was added. Pure data; the kernel
//! side is `net`'s, the objects are rendered by [`crate::objects`].

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use crate::net::addresses::Pair;
use crate::net::services::Frontend;
use crate::spec::{Labels, PodSpec, Protocol, ServiceSpec, Target};

/// A node of the cluster.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) index: u8,
    pub(crate) addresses: Pair,
}

/// A pod of the cluster.
#[derive(Debug, Clone)]
pub(crate) struct Pod {
    pub(crate) spec: PodSpec,
    pub(crate) node: String,
    /// Its own addresses, or its node's when it shares the node's network.
    pub(crate) addresses: Vec<IpAddr>,
}

/// A service of the cluster.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) spec: ServiceSpec,
    pub(crate) addresses: Vec<IpAddr>,
}

/// Everything the API server would store.
#[derive(Debug, Default)]
pub(crate) struct Cluster {
    pub(crate) namespaces: BTreeMap<String, Labels>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) pods: BTreeMap<String, Pod>,
    pub(crate) services: BTreeMap<String, Service>,
    /// Objects given as text: policies mostly.
    pub(crate) extra: Vec<Value>,
}

impl Cluster {
    pub(crate) fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The pods behind a service.
    pub(crate) fn backends<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = &'a Pod> {
        self.pods.values().filter(|pod| {
            pod.spec.namespace == service.spec.namespace
                && pod.spec.phase == "Running"
                && !service.spec.selector.is_empty()
                && service.spec.selector.iter().all(|(key, value)| pod.spec.labels.get(key) == Some(value))
        })
    }

    /// Every service port as the nodes' address translation needs it.
    pub(crate) fn frontends(&self) -> Vec<Frontend> {
        let services = self.services.values().filter(|service| !service.spec.headless);
        services
            .flat_map(|service| service.spec.ports.iter().map(move |port| (service, port)))
            .map(|(service, port)| {
                let backends = self.backends(service).filter_map(|pod| {
                    let number = pod.resolve(&port.target, port.protocol)?;
                    Some(pod.addresses.iter().map(move |address| SocketAddr::new(*address, number)))
                });
                Frontend {
                    protocol: port.protocol,
                    addresses: service.addresses.clone(),
                    port: port.port,
                    node_port: port.node_port,
                    backends: backends.flatten().collect(),
                }
            })
            .collect()
    }
}

impl Pod {
    /// The number behind a service's target port; none when the pod has no port of that name.
    pub(crate) fn resolve(&self, target: &Target, protocol: Protocol) -> Option<u16> {
        match target {
            Target::Number(number) => Some(*number),
            Target::Name(name) => {
                let ports = self.spec.ports.iter();
                ports
                    .filter(|port| port.protocol == protocol)
                    .find(|port| port.name == *name)
                    .map(|port| port.port)
            }
        }
    }
}
