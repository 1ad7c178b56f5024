//! Public test vectors, where they are at hand: cases with the verdict that their authors state.
//!
//! Cases of the tiers around NetworkPolicy are left to the tests of those tiers.
#![expect(clippy::unwrap_used, reason = "a vector that cannot be read should end the test")]
#![expect(clippy::print_stdout, reason = "a skipped test says so")]

use portolan_policy::{Cluster, Connection, Object, Protocol, SideVerdict};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{net::IpAddr, path::PathBuf};

/// Reads a file of vectors; says so where it is not there.
fn read<T: for<'de> Deserialize<'de>>(file: &str) -> Option<T> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    let path = folder.join(file);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    let text = std::fs::read_to_string(&path).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

#[derive(Deserialize)]
struct Suite<C> {
    cases: Vec<C>,
}

#[derive(Deserialize)]
struct State {
    id: String,
    namespaces: Vec<Labelled>,
    nodes: Vec<NodeVector>,
    pods: Vec<PodVector>,
    policies: Vec<Value>,
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

fn object<T>(value: Value) -> Object
where
    T: for<'de> Deserialize<'de>,
    Object: From<T>,
{
    Object::from(serde_json::from_value::<T>(value).unwrap())
}

impl PodVector {
    fn object(&self) -> Object {
        let ports = self
            .ports
            .iter()
            .map(|port| json!({"name": port.name, "containerPort": port.port, "protocol": port.protocol}));
        object::<k8s_openapi::api::core::v1::Pod>(json!({
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
    fn is_network_policy_only(&self) -> bool {
        self.policies.iter().all(|policy| policy["kind"] == "NetworkPolicy")
    }

    fn cluster(&self) -> Cluster {
        let namespaces = self.namespaces.iter().map(|namespace| {
            object::<k8s_openapi::api::core::v1::Namespace>(
                json!({"metadata": {"name": namespace.name, "labels": namespace.labels}}),
            )
        });
        let nodes = self.nodes.iter().map(|node| {
            let addresses = node.ips.iter().map(|ip| json!({"type": "InternalIP", "address": ip}));
            object::<k8s_openapi::api::core::v1::Node>(json!({
                "metadata": {"name": node.name, "labels": node.labels},
                "status": {"addresses": addresses.collect::<Vec<_>>()},
            }))
        });
        let policies = self
            .policies
            .iter()
            .map(|policy| object::<k8s_openapi::api::networking::v1::NetworkPolicy>(policy.clone()));
        let pods = self.pods.iter().map(PodVector::object);
        let mut cluster = Cluster::default();
        for object in namespaces.chain(nodes).chain(policies).chain(pods) {
            cluster.apply(object).unwrap();
        }
        cluster
    }

    fn ip(&self, pod: &str) -> IpAddr {
        let named = |known: &&PodVector| format!("{}/{}", known.namespace, known.name) == pod;
        self.pods.iter().find(named).unwrap().ips[0]
    }
}

#[derive(Deserialize)]
struct ProbeCase {
    #[serde(flatten)]
    state: State,
    mock: Option<Mock>,
    probes: Vec<Probe>,
}

#[derive(Deserialize)]
struct Mock {
    admin_tier_verdict: String,
    baseline_tier_verdict: String,
}

#[derive(Deserialize)]
struct Probe {
    src: Place,
    dst: Place,
    port: u16,
    protocol: Protocol,
    expect: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Place {
    Pod(String),
    Ip(IpAddr),
}

impl Place {
    fn ip(&self, state: &State) -> IpAddr {
        match self {
            Self::Pod(name) => state.ip(name),
            Self::Ip(ip) => *ip,
        }
    }
}

impl ProbeCase {
    /// Whether the other tiers have no say in it.
    fn is_network_policy_only(&self) -> bool {
        let silent = |mock: &Mock| mock.admin_tier_verdict == "Next" && mock.baseline_tier_verdict == "Next";
        self.state.is_network_policy_only() && self.mock.as_ref().is_none_or(silent)
    }

    /// Checks every probe and says how many there were.
    fn check(&self) -> usize {
        let cluster = self.state.cluster();
        for probe in &self.probes {
            let connection = Connection {
                source: probe.src.ip(&self.state),
                destination: probe.dst.ip(&self.state),
                port: Some(probe.port),
                protocol: probe.protocol,
            };
            let decision = cluster.decide(&connection);
            let expected = Some(probe.expect == "allow");
            assert_eq!(decision.admits(), expected, "{}: {connection:?}: {decision:?}", self.state.id);
        }
        self.probes.len()
    }
}

fn check_probes(file: &str, at_least: usize) {
    let Some(suite) = read::<Suite<ProbeCase>>(file) else { return };
    let cases = suite.cases.iter().filter(|case| case.is_network_policy_only());
    let checked: usize = cases.map(ProbeCase::check).sum();
    assert!(checked >= at_least, "only {checked} probes of {file} were checked");
}

#[test]
fn the_kubernetes_end_to_end_tests_agree() {
    check_probes("k8s-e2e-netpol.json", 506);
}

#[test]
fn the_network_policy_cases_of_kube_network_policies_agree() {
    check_probes("kube-network-policies.json", 29);
}

#[derive(Deserialize)]
struct TableCase {
    #[serde(flatten)]
    state: State,
    order: Vec<String>,
    tables: Vec<Table>,
}

#[derive(Deserialize)]
struct Table {
    port: u16,
    protocol: Protocol,
    egress: Vec<String>,
    ingress: Vec<String>,
    combined: Vec<String>,
}

impl TableCase {
    fn check(&self) -> usize {
        let cluster = self.state.cluster();
        self.tables.iter().map(|table| self.check_table(&cluster, table)).sum()
    }

    fn check_table(&self, cluster: &Cluster, table: &Table) -> usize {
        let mut checked = 0;
        for (row, source) in self.order.iter().enumerate() {
            for (column, destination) in self.order.iter().enumerate() {
                let connection = Connection {
                    source: self.state.ip(source),
                    destination: self.state.ip(destination),
                    port: Some(table.port),
                    protocol: table.protocol,
                };
                let decision = cluster.decide(&connection);
                let sides = [
                    (&table.egress, Some(decision.egress.verdict != SideVerdict::Denied)),
                    (&table.ingress, Some(decision.ingress.verdict != SideVerdict::Denied)),
                    (&table.combined, decision.admits()),
                ];
                for (rows, admits) in sides {
                    let expected = match rows[row].as_bytes()[column] {
                        b'.' => Some(true),
                        b'X' => Some(false),
                        _ => continue,
                    };
                    assert_eq!(admits, expected, "{}: {connection:?}: {decision:?}", self.state.id);
                    checked += 1;
                }
            }
        }
        checked
    }
}

#[test]
fn the_simulator_of_cyclonus_agrees() {
    let Some(suite) = read::<Suite<TableCase>>("cyclonus-odd.json") else { return };
    let checked: usize = suite.cases.iter().map(TableCase::check).sum();
    assert!(checked >= 55_620, "only {checked} cells were checked");
}

/// A unit case, asked through a cluster of one policy and two pods.
struct Unit<'a> {
    /// What the case gives.
    case: &'a Value,
    /// The policy's spec.
    spec: Value,
    policy_namespace: &'a str,
}

const SUBJECT: &str = "10.0.0.1";
const PEER: &str = "10.0.0.2";

impl Unit<'_> {
    fn pod(namespace: &str, name: &str, ip: &str, labels: &Value, ports: &Value) -> Object {
        let ports = ports.as_array().cloned().unwrap_or_default().into_iter();
        let ports = ports.map(
            |port| json!({"name": port["name"], "containerPort": port["port"], "protocol": port["protocol"]}),
        );
        object::<k8s_openapi::api::core::v1::Pod>(json!({
            "metadata": {"namespace": namespace, "name": name, "labels": labels},
            "spec": {"containers": [{"name": "main", "ports": ports.collect::<Vec<_>>()}]},
            "status": {"podIPs": [{"ip": ip}]},
        }))
    }

    fn cluster(&self, objects: impl IntoIterator<Item = Object>) -> Cluster {
        let policy = object::<k8s_openapi::api::networking::v1::NetworkPolicy>(json!({
            "metadata": {"namespace": self.policy_namespace, "name": "unit"},
            "spec": self.spec,
        }));
        let mut cluster = Cluster::default();
        for object in objects.into_iter().chain([policy]) {
            cluster.apply(object).unwrap();
        }
        cluster
    }

    fn expect(&self, cluster: &Cluster, source: &str, destination: &str, on: SideVerdict) {
        let protocol = self.case["protocol"].as_str().unwrap_or("TCP");
        let connection = Connection {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            port: self.case["port"].as_u64().map(|port| port as u16),
            protocol: protocol.parse().unwrap(),
        };
        let decision = cluster.decide(&connection);
        let subject_is_source = source == SUBJECT;
        let side = if subject_is_source { &decision.egress } else { &decision.ingress };
        let expected = self.case["expect"].as_bool().unwrap();
        assert_eq!(side.verdict == on, expected, "{}: {decision:?}", self.case);
    }
}

/// A selector selects the pod iff a policy with it isolates the pod.
fn check_label_selector(case: &Value) {
    let unit = Unit { case, spec: json!({"podSelector": case["selector"]}), policy_namespace: "ns" };
    let pod = Unit::pod("ns", "subject", SUBJECT, &case["labels"], &Value::Null);
    let cluster = unit.cluster([pod]);
    let connection = Connection {
        source: PEER.parse().unwrap(),
        destination: SUBJECT.parse().unwrap(),
        port: Some(80),
        protocol: Protocol::Tcp,
    };
    let isolated = cluster.decide(&connection).ingress.verdict == SideVerdict::Denied;
    assert_eq!(isolated, case["expect"].as_bool().unwrap(), "{case}");
}

fn check_ports(case: &Value) {
    let spec = json!({"policyTypes": ["Egress"], "egress": [{"ports": case["ports"]}]});
    let unit = Unit { case, spec, policy_namespace: "ns" };
    let subject = Unit::pod("ns", "subject", SUBJECT, &Value::Null, &Value::Null);
    let has_pod = !case["pod_ports"].is_null();
    let peer = has_pod.then(|| Unit::pod("ns", "peer", PEER, &Value::Null, &case["pod_ports"]));
    let cluster = unit.cluster([Some(subject), peer].into_iter().flatten());
    unit.expect(&cluster, SUBJECT, PEER, SideVerdict::Admitted);
}

fn check_peer(case: &Value) {
    let spec = json!({"policyTypes": ["Egress"], "egress": [{"to": [case["peer"]]}]});
    let policy_namespace = case["policy_namespace"].as_str().unwrap();
    let unit = Unit { case, spec, policy_namespace };
    let pod = &case["pod"];
    let namespace = pod["namespace"].as_str().unwrap();
    let peer = Unit::pod(namespace, pod["name"].as_str().unwrap(), PEER, &pod["labels"], &Value::Null);
    let namespace = object::<k8s_openapi::api::core::v1::Namespace>(
        json!({"metadata": {"name": namespace, "labels": pod["namespace_labels"]}}),
    );
    let subject = Unit::pod(policy_namespace, "subject", SUBJECT, &Value::Null, &Value::Null);
    let cluster = unit.cluster([namespace, peer, subject]);
    unit.expect(&cluster, SUBJECT, PEER, SideVerdict::Admitted);
}

fn check_ip_block(case: &Value) {
    let spec = json!({"policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": case["ipBlock"]}]}]});
    let unit = Unit { case, spec, policy_namespace: "ns" };
    let cluster = unit.cluster([Unit::pod("ns", "subject", SUBJECT, &Value::Null, &Value::Null)]);
    unit.expect(&cluster, SUBJECT, case["ip"].as_str().unwrap(), SideVerdict::Admitted);
}

#[test]
fn the_pieces_of_network_policy_agree() {
    let Some(suite) = read::<Suite<Value>>("kube-network-policies-units.json") else { return };
    let mut checked = 0;
    for case in &suite.cases {
        match case["kind"].as_str().unwrap() {
            // A nil selector means "not given"; in a policy's podSelector that is every pod.
            "label-selector" if case["selector"].is_null() => continue,
            "label-selector" => check_label_selector(case),
            "v1-ports" => check_ports(case),
            "v1-peer" => check_peer(case),
            "v1-ipblock" => check_ip_block(case),
            _ => continue,
        }
        checked += 1;
    }
    assert!(checked >= 47, "only {checked} units were checked");
}
