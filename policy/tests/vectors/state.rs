//! The state of a case, and the two evaluators over it.

use crate::naive::{self, Facts};
use k8s_openapi::api::{
    core::v1::{Namespace, Node, Pod},
    networking::v1::NetworkPolicy,
};
use portolan_policy::{
    Cluster, Connection, Decision, Object,
    api::{
        v1alpha1::{AdminNetworkPolicy, BaselineAdminNetworkPolicy},
        v1alpha2::ClusterNetworkPolicy,
    },
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{collections::BTreeMap, net::IpAddr};

#[derive(Deserialize)]
pub(crate) struct State {
    pub(crate) id: String,
    namespaces: Vec<Labelled>,
    nodes: Vec<NodeVector>,
    pods: Vec<PodVector>,
    policies: Vec<Value>,
    #[serde(default)]
    dns: BTreeMap<String, Vec<IpAddr>>,
}

#[derive(Deserialize)]
struct Labelled {
    name: String,
    labels: Value,
}

#[derive(Deserialize)]
struct NodeVector {
    name: String,
    labels: Value,
    ips: Vec<IpAddr>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodVector {
    namespace: String,
    name: String,
    labels: Value,
    ips: Vec<IpAddr>,
    host_network: bool,
    node: Option<String>,
    ports: Vec<PortVector>,
}

#[derive(Deserialize)]
struct PortVector {
    name: Option<String>,
    port: u16,
    protocol: Option<String>,
}

/// A typed object from its JSON.
pub(crate) fn object<T>(value: Value) -> Object
where
    T: DeserializeOwned,
    Object: From<T>,
{
    Object::from(serde_json::from_value::<T>(value).unwrap())
}

/// A policy of any kind, by what it calls itself.
pub(crate) fn policy(value: Value) -> Object {
    match value["kind"].as_str().unwrap() {
        "NetworkPolicy" => object::<NetworkPolicy>(value),
        "ClusterNetworkPolicy" => object::<ClusterNetworkPolicy>(value),
        "AdminNetworkPolicy" => object::<AdminNetworkPolicy>(value),
        "BaselineAdminNetworkPolicy" => object::<BaselineAdminNetworkPolicy>(value),
        other => panic!("a vector with a policy of kind {other}"),
    }
}

impl Labelled {
    fn object(&self) -> Object {
        object::<Namespace>(json!({"metadata": {"name": self.name, "labels": self.labels}}))
    }
}

impl NodeVector {
    fn object(&self) -> Object {
        let addresses = self.ips.iter().map(|ip| json!({"type": "InternalIP", "address": ip}));
        object::<Node>(json!({
            "metadata": {"name": self.name, "labels": self.labels},
            "status": {"addresses": addresses.collect::<Vec<_>>()},
        }))
    }
}

impl PodVector {
    fn object(&self) -> Object {
        let ports = self
            .ports
            .iter()
            .map(|port| json!({"name": port.name, "containerPort": port.port, "protocol": port.protocol}));
        object::<Pod>(json!({
            "metadata": {"namespace": self.namespace, "name": self.name, "labels": self.labels},
            "spec": {
                "hostNetwork": self.host_network,
                "nodeName": self.node,
                "containers": [{"name": "main", "ports": ports.collect::<Vec<_>>()}],
            },
            "status": {
                "phase": "Running",
                "podIPs": self.ips.iter().map(|ip| json!({"ip": ip})).collect::<Vec<_>>(),
            },
        }))
    }
}

impl State {
    /// Both evaluators over the state and what comes beside it.
    pub(crate) fn evaluators(&self, more: impl IntoIterator<Item = Object>) -> Evaluators {
        let namespaces = self.namespaces.iter().map(Labelled::object);
        let nodes = self.nodes.iter().map(NodeVector::object);
        let pods = self.pods.iter().map(PodVector::object);
        let policies = self.policies.iter().map(|value| policy(value.clone()));
        let mut evaluators = Evaluators::of(namespaces.chain(nodes).chain(pods).chain(policies).chain(more));
        for (name, ips) in &self.dns {
            evaluators.set_dns_answers(name, ips);
        }
        evaluators
    }

    pub(crate) fn ip(&self, pod: &str) -> IpAddr {
        let named = |known: &&PodVector| format!("{}/{}", known.namespace, known.name) == pod;
        self.pods.iter().find(named).unwrap().ips[0]
    }
}

/// The engine and the naive evaluator over one cluster.
pub(crate) struct Evaluators {
    cluster: Cluster,
    objects: Vec<Object>,
    facts: Facts,
}

impl Evaluators {
    pub(crate) fn of(objects: impl IntoIterator<Item = Object>) -> Self {
        let objects: Vec<Object> = objects.into_iter().collect();
        let mut cluster = Cluster::default();
        for object in &objects {
            cluster.apply(object.clone()).unwrap();
        }
        Self { cluster, objects, facts: Facts::default() }
    }

    fn set_dns_answers(&mut self, name: &str, ips: &[IpAddr]) {
        self.cluster.set_dns_answers(name, ips.iter().copied());
        self.facts.dns.insert(name.to_owned(), ips.to_vec());
    }

    /// What the engine says, once it is seen that the naive evaluator says the same.
    pub(crate) fn decide(&self, connection: &Connection) -> Decision {
        let engine = self.cluster.decide(connection);
        let naive = naive::decide(&self.objects, &self.facts, connection);
        for (engine, naive) in [(&engine.egress, &naive.egress), (&engine.ingress, &naive.ingress)] {
            assert_eq!(
                (engine.verdict, &engine.policies),
                (naive.verdict, &naive.policies),
                "{connection:?}"
            );
        }
        engine
    }
}
