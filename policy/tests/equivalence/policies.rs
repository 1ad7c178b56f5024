//! Random policies of all kinds, valid for the most part.

use crate::scenery::{NAMESPACES, object};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use portolan_policy::{
    Object,
    api::{
        v1alpha1::{AdminNetworkPolicy, BaselineAdminNetworkPolicy},
        v1alpha2::ClusterNetworkPolicy,
    },
};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

type Json = BoxedStrategy<Value>;

/// A selector: mostly one that the API would take, and `odd` in its place now and then.
fn selector(odd: Vec<Value>) -> Json {
    let value = || select(vec!["x", "y", ""]);
    let key = || select(vec!["app", "tier", "team"]);
    let listed = |operator: &'static str| {
        (key(), vec(value(), 1..3)).prop_map(
            move |(key, values)| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]}),
        )
    };
    let bare = |operator: &'static str| {
        key().prop_map(move |key| json!({"matchExpressions": [{"key": key, "operator": operator}]}))
    };
    let both = (key(), value(), key()).prop_map(|(key, value, other)| {
        json!({"matchLabels": {key: value}, "matchExpressions": [{"key": other, "operator": "Exists"}]})
    });
    prop_oneof![
        8 => Just(json!({})),
        4 => (key(), value()).prop_map(|(key, value)| json!({"matchLabels": {key: value}})),
        2 => select(&NAMESPACES[..]).prop_map(|it| json!({"matchLabels": {"kubernetes.io/metadata.name": it}})),
        1 => listed("In"),
        1 => listed("NotIn"),
        1 => bare("Exists"),
        1 => bare("DoesNotExist"),
        1 => both,
        1 => select(odd),
    ]
    .boxed()
}

/// What is invalid in the selectors of all kinds.
fn invalid() -> Vec<Value> {
    vec![
        json!({"matchExpressions": [{"key": "app", "operator": "Like", "values": ["x"]}]}),
        json!({"matchExpressions": [{"key": "app", "operator": "In"}]}),
        json!({"matchLabels": {"app": "x"}, "matchExpressions": [{"key": "tier", "operator": "NotIn"}]}),
        json!({"matchExpressions": [{"key": "app", "operator": "Exists", "values": ["x"]}]}),
    ]
}

/// What the cluster-wide kinds may hold beside: keys of the old API.
fn foreign() -> Vec<Value> {
    let mut odd = invalid();
    odd.push(json!({"namespaceSelector": {"matchLabels": {"team": "x"}}}));
    odd.push(json!({"sameLabels": ["team"]}));
    odd
}

fn block() -> Json {
    let blocks =
        vec!["0.0.0.0/0", "10.0.0.0/8", "10.0.0.7/24", "192.0.2.0/28", "198.51.100.0/24", "::/0", "fd00::/8"];
    let odd = vec!["10.0.0.0", "nowhere", "10.0.0.0/33", "::ffff:10.0.0.0/104", "010.000.001.000/24"];
    let cidr = prop_oneof![8 => select(blocks), 1 => select(odd)];
    let holes = vec!["10.0.1.0/24", "10.0.0.0/30", "fd00::2/128", "198.51.100.64/26", "192.0.2.0/24", "bad"];
    (cidr, vec(select(holes), 0..2))
        .prop_map(|(cidr, except)| json!({"cidr": cidr, "except": except}))
        .boxed()
}

fn v1_peer() -> Json {
    let namespaces = || selector(invalid());
    let pods = || selector(invalid());
    prop_oneof![
        3 => pods().prop_map(|pods| json!({"podSelector": pods})),
        3 => namespaces().prop_map(|namespaces| json!({"namespaceSelector": namespaces})),
        3 => (namespaces(), pods()).prop_map(|(n, p)| json!({"namespaceSelector": n, "podSelector": p})),
        3 => block().prop_map(|block| json!({"ipBlock": block})),
        1 => Just(json!({})),
        1 => Just(json!({"ipBlock": {"cidr": "0.0.0.0/0"}, "podSelector": {}})),
    ]
    .boxed()
}

fn v1_port() -> Json {
    select(vec![
        json!({"port": 80}),
        json!({"port": 80, "protocol": "UDP"}),
        json!({"port": 80, "endPort": 81}),
        json!({"port": 1, "endPort": 65537, "protocol": "SCTP"}),
        json!({"port": "http"}),
        json!({"port": "dns", "protocol": "UDP"}),
        json!({"port": "http", "protocol": "SCTP"}),
        json!({"protocol": "UDP"}),
        json!({}),
        json!({"port": "80"}),
        json!({"endPort": 90}),
        json!({"port": "http", "endPort": 90}),
        json!({"port": 81, "endPort": 80}),
        json!({"port": 80, "protocol": "tcp"}),
    ])
    .boxed()
}

