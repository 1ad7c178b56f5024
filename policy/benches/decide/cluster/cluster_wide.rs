//! The handful of policies that hold for the whole cluster, of all three kinds.

use portolan_policy::{
    Object,
    api::{
        v1alpha1::{AdminNetworkPolicy, BaselineAdminNetworkPolicy},
        v1alpha2::ClusterNetworkPolicy,
    },
};
use serde_json::{Value, json};

use super::typed;

/// All of them.
pub(crate) fn objects() -> Vec<Object> {
    let policies = [
        admin("no-metadata", 10, everyone(), &egress("Deny", networks("169.254.169.254/32"), None)),
        admin(
            "scrape",
            20,
            everyone(),
            &ingress("Accept", namespaces("kubernetes.io/metadata.name", "monitoring"), 9090),
        ),
        admin(
            "dev-stays-away",
            30,
            namespaces("env", "dev"),
            &egress("Deny", namespaces("env", "prod"), Some(5432)),
        ),
        admin("queue", 40, namespaces("env", "staging"), &egress("Pass", namespaces("team", "infra"), None)),
    ];
    let mut objects: Vec<Object> = policies.into_iter().map(typed::<ClusterNetworkPolicy>).collect();
    objects.extend([
        typed::<AdminNetworkPolicy>(node_agents()),
        typed::<AdminNetworkPolicy>(team_of_its_own()),
        typed::<ClusterNetworkPolicy>(baseline()),
        typed::<BaselineAdminNetworkPolicy>(default()),
    ]);
    objects
}

fn everyone() -> Value {
    json!({"namespaces": {}})
}

fn namespaces(key: &str, value: &str) -> Value {
    json!({"namespaces": {"matchLabels": {key: value}}})
}

fn networks(cidr: &str) -> Value {
    json!({"networks": [cidr]})
}

fn egress(action: &str, peer: Value, port: Option<u16>) -> Value {
    let mut rule = json!({"action": action, "to": [peer]});
    if let Some(port) = port {
        rule["protocols"] = json!([{"tcp": {"destinationPort": {"number": port}}}]);
    }
    json!({"egress": [rule]})
}

fn ingress(action: &str, peer: Value, port: u16) -> Value {
    let protocols = json!([{"tcp": {"destinationPort": {"number": port}}}]);
    json!({"ingress": [{"action": action, "from": [peer], "protocols": protocols}]})
}

fn admin(name: &str, priority: u16, subject: Value, rules: &Value) -> Value {
    cluster_network_policy("Admin", name, priority, subject, rules)
}

fn cluster_network_policy(tier: &str, name: &str, priority: u16, subject: Value, rules: &Value) -> Value {
    let mut spec = json!({"tier": tier, "priority": priority, "subject": subject});
    for direction in ["ingress", "egress"] {
        if let Some(rules) = rules.get(direction) {
            spec[direction] = rules.clone();
        }
    }
    json!({"metadata": {"name": name}, "spec": spec})
}

/// Only the system talks to the kubelets.
fn node_agents() -> Value {
    json!({"metadata": {"name": "kubelets"}, "spec": {
        "priority": 50,
        "subject": {"namespaces": {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["infra"]}]}},
        "egress": [{"action": "Deny", "to": [{"nodes": {}}], "ports": [{"portRange": {"start": 10250, "end": 10259}}]}],
    }})
}

/// One team's databases are for that team, whatever their namespaces say.
fn team_of_its_own() -> Value {
    let team = json!({"matchLabels": {"team": "team-07"}});
    let others =
        json!({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["team-07", "infra"]}]});
    json!({"metadata": {"name": "team-07"}, "spec": {
        "priority": 60,
        "subject": {"pods": {"namespaceSelector": team, "podSelector": {"matchLabels": {"tier": "data"}}}},
        "ingress": [
            {"action": "Pass", "from": [{"namespaces": team}]},
            {"action": "Deny", "from": [{"namespaces": others}], "ports": [{"namedPort": "postgres"}]},
        ],
    }})
}

/// What holds where a namespace has no policies: nothing from development into what is alive.
fn baseline() -> Value {
    let living =
        json!({"namespaces": {"matchExpressions": [{"key": "env", "operator": "NotIn", "values": ["dev"]}]}});
    cluster_network_policy(
        "Baseline",
        "not-from-dev",
        10,
        living,
        &json!({"ingress": [
            {"action": "Deny", "from": [namespaces("env", "dev")]},
        ]}),
    )
}

fn default() -> Value {
    json!({"metadata": {"name": "default"}, "spec": {
        "subject": {"namespaces": {"matchLabels": {"env": "prod"}}},
        "egress": [{"action": "Deny", "to": [{"networks": ["198.51.100.0/24"]}]}],
    }})
}
