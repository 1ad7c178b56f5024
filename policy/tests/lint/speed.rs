//! A cluster of thousands of policies and pods is looked at in seconds, and so are shapes with thousands
//! of parts that might each be held against all others: square work would take
//! many times as long as all other tests together.

use crate::world::{World, select, world};
use portolan_policy::{Object, lint, parse_manifest};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NAMESPACES: usize = 80;
const POLICIES: usize = 20;
const PODS: usize = 200;
const WORKLOADS: usize = 25;

fn objects() -> Vec<Object> {
    let mut items: Vec<Value> = Vec::new();
    for namespace in 0..NAMESPACES {
        let name = format!("ns-{namespace}");
        let labels = json!({"team": format!("t{}", namespace % 50)});
        items.push(
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}),
        );
        items.extend((0..PODS).map(|pod| {
            let at = namespace * PODS + pod;
            let ip = format!("10.{}.{}.{}", at / 65_536, at / 256 % 256, at % 256);
            let labels = json!({"app": format!("app-{}", pod % WORKLOADS)});
            json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"namespace": name, "name": format!("p{pod}"), "labels": labels},
                "spec": {"containers": [{"name": "main", "ports": [{"name": "http", "containerPort": 80}]}]},
                "status": {"podIPs": [{"ip": ip}]}})
        }));
        items.extend((0..POLICIES).map(|policy| {
            let from = json!([
                {"podSelector": select(&format!("app=app-{policy}"))},
                {"namespaceSelector": select(&format!("team=t{policy}")), "podSelector": select("app=missing")},
                {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
            ]);
            let spec = json!({"podSelector": select(&format!("app=app-{}", policy * 2)),
                "ingress": [{"from": from, "ports": [{"port": 80}, {"port": "http"}]}]});
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                "metadata": {"namespace": name, "name": format!("np{policy}")}, "spec": spec})
        }));
    }
    parse_manifest(&json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()).objects
}

/// A pass over all pods for each peer would be tens of millions of meetings.
#[test]
fn a_big_cluster_takes_seconds() {
    let objects = objects();
    assert_eq!(objects.len(), NAMESPACES * (1 + PODS + POLICIES));
    let findings = lint(&objects);
    assert!(findings.len() > 2_000, "{}", findings.len());
}

/// How often each code is found.
fn counts(world: &World) -> BTreeMap<&'static str, usize> {
    let objects = world.objects();
    let mut counts = BTreeMap::new();
    for finding in lint(&objects) {
        *counts.entry(finding.code.as_str()).or_default() += 1;
    }
    counts
}

fn ingress(rules: Vec<Value>) -> Value {
    json!({"podSelector": {}, "ingress": rules})
}

/// Policies with rules, each made from the number of its policy and its own.
fn namespace(policies: usize, rules: usize, make: impl Fn(usize, usize) -> Value) -> World {
    let spec = |policy| ingress((0..rules).map(|rule| make(policy, rule)).collect());
    (0..policies).fold(world(), |world, policy| world.policy(&format!("shop/p{policy:03}"), spec(policy)))
}

#[test]
fn thousands_of_rules_of_one_namespace_with_peers_and_ports_of_their_own() {
    let world = namespace(240, 25, |policy, rule| {
        let from = json!([{"podSelector": select(&format!("app=app-{}", policy % 20))}]);
        json!({"from": from, "ports": [{"port": 1 + policy * 25 + rule}]})
    });
    assert_eq!(counts(&world), BTreeMap::new());
}

#[test]
fn thousands_of_rules_of_one_namespace_that_are_nearly_alike() {
    // The first policy says what all others say but one, which has a port more.
    let world = namespace(240, 25, |policy, rule| {
        let last = if policy == 120 { 81 } else { 80 };
        json!({"from": [{"podSelector": select(&format!("app=app-{rule}"))}], "ports": [{"port": 80, "endPort": last}]})
    });
    assert_eq!(counts(&world), BTreeMap::from([("redundant-policy", 239)]));
}

#[test]
fn thousands_of_rules_for_subjects_of_their_own() {
    let policies = 0..5_000;
    let world = policies.fold(world(), |world, policy| {
        let spec = json!({"podSelector": select(&format!("app=app-{policy},tier=web")), "ingress": [
            {"from": [{"podSelector": {}}, {"namespaceSelector": select("team=ops")}], "ports": [{"port": 80}]}]});
        world.policy(&format!("shop/p{policy}"), spec)
    });
    assert_eq!(counts(&world), BTreeMap::new());
}

#[test]
fn thousands_of_rules_whose_ranges_overlap() {
    let world = namespace(240, 25, |policy, rule| {
        let first = 1 + (policy * 25 + rule) * 3;
        json!({"ports": [{"port": first, "endPort": first + 100}]})
    });
    let found = counts(&world);
    assert!(found["redundant-rule"] + found["redundant-policy"] > 0, "{found:?}");
}

fn address(at: usize) -> String {
    format!("10.{}.{}.{}", at / 65_536, at / 256 % 256, at % 256)
}

