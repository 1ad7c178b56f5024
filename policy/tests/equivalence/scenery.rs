//! Random namespaces, nodes, pods and services over few names and addresses, so that they meet.

use k8s_openapi::api::{
    core::v1::{Namespace, Node, Pod, Service},
    discovery::v1::EndpointSlice,
};
use portolan_policy::Object;
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{collections::BTreeMap, net::IpAddr};

pub(crate) const NAMESPACES: [&str; 4] = ["a", "b", "c", "d"];
pub(crate) const NODES: [&str; 4] = ["n1", "n2", "n3", "n4"];

/// Addresses of the pod network; the mapped one is one of the others.
const POD_IPS: [&str; 9] = [
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.3",
    "10.0.1.1",
    "10.0.1.2",
    "10.0.1.3",
    "fd00::1",
    "fd00::2",
    "::ffff:10.0.1.3",
];
const NODE_IPS: [&str; 6] =
    ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2", "192.0.2.9"];
const GATEWAYS: [&str; 3] = ["169.254.1.1", "10.0.0.254", "fe80::1"];
const SERVICE_IPS: [&str; 4] = ["10.96.0.1", "10.96.0.2", "fd96::1", "203.0.113.5"];
const STRANGERS: [&str; 5] =
    ["198.51.100.1", "198.51.100.77", "2001:db8:f::1", "127.0.0.1", "::ffff:198.51.100.1"];

/// Any address that means something to the cluster, or nothing.
pub(crate) fn address() -> impl Strategy<Value = IpAddr> {
    let pick = |ips: &'static [&'static str]| select(ips).prop_map(|ip| ip.parse::<IpAddr>().unwrap());
    prop_oneof![
        9 => pick(&POD_IPS),
        3 => pick(&NODE_IPS),
        2 => pick(&GATEWAYS),
        3 => pick(&SERVICE_IPS),
        2 => pick(&STRANGERS),
    ]
}

pub(crate) fn gateways() -> impl Strategy<Value = Vec<IpAddr>> {
    vec(select(&GATEWAYS[..]).prop_map(|ip| ip.parse().unwrap()), 0..3)
}

/// A typed object from what its JSON would be.
pub(crate) fn object<T>(value: Value) -> Object
where
    T: DeserializeOwned,
    Object: From<T>,
{
    Object::from(serde_json::from_value::<T>(value).unwrap())
}

/// A few of the labels that the selectors ask for.
pub(crate) fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    let one = (select(vec!["app", "tier", "team"]), select(vec!["x", "y", ""]));
    vec(one, 0..3).prop_map(|pairs| pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
}

/// Names and the addresses that DNS may answer them with.
pub(crate) fn dns_answers() -> impl Strategy<Value = (&'static str, Vec<IpAddr>)> {
    let names = vec!["a.example.com", "B.A.example.com.", "B.A.example.com.", "example.com", "xexample.com"];
    (select(names), vec(address(), 0..5))
}

pub(crate) fn namespace() -> impl Strategy<Value = Object> {
    (select(&NAMESPACES[..]), labels())
        .prop_map(|(name, labels)| object::<Namespace>(json!({"metadata": {"name": name, "labels": labels}})))
}

pub(crate) fn node() -> impl Strategy<Value = Object> {
    let kind = select(vec!["InternalIP", "InternalIP", "ExternalIP", "Hostname"]);
    let addresses = vec((kind, select(&NODE_IPS[..])), 0..3);
    (select(&NODES[..]), labels(), addresses).prop_map(|(name, labels, addresses)| {
        let addresses = addresses.into_iter().map(|(kind, ip)| json!({"type": kind, "address": ip}));
        object::<Node>(json!({
            "metadata": {"name": name, "labels": labels},
            "status": {"addresses": addresses.collect::<Vec<_>>()},
        }))
    })
}

fn container_port() -> impl Strategy<Value = Value> {
    let name = select(vec![Some("http"), Some("http"), Some("dns"), None]);
    let protocol = select(vec![None, Some("TCP"), Some("UDP"), Some("SCTP")]);
    (name, select(vec![53, 80, 81, 8080]), protocol)
        .prop_map(|(name, port, protocol)| json!({"name": name, "containerPort": port, "protocol": protocol}))
}

