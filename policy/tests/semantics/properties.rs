//! What holds for every policy (W13): order never matters, and admitting more never denies.

use crate::world::{object, pod, policy};
use k8s_openapi::api::core::v1::Namespace;
use portolan_policy::{Cluster, Connection, Decision, Object, Protocol};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};
use std::{net::IpAddr, sync::Arc};

const NAMESPACES: [&str; 3] = ["a", "b", "c"];
const PODS: [(&str, &str, &str); 5] = [
    ("a/one", "10.0.0.1", "app=web"),
    ("a/two", "10.0.0.2", "app=db"),
    ("b/one", "10.0.1.1", "app=web"),
    ("b/two", "10.0.1.2", "tier=db"),
    ("c/one", "10.0.2.1", "app=db"),
];

fn selector() -> impl Strategy<Value = Value> {
    select(vec![
        json!({}),
        json!({"matchLabels": {"app": "web"}}),
        json!({"matchLabels": {"app": "db"}}),
        json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}),
        json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}),
        json!({"matchExpressions": [{"key": "app", "operator": "Bogus"}]}),
    ])
}

fn namespace_selector() -> impl Strategy<Value = Value> {
    select(vec![
        json!({}),
        json!({"matchLabels": {"team": "x"}}),
        json!({"matchLabels": {"kubernetes.io/metadata.name": "b"}}),
        json!({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}),
    ])
}

fn block() -> impl Strategy<Value = Value> {
    select(vec![
        json!({"cidr": "0.0.0.0/0"}),
        json!({"cidr": "10.0.0.0/16", "except": ["10.0.1.0/24"]}),
        json!({"cidr": "198.51.100.0/24"}),
        json!({"cidr": "::/0"}),
        json!({"cidr": "bad"}),
    ])
}

fn peer() -> impl Strategy<Value = Value> {
    prop_oneof![
        selector().prop_map(|pods| json!({"podSelector": pods})),
        namespace_selector().prop_map(|namespaces| json!({"namespaceSelector": namespaces})),
        (namespace_selector(), selector())
            .prop_map(|(namespaces, pods)| json!({"namespaceSelector": namespaces, "podSelector": pods})),
        block().prop_map(|block| json!({"ipBlock": block})),
        Just(json!({})),
    ]
}

fn port() -> impl Strategy<Value = Value> {
    select(vec![
        json!({"port": 80}),
        json!({"port": 80, "protocol": "UDP"}),
        json!({"port": 79, "endPort": 81}),
        json!({"port": "http"}),
        json!({"protocol": "UDP"}),
        json!({"endPort": 1}),
    ])
}

/// A rule by its peers and ports.
type Rule = (Vec<Value>, Vec<Value>);

#[derive(Clone, Debug)]
struct PolicyPlan {
    namespace: &'static str,
    subject: Value,
    ingress: Vec<Rule>,
    egress: Vec<Rule>,
    types: Vec<&'static str>,
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    vec((vec(peer(), 0..3), vec(port(), 0..3)), 0..3)
}

fn plan() -> impl Strategy<Value = PolicyPlan> {
    let types = select(vec![vec![], vec!["Ingress"], vec!["Egress"], vec!["Ingress", "Egress"]]);
    (select(&NAMESPACES[..]), selector(), rules(), rules(), types).prop_map(
        |(namespace, subject, ingress, egress, types)| PolicyPlan {
            namespace,
            subject,
            ingress,
            egress,
            types,
        },
    )
}

impl PolicyPlan {
    fn object(&self, name: usize) -> Object {
        let rules = |rules: &[Rule], peers: &str| {
            let rule = |(from, ports): &Rule| json!({peers: from, "ports": ports});
            Value::from(rules.iter().map(rule).collect::<Vec<_>>())
        };
        policy(
            &format!("{}/p{name}", self.namespace),
            json!({
                "podSelector": self.subject,
                "policyTypes": self.types,
                "ingress": rules(&self.ingress, "from"),
                "egress": rules(&self.egress, "to"),
            }),
        )
    }

    /// The same policy with every list the other way round.
    fn reversed(&self) -> Self {
        let turn = |rules: &[Rule]| {
            let reverse = |list: &Vec<Value>| list.iter().rev().cloned().collect();
            rules.iter().map(|(peers, ports)| (reverse(peers), reverse(ports))).collect()
        };
        Self { ingress: turn(&self.ingress), egress: turn(&self.egress), ..self.clone() }
    }

    /// The same policy with its rules the other way round.
    fn rules_reversed(&self) -> Self {
        let turn = |rules: &[Rule]| rules.iter().rev().cloned().collect();
        Self { ingress: turn(&self.ingress), egress: turn(&self.egress), ..self.clone() }
    }
}

/// The namespaces, of which the labels of the last are not known, and the pods.
fn scenery() -> Vec<Object> {
    let namespace = |name: &str, team: &str| {
        object::<Namespace>(json!({"metadata": {"name": name, "labels": {team: "x"}}}))
    };
    let pods = PODS
        .iter()
        .map(|(name, ip, label)| pod(name).ip(ip).label(label).named_port("http", 80, None).build());
    [namespace("a", "team"), namespace("b", "other")].into_iter().chain(pods).collect()
}