fn v1_rules(peers: &'static str) -> Json {
    (vec(v1_peer(), 0..3), vec(v1_port(), 0..3), 0..3_usize)
        .prop_map(move |(some, ports, gone)| match gone {
            0 => json!({peers: some}),
            1 => json!({"ports": ports}),
            _ => json!({peers: some, "ports": ports}),
        })
        .prop_flat_map(|rule| vec(Just(rule), 0..2))
        .prop_map(Value::from)
        .boxed()
}

fn several(rules: Json) -> Json {
    vec(rules, 0..3)
        .prop_map(|lists| {
            Value::from(lists.into_iter().flat_map(|it| it.as_array().unwrap().clone()).collect::<Vec<_>>())
        })
        .boxed()
}

pub(crate) fn network_policy() -> impl Strategy<Value = Object> {
    let types = select(vec![
        json!(null),
        json!([]),
        json!(["Ingress"]),
        json!(["Egress"]),
        json!(["Ingress", "Egress"]),
        json!(["Ingress", "Egress"]),
        json!(["Egress", "ingress"]),
    ]);
    let name = (select(&NAMESPACES[..]), select(vec!["k", "l", "m"]));
    let rules = (several(v1_rules("from")), several(v1_rules("to")));
    (name, selector(invalid()), types, rules).prop_map(
        |((namespace, name), pods, types, (ingress, egress))| {
            object::<NetworkPolicy>(json!({
                "metadata": {"namespace": namespace, "name": name},
                "spec": {"podSelector": pods, "policyTypes": types, "ingress": ingress, "egress": egress},
            }))
        },
    )
}

fn subject() -> Json {
    let both = (selector(foreign()), selector(foreign()));
    prop_oneof![
        8 => Just(json!({"namespaces": {}})),
        5 => selector(foreign()).prop_map(|namespaces| json!({"namespaces": namespaces})),
        4 => both.prop_map(|(n, p)| json!({"pods": {"namespaceSelector": n, "podSelector": p}})),
        2 => selector(foreign()).prop_map(|pods| json!({"pods": {"podSelector": pods}})),
        1 => select(vec![
            json!({}),
            json!({"namespaces": {}, "pods": {"podSelector": {}}}),
            json!({"pods": {}}),
            json!({"serviceAccounts": {}}),
        ]),
    ]
    .boxed()
}

/// A peer of the cluster-wide kinds; on ingress only rarely one that is for egress.
fn wide_peer(egress: bool) -> Json {
    let both = (selector(foreign()), selector(foreign()));
    let names = vec(
        select(vec!["a.example.com", "*.example.com.", "*.A.example.com", "example.com", "b.test"]),
        1..3,
    );
    let addresses = if egress { 4 } else { 1 };
    prop_oneof![
        8 => selector(foreign()).prop_map(|namespaces| json!({"namespaces": namespaces})),
        8 => both.prop_map(|(n, p)| json!({"pods": {"namespaceSelector": n, "podSelector": p}})),
        addresses => selector(foreign()).prop_map(|nodes| json!({"nodes": nodes})),
        addresses => vec(block(), 1..3).prop_map(|blocks| {
            json!({"networks": blocks.iter().map(|block| block["cidr"].clone()).collect::<Vec<_>>()})
        }),
        addresses => names.prop_map(|names| json!({"domainNames": names})),
        1 => select(vec![
            json!({}),
            json!({"pods": {}}),
            json!({"namespaces": {}, "pods": {"podSelector": {}}}),
            json!({"namespaces": {}, "networks": ["0.0.0.0/0"]}),
            json!({"pods": {"namespaces": {}, "podSelector": {}}}),
            json!({"somebody": true}),
        ]),
    ]
    .boxed()
}

fn cluster_port() -> Json {
    select(vec![
        json!({"tcp": {"destinationPort": {"number": 80}}}),
        json!({"udp": {"destinationPort": {"number": 80}}}),
        json!({"tcp": {"destinationPort": {"range": {"start": 80, "end": 8080}}}}),
        json!({"sctp": {"destinationPort": {"range": {"start": 80, "end": 70000}}}}),
        json!({"tcp": {}}),
        json!({"udp": {}}),
        json!({"destinationNamedPort": "http"}),
        json!({"destinationNamedPort": "dns"}),
        json!({}),
        json!({"tcp": {}, "udp": {}}),
        json!({"tcp": {"destinationPort": {}}}),
        json!({"tcp": {"destinationPort": {"number": 70000}}}),
        json!({"tcp": {"destinationPort": {"number": 80, "range": {"start": 1, "end": 2}}}}),
        json!({"tcp": {"destinationPort": {"range": {"start": 81, "end": 80}}}}),
        json!({"icmp": {}}),
    ])
    .boxed()
}

