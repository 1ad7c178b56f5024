//! A pod as the evaluator needs it, and who owns it.

use crate::{
    InvalidObject, ObjectKey, Protocol,
    address::parse_ip,
    port::{read_number, read_protocol},
};
use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use std::{collections::BTreeMap, net::IpAddr};

/// The label that a Deployment puts on its pods with the suffix of their ReplicaSet's name.
const TEMPLATE_HASH_LABEL: &str = "pod-template-hash";

/// A pod as it is in one version of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its addresses in the order of `status.podIPs`, IPv4-mapped ones as IPv4.
    pub ips: Vec<IpAddr>,
    /// The node it runs on, once it is scheduled.
    pub node: Option<String>,
    /// Whether it shares the node's network; then it is a node address and nothing else.
    pub host_network: bool,
    /// Whether its phase is Succeeded or Failed; then it holds no address any more (M6).
    pub finished: bool,
    /// The named ports of its containers.
    pub(crate) ports: Vec<NamedPort>,
    /// The object that controls it.
    pub(crate) owner: Option<Controller>,
}

/// A container port that has a name (N18).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedPort {
    name: String,
    port: u16,
    protocol: Protocol,
}

/// The object that controls another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Controller {
    /// Its kind.
    pub(crate) kind: String,
    /// Its name, in the namespace of what it owns.
    pub(crate) name: String,
}

impl Pod {
    /// Reads the parts that matter; fails on an address that is none.
    pub(crate) fn read(key: ObjectKey, object: k8s::Pod) -> Result<Self, InvalidObject> {
        let spec = object.spec.unwrap_or_default();
        let status = object.status.unwrap_or_default();
        let ips = read_ips(&status).map_err(|text| InvalidObject::ip(&key, "status.podIPs", &text))?;
        Ok(Self {
            namespace: key.namespace_or_default().to_owned(),
            name: key.name,
            owner: controller(&object.metadata),
            labels: object.metadata.labels.unwrap_or_default(),
            ips,
            node: spec.node_name.filter(|node| !node.is_empty()),
            host_network: spec.host_network.unwrap_or_default(),
            finished: matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")),
            ports: spec.containers.iter().flat_map(named_ports).collect(),
        })
    }

    /// Whether it lives in the pod network: the only pods that policies select and speak about.
    pub fn in_pod_network(&self) -> bool {
        !self.host_network && !self.finished
    }

    /// Whether a container port of this name has that number and protocol (N18).
    pub(crate) fn serves(&self, name: &str, port: u16, protocol: Protocol) -> bool {
        self.ports.iter().any(|named| named.name == name && named.port == port && named.protocol == protocol)
    }

    /// The Deployment that the ReplicaSet `name` belongs to by the naming convention, for when the
    /// ReplicaSet itself is not known.
    pub(crate) fn deployment_of<'a>(&self, replica_set: &'a str) -> Option<&'a str> {
        let hash = self.labels.get(TEMPLATE_HASH_LABEL)?;
        replica_set.strip_suffix(hash.as_str())?.strip_suffix('-').filter(|name| !name.is_empty())
    }
}

/// The owner that controls an object, else the first one.
pub(crate) fn controller(metadata: &ObjectMeta) -> Option<Controller> {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    let controls = |owner: &&OwnerReference| owner.controller == Some(true);
    let owner = owners.iter().find(controls).or_else(|| owners.first())?;
    Some(Controller { kind: owner.kind.clone(), name: owner.name.clone() })
}

/// The addresses of `podIPs`, and `podIP` where it is not among them; the text that is none otherwise.
fn read_ips(status: &k8s::PodStatus) -> Result<Vec<IpAddr>, String> {
    let plural = status.pod_ips.iter().flatten().map(|pod_ip| pod_ip.ip.as_str());
    let texts = plural.chain(status.pod_ip.as_deref()).filter(|text| !text.is_empty());
    let mut ips = Vec::new();
    for text in texts {
        let ip = parse_ip(text).ok_or_else(|| text.to_owned())?;
        if !ips.contains(&ip) {
            ips.push(ip);
        }
    }
    Ok(ips)
}

/// The named ports of a container; a port that the API would reject names nothing.
fn named_ports(container: &k8s::Container) -> impl Iterator<Item = NamedPort> {
    container.ports.iter().flatten().filter_map(|port| {
        Some(NamedPort {
            name: port.name.clone().filter(|name| !name.is_empty())?,
            port: read_number(port.container_port)?,
            protocol: read_protocol(port.protocol.as_deref())?,
        })
    })
}