pub(crate) fn pod() -> impl Strategy<Value = Object> {
    let name = (select(&NAMESPACES[..]), select(vec!["p", "q", "r"]));
    let phase =
        prop_oneof![8 => Just("Running"), 1 => Just("Succeeded"), 1 => Just("Failed"), 1 => Just("Pending")];
    let network = prop_oneof![
        6 => (Just(false), vec(select(&POD_IPS[..]), 0..3)),
        1 => (Just(true), vec(select(&NODE_IPS[..]), 1..3)),
        1 => (Just(true), vec(select(&STRANGERS[..3]), 1..2)),
    ];
    let node = prop_oneof![4 => select(&NODES[..]).prop_map(Some), 1 => Just(None)];
    (name, labels(), node, network, phase, vec(container_port(), 0..4)).prop_map(
        |((namespace, name), labels, node, (host_network, ips), phase, ports)| {
            let (some, more) = ports.split_at(ports.len() / 2);
            let containers = [("main", some), ("side", more)];
            let containers = containers.map(|(name, ports)| json!({"name": name, "ports": ports}));
            object::<Pod>(json!({
                "metadata": {"namespace": namespace, "name": name, "labels": labels},
                "spec": {"nodeName": node, "hostNetwork": host_network, "containers": containers},
                "status": {"phase": phase, "podIPs": ips.iter().map(|ip| json!({"ip": ip})).collect::<Vec<_>>()},
            }))
        },
    )
}

/// Three services at most, each with addresses and node ports of its own.
pub(crate) fn service() -> impl Strategy<Value = Object> {
    let plans = [
        (json!({"clusterIPs": ["10.96.0.1", "fd96::1"]}), 30_080),
        (json!({"clusterIP": "10.96.0.2"}), 30_081),
        (json!({"clusterIP": "None", "externalIPs": ["203.0.113.5"]}), 30_082),
    ];
    (0..plans.len(), option::of(Just(())), select(vec!["TCP", "TCP", "UDP"])).prop_map(
        move |(which, named, protocol)| {
            let (mut spec, node_port) = plans[which].clone();
            let name = named.map(|()| "web");
            spec["ports"] = json!([
                {"name": name, "port": 80, "protocol": protocol, "nodePort": node_port},
                {"name": "other", "port": 81},
            ]);
            let metadata = json!({"namespace": NAMESPACES[which], "name": "s"});
            object::<Service>(json!({"metadata": metadata, "spec": spec}))
        },
    )
}

pub(crate) fn slice() -> impl Strategy<Value = Object> {
    let ips =
        prop_oneof![6 => select(&POD_IPS[..]), 1 => select(&NODE_IPS[..]), 1 => select(&STRANGERS[..3])];
    let endpoint = (vec(ips, 1..3), select(vec![None, Some(true), Some(true), Some(false)]));
    let port = (select(vec!["", "web", "other"]), select(vec![80, 8080]), select(vec!["TCP", "TCP", "UDP"]));
    let name = (select(&NAMESPACES[..3]), select(vec!["one", "two"]));
    let name = (name, select(vec!["IPv4", "IPv4", "IPv6", "FQDN", ""]));
    (name, vec(endpoint, 0..3), vec(port, 1..4)).prop_map(|(((namespace, name), family), endpoints, ports)| {
        let endpoints =
            endpoints.iter().map(|(ips, ready)| json!({"addresses": ips, "conditions": {"ready": ready}}));
        let ports = ports
            .iter()
            .map(|(name, port, protocol)| json!({"name": name, "port": port, "protocol": protocol}));
        object::<EndpointSlice>(json!({
            "metadata": {"namespace": namespace, "name": name, "labels": {"kubernetes.io/service-name": "s"}},
            "addressType": family,
            "endpoints": endpoints.collect::<Vec<_>>(),
            "ports": ports.collect::<Vec<_>>(),
        }))
    })
}
