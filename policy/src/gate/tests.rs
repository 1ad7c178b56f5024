//! A gate that is shut rules out only what does not match: random rules, asked random questions.

use super::{Gate, Sought};
use crate::{
    Cluster, Connection, Object, Protocol,
    api::v1alpha2::ClusterNetworkPolicySpec,
    network_policy::{Direction, NetworkPolicy},
    template::Namespace,
    tier_policy::{Matched, TierPolicy},
    truth::Truth,
};
use k8s_openapi::api::{core::v1 as k8s, networking::v1::NetworkPolicySpec};
use proptest::{collection::vec, option, prelude::*, sample::select, test_runner::TestRunner};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::{cell::Cell, collections::BTreeMap};

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn labels() -> impl Strategy<Value = BTreeMap<&'static str, &'static str>> {
    vec((select(vec!["app", "tier"]), select(vec!["x", "y"])), 0..3)
        .prop_map(|pairs| pairs.into_iter().collect())
}

fn selector() -> impl Strategy<Value = Value> {
    let key = select(vec!["app", "tier", "kubernetes.io/metadata.name"]);
    let values = vec(select(vec!["x", "y", "a", "b"]), 0..3);
    let operator = select(vec!["In", "In", "NotIn", "Exists", "DoesNotExist", "Odd"]);
    let expressions = (key, operator, values)
        .prop_map(|(key, operator, values)| json!({"key": key, "operator": operator, "values": values}));
    (labels(), vec(expressions, 0..2))
        .prop_map(|(labels, expressions)| json!({"matchLabels": labels, "matchExpressions": expressions}))
}

fn cidr() -> impl Strategy<Value = &'static str> {
    select(vec!["0.0.0.0/0", "10.0.0.0/31", "198.51.100.0/24", "::/0", "none"])
}

/// A peer of either API, by its fields.
fn peer(is_wide: bool) -> impl Strategy<Value = Value> {
    let fields = move |kind: usize, one: Value, other: Value, cidr: &str| match (is_wide, kind) {
        (false, 0) => json!({"podSelector": one}),
        (false, 1) => json!({"namespaceSelector": one}),
        (false, 2) => json!({"namespaceSelector": one, "podSelector": other}),
        (false, 3) => json!({"ipBlock": {"cidr": cidr}}),
        (true, 0) => json!({"namespaces": one}),
        (true, 1) => json!({"pods": {"namespaceSelector": one, "podSelector": other}}),
        (true, 2) => json!({"nodes": one}),
        (true, 3) => json!({"networks": [cidr]}),
        _ => json!({}),
    };
    (0..5_usize, selector(), selector(), cidr())
        .prop_map(move |(kind, one, other, cidr)| fields(kind, one, other, cidr))
}

fn port(is_wide: bool) -> impl Strategy<Value = Value> {
    let numbers = (select(vec![79, 80, 81]), option::of(select(vec![78, 80, 70_000])));
    (0..4_usize, select(vec!["TCP", "UDP", "odd"]), numbers).prop_map(move |(kind, protocol, (port, end))| {
        let word = protocol.to_lowercase();
        match (is_wide, kind) {
            (false, 0) => json!({"protocol": protocol}),
            (false, 1) => json!({"protocol": protocol, "port": "http"}),
            (false, _) => json!({"protocol": protocol, "port": port, "endPort": end}),
            (true, 0) => json!({"destinationNamedPort": "http"}),
            (true, 1) => json!({ word: {"destinationPort": {"number": port}} }),
            (true, _) => {
                json!({ word: {"destinationPort": {"range": {"start": port, "end": end.unwrap_or(81)}}} })
            }
        }
    })
}

/// A few rules of both directions: with their peers and ports in the words of either API.
fn rules(is_wide: bool) -> impl Strategy<Value = Value> {
    let ports = if is_wide { "protocols" } else { "ports" };
    let rule = (vec(peer(is_wide), 0..3), vec(port(is_wide), 0..3), select(vec!["Accept", "Deny", "Pass"]));
    let rule = rule.prop_map(move |(peers, entries, action)| {
        let of_peers = |field: &str| {
            let mut rule =
                Map::from_iter([(field.to_owned(), json!(peers)), (ports.to_owned(), json!(entries))]);
            rule.extend(is_wide.then(|| ("action".to_owned(), json!(action))));
            Value::Object(rule)
        };
        (of_peers("from"), of_peers("to"))
    });
    vec(rule, 1..6).prop_map(|rules| {
        let (ingress, egress): (Vec<_>, Vec<_>) = rules.into_iter().unzip();
        json!({"ingress": ingress, "egress": egress, "tier": "Admin", "priority": 1, "subject": {"namespaces": {}}})
    })
}

