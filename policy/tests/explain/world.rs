//! Random clusters: policies of every kind about a few pods that nearly carry each other's labels.

use portolan_policy::{Cluster, Object, parse_manifest};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

/// Namespace, name, address and label.
const PODS: [(&str, &str, &str, &str); 7] = [
    ("a", "one", "10.0.0.1", "front-end"),
    ("a", "two", "10.0.0.2", "frontend"),
    ("b", "one", "10.0.1.1", "database"),
    ("b", "two", "10.0.1.2", "db"),
    ("c", "one", "10.0.2.1", "db"),
    // Two pods claim this address.
    ("a", "twin", "10.0.0.9", "db"),
    ("b", "twin", "10.0.0.9", "frontend"),
];

fn selector() -> impl Strategy<Value = Value> {
    select(vec![
        json!({}),
        json!({"matchLabels": {"app": "frontend"}}),
        json!({"matchLabels": {"app": "databse"}}),
        json!({"matchLabels": {"App": "db"}}),
        json!({"matchLabels": {"app": "db", "tier": "x"}}),
        json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["db"]}]}),
        json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["db", "fronted"]}]}),
        json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}),
        json!({"matchExpressions": [{"key": "app", "operator": "Bogus"}]}),
    ])
}

fn namespaces() -> impl Strategy<Value = Value> {
    select(vec![
        json!({}),
        json!({"matchLabels": {"team": "x"}}),
        json!({"matchLabels": {"kubernetes.io/metadata.name": "b"}}),
        json!({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}),
    ])
}

fn block() -> impl Strategy<Value = Value> {
    select(vec![
        json!({"cidr": "10.0.0.0/16", "except": ["10.0.1.0/24"]}),
        json!({"cidr": "198.51.100.0/24"}),
        json!({"cidr": "::/0"}),
        json!({"cidr": "bad"}),
    ])
}

fn peer() -> impl Strategy<Value = Value> {
    prop_oneof![
        selector().prop_map(|pods| json!({"podSelector": pods})),
        namespaces().prop_map(|namespaces| json!({"namespaceSelector": namespaces})),
        (namespaces(), selector())
            .prop_map(|(namespaces, pods)| json!({"namespaceSelector": namespaces, "podSelector": pods})),
        block().prop_map(|block| json!({"ipBlock": block})),
        Just(json!({})),
    ]
}

fn port() -> impl Strategy<Value = Value> {
    select(vec![
        json!({"port": 80}),
        json!({"port": 80, "protocol": "UDP"}),
        json!({"port": 81, "endPort": 82}),
        json!({"port": "http"}),
        json!({"port": "nobody"}),
        json!({"protocol": "UDP"}),
        json!({"endPort": 1}),
    ])
}

fn rules(peers: &'static str) -> impl Strategy<Value = Value> {
    let rule = (vec(peer(), 0..3), vec(port(), 0..3));
    vec(rule.prop_map(move |(from, ports)| json!({peers: from, "ports": ports})), 0..3).prop_map(Value::from)
}

fn network_policy() -> impl Strategy<Value = Value> {
    let types =
        select(vec![json!(["Ingress"]), json!(["Egress"]), json!(["Ingress", "Egress"]), json!(["?"])]);
    (select(vec!["a", "b", "c"]), selector(), rules("from"), rules("to"), types).prop_map(
        |(namespace, pods, ingress, egress, types)| {
            json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                "metadata": {"namespace": namespace},
                "spec": {"podSelector": pods, "policyTypes": types, "ingress": ingress, "egress": egress},
            })
        },
    )
}

fn tier_peer() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => namespaces().prop_map(|namespaces| json!({"namespaces": namespaces})),
        4 => (namespaces(), selector())
            .prop_map(|(namespaces, pods)| json!({"pods": {"namespaceSelector": namespaces, "podSelector": pods}})),
        1 => Just(json!({"networks": ["10.0.0.0/8", "198.51.100.0/24"]})),
        1 => Just(json!({"nodes": {"matchLabels": {"role": "worker"}}})),
        1 => Just(json!({"domainNames": ["*.example.com"]})),
        1 => Just(json!({"namespaces": {"namespaceSelector": {}}})),
    ]
}

