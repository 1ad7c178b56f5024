//! Clusters and questions that read like prose.

use k8s_openapi::api::{
    apps::v1::ReplicaSet,
    batch::v1::Job,
    core::v1::{Namespace, Node, Pod, Service},
    discovery::v1::EndpointSlice,
    networking::v1::NetworkPolicy,
};
use portolan_policy::{
    BaselineReading, Cluster, Connection, Decision, InvalidObject, Object, Protocol, SideDecision,
    api::{
        v1alpha1::{AdminNetworkPolicy, BaselineAdminNetworkPolicy},
        v1alpha2::ClusterNetworkPolicy,
    },
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{collections::BTreeMap, net::IpAddr};

/// A typed object from what its JSON would be.
pub(crate) fn object<T>(value: Value) -> Object
where
    T: DeserializeOwned,
    Object: From<T>,
{
    Object::from(serde_json::from_value::<T>(value).unwrap())
}

/// A NetworkPolicy.
pub(crate) fn policy(name: &str, spec: Value) -> Object {
    let (namespace, name) = split(name);
    object::<NetworkPolicy>(json!({"metadata": {"namespace": namespace, "name": name}, "spec": spec}))
}

/// `{"matchLabels": {key: value}}`, or the empty selector for the empty text.
pub(crate) fn labelled(label: &str) -> Value {
    match label.split_once('=') {
        Some((key, value)) => json!({"matchLabels": {key: value}}),
        None => json!({}),
    }
}

/// A running pod, to be told more about.
pub(crate) struct PodBuilder {
    namespace: String,
    name: String,
    value: Value,
}

/// A running pod without labels, node or address.
pub(crate) fn pod(name: &str) -> PodBuilder {
    let (namespace, name) = split(name);
    let value = json!({
        "metadata": {"namespace": namespace, "name": name, "labels": {}},
        "spec": {"containers": [{"name": "main", "ports": []}]},
        "status": {"phase": "Running", "podIPs": []},
    });
    PodBuilder { namespace: namespace.to_owned(), name: name.to_owned(), value }
}

impl PodBuilder {
    fn push(mut self, list: &str, item: Value) -> Self {
        self.value.pointer_mut(list).unwrap().as_array_mut().unwrap().push(item);
        self
    }

    pub(crate) fn ip(self, ip: &str) -> Self {
        self.push("/status/podIPs", json!({"ip": ip}))
    }

    pub(crate) fn label(mut self, label: &str) -> Self {
        let (key, value) = label.split_once('=').unwrap();
        self.value["metadata"]["labels"][key] = json!(value);
        self
    }

    pub(crate) fn on(mut self, node: &str) -> Self {
        self.value["spec"]["nodeName"] = json!(node);
        self
    }

    pub(crate) fn host_network(mut self) -> Self {
        self.value["spec"]["hostNetwork"] = json!(true);
        self
    }

    pub(crate) fn phase(mut self, phase: &str) -> Self {
        self.value["status"]["phase"] = json!(phase);
        self
    }

    pub(crate) fn terminating(mut self) -> Self {
        self.value["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        self
    }

    pub(crate) fn named_port(self, name: &str, port: u16, protocol: Option<&str>) -> Self {
        let port = json!({"name": name, "containerPort": port, "protocol": protocol});
        self.push("/spec/containers/0/ports", port)
    }

    /// The same name again, in a second container.
    pub(crate) fn sidecar_port(self, name: &str, port: u16) -> Self {
        let container = json!({"name": "side", "ports": [{"name": name, "containerPort": port}]});
        self.push("/spec/containers", container)
    }

    pub(crate) fn owned_by(mut self, kind: &str, name: &str) -> Self {
        self.value["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "v1", "kind": kind, "name": name, "uid": "u", "controller": true}]);
        self
    }

    pub(crate) fn build(self) -> Object {
        object::<Pod>(self.value)
    }
}

/// A cluster that is told more and then asked.
#[derive(Clone, Default)]
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pods: BTreeMap<String, Vec<IpAddr>>,
}

/// A cluster with nothing in it.
pub(crate) fn world() -> World {
    World::default()
}

impl World {
    pub(crate) fn with(mut self, object: Object) -> Self {
        self.cluster.apply(object).unwrap();
        self
    }

    pub(crate) fn try_with(&mut self, object: Object) -> Result<(), InvalidObject> {
        self.cluster.apply(object)
    }

    /// A namespace with one label, or none for the empty text.
    pub(crate) fn namespace(self, name: &str, label: &str) -> Self {
        let labels = labelled(label)["matchLabels"].clone();
        self.with(object::<Namespace>(json!({"metadata": {"name": name, "labels": labels}})))
    }

    pub(crate) fn node(self, name: &str, ips: &[&str]) -> Self {
        self.labelled_node(name, "", ips)
    }

    /// A node with one label, or none for the empty text.
    pub(crate) fn labelled_node(self, name: &str, label: &str, ips: &[&str]) -> Self {
        let labels = labelled(label)["matchLabels"].clone();
        let metadata = json!({"name": name, "labels": labels});
        let addresses = ips.iter().map(|ip| json!({"type": "InternalIP", "address": ip}));
        let hostname = json!({"type": "Hostname", "address": name});
        let addresses: Vec<_> = addresses.chain([hostname]).collect();
        self.with(object::<Node>(json!({"metadata": metadata, "status": {"addresses": addresses}})))
    }

    /// Addresses of a node beside its Node object.
    pub(crate) fn node_also_has(mut self, name: &str, ips: &[&str]) -> Self {
        self.cluster.set_node_addresses(name, ips.iter().map(|ip| ip.parse().unwrap()));
        self
    }

    pub(crate) fn pod(mut self, pod: PodBuilder) -> Self {
        let ips = pod.value["status"]["podIPs"].as_array().unwrap().iter();
        let ips = ips.map(|ip| ip["ip"].as_str().unwrap().parse().unwrap()).collect();
        self.pods.insert(format!("{}/{}", pod.namespace, pod.name), ips);
        self.with(pod.build())
    }

    pub(crate) fn policy(self, name: &str, spec: Value) -> Self {
        self.with(policy(name, spec))
    }

    /// A ClusterNetworkPolicy.
    pub(crate) fn cluster_policy(self, name: &str, spec: Value) -> Self {
        self.with(object::<ClusterNetworkPolicy>(json!({"metadata": {"name": name}, "spec": spec})))
    }

    /// An AdminNetworkPolicy.
    pub(crate) fn admin_policy(self, name: &str, spec: Value) -> Self {
        self.with(object::<AdminNetworkPolicy>(json!({"metadata": {"name": name}, "spec": spec})))
    }

    /// A BaselineAdminNetworkPolicy.
    pub(crate) fn baseline_policy(self, name: &str, spec: Value) -> Self {
        self.with(object::<BaselineAdminNetworkPolicy>(json!({"metadata": {"name": name}, "spec": spec})))
    }

    pub(crate) fn baseline_reading(mut self, reading: BaselineReading) -> Self {
        self.cluster.set_baseline_reading(reading);
        self
    }

    /// The addresses that DNS answers a name with.
    pub(crate) fn dns(mut self, name: &str, ips: &[&str]) -> Self {
        self.cluster.set_dns_answers(name, ips.iter().map(|ip| ip.parse().unwrap()));
        self
    }

    pub(crate) fn service(self, name: &str, spec: Value) -> Self {
        let (namespace, name) = split(name);
        let metadata = json!({"namespace": namespace, "name": name});
        self.with(object::<Service>(json!({"metadata": metadata, "spec": spec})))
    }

    /// Ready endpoints of a service behind its unnamed port.
    pub(crate) fn endpoints(self, service: &str, port: u16, ips: &[&str]) -> Self {
        self.slice(service, "main", port, &json!([{"addresses": ips, "conditions": {"ready": true}}]))
    }

    pub(crate) fn slice(self, service: &str, slice: &str, port: u16, endpoints: &Value) -> Self {
        let (namespace, service) = split(service);
        self.with(object::<EndpointSlice>(json!({
            "metadata": {
                "namespace": namespace,
                "name": format!("{service}-{slice}"),
                "labels": {"kubernetes.io/service-name": service},
            },
            "addressType": "IPv4",
            "ports": [{"name": "", "port": port, "protocol": "TCP"}],
            "endpoints": endpoints,
        })))
    }

    pub(crate) fn replica_set(self, name: &str, owner: Value) -> Self {
        self.with(object::<ReplicaSet>(owned(name, owner)))
    }

    pub(crate) fn job(self, name: &str, owner: Value) -> Self {
        self.with(object::<Job>(owned(name, owner)))
    }

    fn ip(&self, place: &str) -> IpAddr {
        place.parse().unwrap_or_else(|_| self.pods[place][0])
    }

    /// Decides `SOURCE -> DESTINATION on PORT/PROTOCOL`, ends being `namespace/pod` or addresses.
    pub(crate) fn decide(&self, question: &str) -> Decision {
        let (source, rest) = question.split_once(" -> ").unwrap();
        let (destination, service) = rest.split_once(" on ").unwrap();
        let (port, protocol) = service
            .rsplit_once('/')
            .map_or((None, service), |(port, protocol)| (Some(port.parse().unwrap()), protocol));
        self.cluster.decide(&Connection {
            source: self.ip(source),
            destination: self.ip(destination),
            port,
            protocol: protocol.parse::<Protocol>().unwrap(),
        })
    }

    /// The egress side in words.
    pub(crate) fn egress(&self, question: &str) -> String {
        say(&self.decide(question).egress)
    }

    /// The ingress side in words.
    pub(crate) fn ingress(&self, question: &str) -> String {
        say(&self.decide(question).ingress)
    }
}

/// `admitted by shop/open[0]`, `denied by shop/a, shop/b`, `undecidable: why`, or the bare word.
pub(crate) fn say(side: &SideDecision) -> String {
    let verdict = serde_json::to_value(side.verdict).unwrap();
    let mut text = verdict.as_str().unwrap().to_owned();
    let policies = side.policies.iter().map(|policy| match policy.rule {
        Some(rule) => format!("{policy}[{rule}]"),
        None => policy.to_string(),
    });
    let policies = policies.collect::<Vec<_>>().join(", ");
    if !policies.is_empty() {
        text = format!("{text} by {policies}");
    }
    match &side.reason {
        Some(reason) => format!("{text}: {reason}"),
        None => text,
    }
}

fn split(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap()
}

fn owned(name: &str, owner: Value) -> Value {
    let (namespace, name) = split(name);
    json!({"metadata": {"namespace": namespace, "name": name, "ownerReferences": owner}})
}