/// Two namespaces, of which the objects may be missing, with a pod each and one more.
fn cluster() -> impl Strategy<Value = Cluster> {
    (vec(option::of(labels()), 2), vec(labels(), 3)).prop_map(|(namespaces, pods)| {
        let mut cluster = Cluster::default();
        for (name, labels) in ["a", "b"].into_iter().zip(namespaces) {
            let Some(labels) = labels else { continue };
            let namespace: k8s::Namespace = read(json!({"metadata": {"name": name, "labels": labels}}));
            cluster.apply(Object::from(namespace)).unwrap();
        }
        for (at, (namespace, labels)) in ["a", "b", "a"].into_iter().zip(pods).enumerate() {
            let pod: k8s::Pod = read(json!({
                "metadata": {"namespace": namespace, "name": format!("p{at}"), "labels": labels},
                "spec": {"containers": [{"name": "main", "ports": [{"name": "http", "containerPort": 80}]}]},
                "status": {"podIPs": [{"ip": format!("10.0.0.{at}")}]},
            }));
            cluster.apply(Object::from(pod)).unwrap();
        }
        cluster
    })
}

fn connection() -> impl Strategy<Value = Connection> {
    let ip = || select(vec!["10.0.0.0", "10.0.0.1", "10.0.0.2", "198.51.100.1"]);
    let protocol = select(vec![Protocol::Tcp, Protocol::Tcp, Protocol::Udp, Protocol::Icmp]);
    (ip(), ip(), option::of(select(vec![78, 79, 80, 81, 65_535])), protocol).prop_map(
        |(source, destination, port, protocol)| Connection {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            port,
            protocol,
        },
    )
}

/// The rules as they are compiled.
fn compiled(of_namespace: Value, wide: Value, direction: Direction) -> Vec<Matched> {
    let spec: NetworkPolicySpec = read(of_namespace);
    let policy = NetworkPolicy::compile(&Namespace::new("a"), "p", spec);
    let spec: ClusterNetworkPolicySpec = read(wide);
    let wide = TierPolicy::of_cluster("wide", spec).unwrap();
    let rules = policy.rules(direction).iter().cloned().map(Matched::Rule);
    rules.chain(wide.rules(direction).iter().map(|rule| rule.matched().clone())).collect()
}

#[test]
fn a_rule_whose_gate_is_shut_does_not_match() {
    let (shut, matched) = (Cell::new(0), Cell::new(0));
    let check = |rules: &[Matched], sought: Sought, truth: &dyn Fn(&Matched) -> Truth| {
        for rule in rules {
            let truth = truth(rule);
            if !Gate::of_matched(rule).lets(&sought) {
                shut.set(shut.get() + 1);
                prop_assert_eq!(truth, Truth::No, "{:?}", rule);
            }
            matched.set(matched.get() + usize::from(truth == Truth::Yes));
        }
        Ok(())
    };
    let questions = vec(connection(), 16);
    let strategy = (cluster(), rules(false), rules(true), questions);
    let outcome = TestRunner::default().run(&strategy, |(cluster, of_namespace, wide, connections)| {
        for direction in Direction::BOTH {
            let rules = compiled(of_namespace.clone(), wide.clone(), direction);
            for connection in &connections {
                let inspection = cluster.inspect(connection, None, None);
                let laid = inspection.routes.iter().filter_map(|route| route.laid(direction));
                for question in laid.map(|laid| &laid.question) {
                    check(&rules, Sought::new(question), &|rule| rule.matches(question))?;
                }
            }
        }
        Ok(())
    });
    outcome.unwrap();
    assert!(shut.get() > 1000 && matched.get() > 1000, "{} were shut, {} matched", shut.get(), matched.get());
}