fn admin_port() -> Json {
    select(vec![
        json!({"portNumber": {"port": 80}}),
        json!({"portNumber": {"port": 80, "protocol": "UDP"}}),
        json!({"portRange": {"start": 80, "end": 8080}}),
        json!({"portRange": {"protocol": "SCTP", "start": 80, "end": 70000}}),
        json!({"namedPort": "http"}),
        json!({"namedPort": "dns"}),
        json!({}),
        json!({"portNumber": {"port": 80}, "namedPort": "http"}),
        json!({"portNumber": {"port": 0}}),
        json!({"portNumber": {"port": 80, "protocol": "ICMP"}}),
        json!({"portRange": {"start": 81, "end": 80}}),
    ])
    .boxed()
}

/// The rules of one direction of a cluster-wide policy.
fn wide_rules(egress: bool, actions: &[&'static str], ports: &'static str) -> Json {
    let (peers, entry) =
        (if egress { "to" } else { "from" }, if ports == "ports" { admin_port() } else { cluster_port() });
    let from = prop_oneof![19 => vec(wide_peer(egress), 1..3), 1 => Just(Vec::new())];
    let limits = prop_oneof![Just(Vec::new()), vec(entry, 1..3)];
    let rule = (select(actions.to_vec()), from, limits).prop_map(move |(action, from, limits)| {
        if limits.is_empty() {
            json!({"action": action, peers: from})
        } else {
            json!({"action": action, peers: from, ports: limits})
        }
    });
    vec(rule, 0..3).prop_map(Value::from).boxed()
}

/// A word for an action that the kind does not know comes rarely, since it silences the policy.
fn actions(known: &[&'static str], unknown: &'static str) -> Vec<&'static str> {
    let mut actions = known.repeat(24 / known.len());
    actions.push(unknown);
    actions
}

/// Few priorities, so that there are ties; sometimes none.
fn priority() -> impl Strategy<Value = Option<i32>> {
    select(vec![Some(1), Some(1), Some(2), Some(2), Some(3), Some(1001), None])
}

fn tier() -> impl Strategy<Value = &'static str> {
    select(vec!["Admin", "Admin", "Admin", "Admin", "Baseline", "Baseline", "Baseline", "Baseline", "admin"])
}

pub(crate) fn cluster_network_policy() -> impl Strategy<Value = Object> {
    let known = actions(&["Accept", "Deny", "Pass"], "Allow");
    let rules = (wide_rules(false, &known, "protocols"), wide_rules(true, &known, "protocols"));
    (select(vec!["k", "l", "m", "n"]), tier(), priority(), subject(), rules).prop_map(
        |(name, tier, priority, subject, (ingress, egress))| {
            object::<ClusterNetworkPolicy>(json!({
                "metadata": {"name": name},
                "spec": {"tier": tier, "priority": priority, "subject": subject, "ingress": ingress, "egress": egress},
            }))
        },
    )
}

pub(crate) fn admin_network_policy() -> impl Strategy<Value = Object> {
    let known = actions(&["Allow", "Deny", "Pass"], "Accept");
    let rules = (wide_rules(false, &known, "ports"), wide_rules(true, &known, "ports"));
    (select(vec!["k", "l", "o"]), priority(), subject(), rules).prop_map(
        |(name, priority, subject, (ingress, egress))| {
            object::<AdminNetworkPolicy>(json!({
                "metadata": {"name": name},
                "spec": {"priority": priority, "subject": subject, "ingress": ingress, "egress": egress},
            }))
        },
    )
}

pub(crate) fn baseline_admin_network_policy() -> impl Strategy<Value = Object> {
    let known = actions(&["Allow", "Deny"], "Pass");
    let rules = (wide_rules(false, &known, "ports"), wide_rules(true, &known, "ports"));
    (select(vec!["default", "default", "default", "other"]), subject(), rules).prop_map(
        |(name, subject, (ingress, egress))| {
            object::<BaselineAdminNetworkPolicy>(json!({
                "metadata": {"name": name},
                "spec": {"subject": subject, "ingress": ingress, "egress": egress},
            }))
        },
    )
}
