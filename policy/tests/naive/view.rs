//! What is in the cluster, found by looking through all of it (M5–M7, N35).

use crate::naive::{Facts, address::parse_ip, labels::Labels};
use k8s_openapi::api::core::v1::{Node, Pod};
use portolan_policy::{Object, Protocol};
use std::{collections::BTreeSet, net::IpAddr};

/// The objects and what was told beside them.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) objects: &'a [Object],
    pub(crate) facts: &'a Facts,
}

/// One end of a connection: an address and the live pods that claim it; none for any other address.
#[derive(Clone)]
pub(crate) struct End<'a> {
    pub(crate) ip: IpAddr,
    pub(crate) pods: Vec<&'a Pod>,
    /// The host-network pod that was asked for by name.
    pub(crate) host: Option<&'a Pod>,
    /// Nobody knows who it is, nor its port, only its family: the missing fact.
    pub(crate) hidden: Option<String>,
}

/// A new connection after destination NAT.
#[derive(Clone)]
pub(crate) struct Question<'a> {
    pub(crate) source: End<'a>,
    pub(crate) destination: End<'a>,
    pub(crate) port: Option<u16>,
    pub(crate) protocol: Protocol,
    /// Whether a service address was dialled.
    pub(crate) through_service: bool,
}

/// The namespace of an object, `default` where it has none (N6).
pub(crate) fn namespace_of(object: &Object) -> String {
    object.key().namespace.unwrap_or_default()
}

/// The namespace and name of a pod.
pub(crate) fn pod_name(pod: &Pod) -> (String, String) {
    let namespace = pod.metadata.namespace.clone().filter(|namespace| !namespace.is_empty());
    let name = pod.metadata.name.clone().unwrap_or_default();
    (namespace.unwrap_or_else(|| "default".to_owned()), name)
}

/// The node a pod runs on.
pub(crate) fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref().filter(|node| !node.is_empty())
}

pub(crate) fn pod_labels(pod: &Pod) -> Labels {
    Labels { known: pod.metadata.labels.clone().unwrap_or_default(), missing: None }
}

fn is_live(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed"))
}

fn is_host_network(pod: &Pod) -> bool {
    pod.spec.as_ref().and_then(|spec| spec.host_network).unwrap_or(false)
}

fn has_ip(pod: &Pod, ip: IpAddr) -> bool {
    ips_of(pod).contains(&ip)
}

/// The addresses that a pod reports.
pub(crate) fn ips_of(pod: &Pod) -> Vec<IpAddr> {
    let Some(status) = &pod.status else { return Vec::new() };
    let ips = status.pod_ips.iter().flatten().map(|pod_ip| pod_ip.ip.as_str());
    ips.chain(status.pod_ip.as_deref()).filter_map(parse_ip).collect()
}

/// Whether a Node object lists the address as one of its own.
fn node_has_ip(node: &Node, ip: IpAddr) -> bool {
    let addresses = node.status.iter().flat_map(|status| status.addresses.iter().flatten());
    addresses
        .filter(|address| address.type_ == "InternalIP" || address.type_ == "ExternalIP")
        .any(|address| parse_ip(&address.address) == Some(ip))
}

impl<'a> View<'a> {
    pub(crate) fn nodes(self) -> impl Iterator<Item = &'a Node> {
        self.objects.iter().filter_map(|object| match object {
            Object::Node(node) => Some(node.as_ref()),
            _ => None,
        })
    }

    fn live_pods(self) -> impl Iterator<Item = &'a Pod> {
        let pods = self.objects.iter().filter_map(|object| match object {
            Object::Pod(pod) => Some(pod.as_ref()),
            _ => None,
        });
        pods.filter(|pod| is_live(pod))
    }

    /// The live pods of the pod network.
    pub(crate) fn network_pods(self) -> impl Iterator<Item = &'a Pod> {
        self.live_pods().filter(|pod| !is_host_network(pod))
    }

    /// The live host-network pods.
    pub(crate) fn host_pods(self) -> impl Iterator<Item = &'a Pod> {
        self.live_pods().filter(|pod| is_host_network(pod))
    }

    pub(crate) fn end(self, ip: IpAddr) -> End<'a> {
        let pods = self.network_pods().filter(|pod| has_ip(pod, ip)).collect();
        End { ip, pods, host: None, hidden: None }
    }

    /// The nodes that report the address, by their objects or by a host-network pod.
    pub(crate) fn nodes_reporting(self, ip: IpAddr) -> BTreeSet<String> {
        let nodes = self.nodes().filter(|node| node_has_ip(node, ip));
        let nodes = nodes.filter_map(|node| node.metadata.name.clone());
        let hosts = self.live_pods().filter(|pod| is_host_network(pod) && has_ip(pod, ip));
        nodes.chain(hosts.filter_map(node_of).map(str::to_owned)).collect()
    }

    /// The nodes that were told to have the address beside their objects.
    pub(crate) fn nodes_told(self, ip: IpAddr) -> BTreeSet<String> {
        let told = self.facts.node_addresses.iter();
        let told = told.filter(|(_, ips)| ips.iter().any(|told| told.to_canonical() == ip));
        told.map(|(node, _)| node.clone()).collect()
    }

    /// The labels of a node; nothing is known without its object.
    pub(crate) fn node_labels(self, name: &str) -> Labels {
        let found = self.nodes().find(|node| node.metadata.name.as_deref() == Some(name));
        let missing = found.is_none().then(|| format!("the labels of node {name}"));
        Labels { known: found.and_then(|node| node.metadata.labels.clone()).unwrap_or_default(), missing }
    }

    /// The labels of a namespace; its name is one of them, and all that is known without its object.
    pub(crate) fn namespace_labels(self, name: &str) -> Labels {
        let found = self.objects.iter().find_map(|object| match object {
            Object::Namespace(it) if it.metadata.name.as_deref() == Some(name) => Some(it),
            _ => None,
        });
        let mut known = found.and_then(|it| it.metadata.labels.clone()).unwrap_or_default();
        known.insert("kubernetes.io/metadata.name".to_owned(), name.to_owned());
        let missing = found.is_none().then(|| format!("the labels of namespace {name}"));
        Labels { known, missing }
    }
}