fn block(cidr: &str, except: Value) -> Value {
    json!({"ipBlock": {"cidr": cidr, "except": except}})
}

/// One rule with these peers.
fn one_rule(peers: Vec<Value>) -> World {
    world().policy("shop/p", ingress(vec![json!({"from": peers})]))
}

const BLOCKS: usize = 8_000;

#[test]
fn thousands_of_blocks_of_one_rule() {
    let single = (0..BLOCKS).map(|at| block(&format!("{}/32", address(at * 2)), json!([])));
    assert_eq!(counts(&one_rule(single.collect())), BTreeMap::new());
    let wide = block("10.0.0.0/8", json!([]));
    let nested = (0..BLOCKS).map(|at| block(&format!("{}/32", address(at * 2)), json!([])));
    let nested = one_rule(nested.chain([wide]).collect());
    assert_eq!(counts(&nested), BTreeMap::from([("redundant-peer", BLOCKS)]));
}

#[test]
fn thousands_of_blocks_with_an_exception_of_their_own() {
    let holed = |at: usize| block("10.0.0.0/8", json!([format!("{}/32", address(at))]));
    let world = one_rule((0..BLOCKS).map(holed).collect());
    assert_eq!(counts(&world), BTreeMap::from([("except-without-effect", BLOCKS)]));
}

#[test]
fn thousands_of_exceptions_of_one_block() {
    let except = |count: usize| (0..count).map(|at| format!("{}/32", address(at * 2))).collect::<Vec<_>>();
    let inner = (0..BLOCKS).map(|at| block(&format!("{}/32", address(at * 2 + 1)), json!([])));
    let world = one_rule(inner.chain([block("10.0.0.0/8", json!(except(BLOCKS)))]).collect());
    assert_eq!(counts(&world), BTreeMap::from([("redundant-peer", BLOCKS)]));
    let mut twice = except(BLOCKS);
    twice.push("10.0.0.0/9".to_owned());
    let world = one_rule(vec![block("10.0.0.0/8", json!(twice))]);
    assert_eq!(counts(&world), BTreeMap::from([("except-without-effect", BLOCKS)]));
}

#[test]
fn thousands_of_ports_and_selectors_of_one_rule() {
    let ports: Vec<_> = (1..=BLOCKS).map(|port| json!({"port": port * 3, "endPort": port * 3 + 1})).collect();
    let peers = (0..BLOCKS).map(|at| json!({"podSelector": select(&format!("app=app-{at},tier=web"))}));
    let rule = json!({"from": peers.collect::<Vec<_>>()});
    let world = world().policy("shop/p", ingress(vec![rule, json!({"ports": ports})]));
    assert_eq!(counts(&world), BTreeMap::new());
}

#[test]
fn hundreds_of_cluster_wide_policies() {
    let spec = |at: usize| {
        let rules = (0..25).map(|rule| {
            let port = json!({"tcp": {"destinationPort": {"number": 1 + at * 25 + rule}}});
            json!({"action": "Deny", "from": [{"namespaces": {}}], "protocols": [port]})
        });
        json!({"tier": "Admin", "priority": at, "subject": {"namespaces": {}}, "ingress": rules.collect::<Vec<_>>()})
    };
    let world = (0..600).fold(world(), |world, at| world.cluster_policy(&format!("c{at}"), spec(at)));
    assert_eq!(counts(&world), BTreeMap::new());
}

/// A selector of pods whose `app` is none of these.
fn unlike(values: Value) -> Value {
    json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": values}]})
}

/// Policies for these subjects, each with a port of its own.
fn subjects(subjects: impl Iterator<Item = Value>) -> World {
    subjects.enumerate().fold(world(), |world, (at, subject)| {
        let spec = json!({"podSelector": subject, "ingress": [{"ports": [{"port": 1 + at}]}]});
        world.policy(&format!("shop/p{at:04}"), spec)
    })
}

#[test]
fn subjects_within_thousands_of_others() {
    let shunning = (0..2000).map(|at| unlike(json!([format!("app-{at}")])));
    let within = (0..2000).map(|at| select(&format!("app=other-{at}")));
    assert_eq!(counts(&subjects(shunning.chain(within))), BTreeMap::new());
}

/// Rules with many peers, of which only the last is the same in all policies.
fn crowded(policy: usize, action: &str) -> Value {
    let team = |rule: usize, at: usize| match (rule, at) {
        (19, 99) => "team=all".to_owned(),
        _ => format!("team=t{policy}-{rule}-{at}"),
    };
    let peers = |rule: usize| (0..100).map(move |at| json!({"namespaces": select(&team(rule, at))}));
    let rules = (0..20).map(|rule| json!({"action": action, "from": peers(rule).collect::<Vec<_>>()}));
    json!({"priority": 1, "subject": {"namespaces": {}}, "ingress": rules.collect::<Vec<_>>()})
}

#[test]
fn two_policies_of_one_priority_with_many_peers() {
    let world = world().admin_policy("a", crowded(0, "Allow")).admin_policy("b", crowded(1, "Deny"));
    assert_eq!(counts(&world), BTreeMap::from([("equal-priorities", 1)]));
}