fn cluster(objects: impl IntoIterator<Item = Object>) -> Cluster {
    let mut cluster = Cluster::default();
    for object in objects {
        cluster.apply(object).unwrap();
    }
    cluster
}

fn policies(plans: &[PolicyPlan]) -> Vec<Object> {
    plans.iter().enumerate().map(|(name, plan)| plan.object(name)).collect()
}

fn questions() -> Vec<Connection> {
    let mut ends: Vec<IpAddr> = PODS.iter().map(|(_, ip, _)| ip.parse().unwrap()).collect();
    ends.push("198.51.100.1".parse().unwrap());
    let services = [
        (Some(80), Protocol::Tcp),
        (Some(82), Protocol::Tcp),
        (Some(80), Protocol::Udp),
        (None, Protocol::Tcp),
        (None, Protocol::Icmp),
    ];
    let pairs = ends.iter().flat_map(|source| ends.iter().map(move |destination| (*source, *destination)));
    pairs
        .flat_map(|(source, destination)| {
            services.map(|(port, protocol)| Connection { source, destination, port, protocol })
        })
        .collect()
}

fn answers(cluster: &Cluster) -> Vec<Decision> {
    questions().iter().map(|connection| cluster.decide(connection)).collect()
}

/// A decision without the rule numbers, which move with the rules.
fn without_rules(decisions: Vec<Decision>) -> Vec<Decision> {
    let forget = |mut decision: Decision| {
        for side in [&mut decision.egress, &mut decision.ingress].map(Arc::make_mut) {
            for policy in &mut side.policies {
                policy.rule = None;
            }
            side.policies.dedup();
        }
        decision
    };
    decisions.into_iter().map(forget).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_objects_changes_nothing(plans in vec(plan(), 0..5)) {
        let forwards = scenery().into_iter().chain(policies(&plans));
        let backwards: Vec<_> = scenery().into_iter().chain(policies(&plans)).rev().collect();
        prop_assert_eq!(answers(&cluster(forwards)), answers(&cluster(backwards)));
    }

    #[test]
    fn the_order_of_peers_and_ports_changes_nothing(plans in vec(plan(), 0..5)) {
        let reversed: Vec<_> = plans.iter().map(PolicyPlan::reversed).collect();
        let plain = cluster(scenery().into_iter().chain(policies(&plans)));
        let turned = cluster(scenery().into_iter().chain(policies(&reversed)));
        prop_assert_eq!(answers(&plain), answers(&turned));
    }

    #[test]
    fn the_order_of_rules_changes_only_their_numbers(plans in vec(plan(), 0..5)) {
        let reversed: Vec<_> = plans.iter().map(PolicyPlan::rules_reversed).collect();
        let plain = cluster(scenery().into_iter().chain(policies(&plans)));
        let turned = cluster(scenery().into_iter().chain(policies(&reversed)));
        prop_assert_eq!(without_rules(answers(&plain)), without_rules(answers(&turned)));
    }

    #[test]
    fn one_more_admitting_rule_never_denies(
        mut plans in vec(plan(), 1..5),
        which in any::<prop::sample::Index>(),
        rule in (vec(peer(), 0..3), vec(port(), 0..3)),
    ) {
        let before = answers(&cluster(scenery().into_iter().chain(policies(&plans))));
        let at = which.index(plans.len());
        // An egress rule may not turn the policy into one about egress by default.
        prop_assume!(!plans[at].types.is_empty() || !plans[at].egress.is_empty());
        plans[at].ingress.push(rule.clone());
        plans[at].egress.push(rule);
        let after = answers(&cluster(scenery().into_iter().chain(policies(&plans))));
        for (before, after) in before.iter().zip(&after) {
            prop_assert!(
                before.admits() != Some(true) || after.admits() == Some(true),
                "{:?} became {:?}", before, after
            );
        }
    }

    #[test]
    fn applying_and_deleting_leaves_no_trace(plans in vec(plan(), 0..5), gone in vec(plan(), 1..4)) {
        let kept = cluster(scenery().into_iter().chain(policies(&plans)));
        let mut passing = kept.clone();
        for (name, plan) in gone.iter().enumerate() {
            let object = plan.object(100 + name);
            let key = object.key();
            passing.apply(object).unwrap();
            passing.delete(&key);
        }
        prop_assert_eq!(answers(&kept), answers(&passing));
    }

    #[test]
    fn decided_sides_and_only_they_name_policies(plans in vec(plan(), 0..5)) {
        use portolan_policy::SideVerdict::{Admitted, Denied, Undecidable};
        for decision in answers(&cluster(scenery().into_iter().chain(policies(&plans)))) {
            for side in [decision.egress, decision.ingress] {
                let names_policies = matches!(side.verdict, Admitted | Denied);
                prop_assert_eq!(!side.policies.is_empty(), names_policies);
                prop_assert_eq!(side.reason.is_some(), side.verdict == Undecidable);
                prop_assert!(side.policies.is_sorted_by(|one, next| one < next));
                prop_assert!(side.policies.iter().all(|p| p.rule.is_some() == (side.verdict == Admitted)));
            }
        }
    }
}