fn tier_rules(newer: bool, peers: &'static str) -> impl Strategy<Value = Value> {
    let action = select(vec![if newer { "Accept" } else { "Allow" }, "Deny", "Pass"]);
    let ports = select(if newer {
        vec![
            json!({}),
            json!({"protocols": [{"tcp": {"destinationPort": {"number": 80}}}]}),
            json!({"protocols": [{"destinationNamedPort": "http"}]}),
        ]
    } else {
        vec![
            json!({}),
            json!({"ports": [{"portNumber": {"port": 80}}]}),
            json!({"ports": [{"namedPort": "http"}]}),
        ]
    });
    let rule = (action, vec(tier_peer(), 1..3), ports).prop_map(move |(action, from, mut rule)| {
        rule["action"] = json!(action);
        rule[peers] = json!(from);
        rule
    });
    vec(rule, 0..3).prop_map(Value::from)
}

fn tier_policy() -> impl Strategy<Value = Value> {
    let kind = select(vec!["ClusterNetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy"]);
    kind.prop_flat_map(|kind| {
        let newer = kind == "ClusterNetworkPolicy";
        let parts = (tier_rules(newer, "from"), tier_rules(newer, "to"), namespaces(), 0..4, any::<bool>());
        parts.prop_map(move |(mut ingress, mut egress, subject, priority, is_admin)| {
            if kind == "BaselineAdminNetworkPolicy" {
                for rule in
                    [&mut ingress, &mut egress].into_iter().flat_map(|rules| rules.as_array_mut().unwrap())
                {
                    if rule["action"] == "Pass" {
                        rule["action"] = json!("Deny");
                    }
                }
            }
            json!({
                "apiVersion": format!("policy.networking.k8s.io/v1alpha{}", if newer { 2 } else { 1 }),
                "kind": kind,
                "metadata": {},
                "spec": {
                    "tier": if is_admin { "Admin" } else { "Baseline" },
                    "priority": priority,
                    "subject": {"namespaces": subject},
                    "ingress": ingress,
                    "egress": egress,
                },
            })
        })
    })
}

/// Objects of a cluster: policies, and the pods, node and service that they are about.
pub(crate) fn objects() -> impl Strategy<Value = Vec<Value>> {
    (vec(network_policy(), 0..5), vec(tier_policy(), 0..3)).prop_map(|(network, tiers)| {
        let policies = network.into_iter().chain(tiers).enumerate().map(|(number, mut policy)| {
            let is_default = policy["kind"] == "BaselineAdminNetworkPolicy";
            let name = if is_default { "default".to_owned() } else { format!("p{number}") };
            policy["metadata"]["name"] = json!(name);
            policy
        });
        scenery().into_iter().chain(policies).collect()
    })
}

/// The labels of namespace `c` are not known.
fn scenery() -> Vec<Value> {
    let namespace = |name: &str, team: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {team: "x"}}});
    let pods = PODS.iter().map(|(namespace, name, ip, app)| {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": namespace, "name": name, "labels": {"app": app}},
            "spec": {"nodeName": "n1", "containers": [{"name": "main", "ports": [{"name": "http", "containerPort": 80}]}]},
            "status": {"phase": "Running", "podIPs": [{"ip": ip}]},
        })
    });
    let others = [
        json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": "n2", "labels": {"role": "worker"}},
            "status": {"addresses": [{"type": "InternalIP", "address": "10.1.0.1"}]},
        }),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "b", "name": "site"},
            "spec": {"clusterIP": "10.96.0.7", "ports": [{"port": 81}]},
        }),
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"namespace": "b", "name": "site-x", "labels": {"kubernetes.io/service-name": "site"}},
            "addressType": "IPv4",
            "ports": [{"name": "", "port": 80, "protocol": "TCP"}],
            "endpoints": [{"addresses": ["10.0.1.1"]}, {"addresses": ["10.0.1.2"]}],
        }),
    ];
    [namespace("a", "team"), namespace("b", "other")].into_iter().chain(pods).chain(others).collect()
}

/// The cluster of some objects.
pub(crate) fn cluster(objects: Vec<Value>) -> Cluster {
    let mut cluster = Cluster::default();
    for object in objects {
        let mut manifest = parse_manifest(&object.to_string());
        assert!(manifest.errors.is_empty(), "{:?}", manifest.errors);
        let object: Object = manifest.objects.pop().unwrap();
        cluster.apply(object).unwrap();
    }
    cluster
}
