//! Parts that others cover.

use crate::world::{World, select, world};
use serde_json::{Value, json};

fn rules(rules: Value) -> World {
    world().policy("shop/p", json!({"podSelector": select("app=web"), "ingress": rules}))
}

fn peers(peers: Value) -> World {
    rules(json!([{"from": peers}]))
}

fn ports(ports: Value) -> World {
    rules(json!([{"ports": ports}]))
}

fn pods(labels: &str) -> Value {
    json!({"podSelector": select(labels)})
}

#[test]
fn peers_that_another_covers() {
    let beginning =
        "NetworkPolicy shop/p: spec.ingress[0].from[1]: matches nobody that spec.ingress[0].from[0]";
    for (outer, inner) in [
        (pods("app=a"), pods("app=a")),
        (pods(""), pods("app=a")),
        (pods("app=a"), pods("app=a,tier=b")),
        (json!({"namespaceSelector": {}}), pods("")),
        (json!({"namespaceSelector": select("kubernetes.io/metadata.name=shop")}), pods("app=a")),
        (pods(""), json!({"namespaceSelector": select("kubernetes.io/metadata.name=shop")})),
        (json!({"ipBlock": {"cidr": "10.0.0.0/8"}}), json!({"ipBlock": {"cidr": "10.1.0.0/16"}})),
        (
            json!({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.2.0.0/16"]}}),
            json!({"ipBlock": {"cidr": "10.1.0.0/16"}}),
        ),
    ] {
        peers(json!([outer, inner])).has("redundant-peer", beginning);
    }
}

#[test]
fn peers_that_match_somebody_of_their_own() {
    for (one, other) in [
        (pods("app=a"), pods("app=b")),
        (pods("app=a,tier=b"), pods("app=a,tier=c")),
        (json!({"namespaceSelector": select("team=a")}), pods("")),
        (json!({"namespaceSelector": select("kubernetes.io/metadata.name=dev")}), pods("")),
        (json!({"ipBlock": {"cidr": "10.0.0.0/8"}}), json!({"ipBlock": {"cidr": "11.0.0.0/8"}})),
        (
            json!({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.2.0/24"]}}),
            json!({"ipBlock": {"cidr": "10.1.0.0/16"}}),
        ),
        (json!({"namespaceSelector": {}}), json!({"ipBlock": {"cidr": "10.0.0.0/8"}})),
        (pods(""), json!({})),
    ] {
        peers(json!([one, other])).has_no("redundant-peer");
    }
}

#[test]
fn conditions_that_imply_others() {
    let expression = |operator: &str, values: &[&str]| json!({"podSelector": {"matchExpressions": [{"key": "app", "operator": operator, "values": values}]}});
    let covered = [
        (expression("In", &["a", "b"]), pods("app=a")),
        (expression("Exists", &[]), pods("app=a")),
        (expression("NotIn", &["b"]), pods("app=a")),
        (expression("NotIn", &["b"]), expression("NotIn", &["c", "b"])),
        (expression("NotIn", &["b"]), expression("DoesNotExist", &[])),
    ];
    for (outer, inner) in covered {
        peers(json!([outer, inner])).has("redundant-peer", "NetworkPolicy shop/p: spec.ingress[0].from[1]");
    }
    let apart = [
        (expression("NotIn", &["a"]), pods("app=a")),
        (expression("NotIn", &["b", "c"]), expression("NotIn", &["b"])),
        (expression("DoesNotExist", &[]), expression("NotIn", &["b"])),
        (expression("Exists", &[]), expression("NotIn", &["b"])),
        (expression("In", &["a"]), expression("In", &["a", "b"])),
    ];
    for (one, other) in apart {
        let found = peers(json!([one, other])).says("redundant-peer");
        let second: Vec<_> = found.iter().filter(|text| text.contains("from[1]: ")).collect();
        assert_eq!(second, Vec::<&String>::new(), "{one} {other}");
    }
}

#[test]
fn ports_that_another_covers() {
    let range = json!({"port": 80, "endPort": 90});
    for (outer, inner) in [
        (json!({"port": 80}), json!({"port": 80})),
        (range.clone(), json!({"port": 85})),
        (json!({"protocol": "TCP"}), json!({"port": "http"})),
        (json!({"protocol": "UDP"}), json!({"port": 53, "protocol": "UDP"})),
        (json!({"port": "http"}), json!({"port": "http", "protocol": "TCP"})),
    ] {
        ports(json!([outer, inner]))
            .has("redundant-port", "NetworkPolicy shop/p: spec.ingress[0].ports[1]: matches no port");
    }
    for (one, other) in [
        (range.clone(), json!({"port": 91})),
        (json!({"port": 53}), json!({"port": 53, "protocol": "UDP"})),
        (json!({"protocol": "UDP"}), json!({"port": "http"})),
        (json!({"port": 80}), json!({"port": "http"})),
        (json!({"port": 1, "endPort": 65535}), json!({"protocol": "TCP"})),
    ] {
        // The last pair is the other way round: all ports hold the range.
        let found = ports(json!([one, other])).says("redundant-port");
        assert!(found.iter().all(|text| !text.contains("ports[1]: ")), "{found:?}");
    }
}

#[test]
fn a_rule_that_another_of_the_policy_covers() {
    let to = |labels: &str, port: u16| json!({"from": [pods(labels)], "ports": [{"port": port}]});
    rules(json!([{"from": [pods("")]}, to("app=a", 80)])).has(
        "redundant-rule",
        "NetworkPolicy shop/p: spec.ingress[1]: admits nothing that spec.ingress[0] does not admit; take it out",
    );
    rules(json!([to("app=a", 80), to("app=a", 80)]))
        .has("redundant-rule", "NetworkPolicy shop/p: spec.ingress[1]");
    rules(json!([{}, to("app=a", 80)])).has("redundant-rule", "NetworkPolicy shop/p: spec.ingress[1]");
    rules(json!([to("app=a", 80), to("app=a", 81)])).has_no("redundant-rule");
    rules(json!([to("app=a", 80), to("app=b", 80)])).has_no("redundant-rule");
}

#[test]
fn a_rule_that_several_cover_together() {
    let range = |first: u16, last: u16| json!({"ports": [{"port": first, "endPort": last}]});
    rules(json!([range(1, 10), range(11, 20), range(5, 15)])).has(
        "redundant-rule",
        "NetworkPolicy shop/p: spec.ingress[2]: admits nothing that spec.ingress[0] and spec.ingress[1] does not",
    );
    rules(json!([range(1, 10), range(12, 20), range(5, 15)])).has_no("redundant-rule");
}

#[test]
fn a_rule_that_a_broader_policy_covers() {
    let one = json!({"podSelector": select("app=web"), "ingress": [
        {"from": [pods("app=a")], "ports": [{"port": 80}]}, {"from": [pods("app=b")]}]});
    let all = json!({"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]});
    world().policy("shop/web", one.clone()).policy("shop/all", all.clone()).has(
        "redundant-rule",
        "NetworkPolicy shop/web: spec.ingress[0]: admits nothing that spec.ingress[0] of NetworkPolicy shop/all",
    );
    world().policy("shop/web", one.clone()).policy("dev/all", all.clone()).has_no("redundant-rule");
    let other = json!({"podSelector": select("app=api"), "ingress": [{"ports": [{"port": 80}]}]});
    world().policy("shop/web", one.clone()).policy("shop/api", other).has_no("redundant-rule");
    let egress = json!({"podSelector": {}, "policyTypes": ["Egress"], "ingress": [{}], "egress": [{}]});
    world().policy("shop/web", one).policy("shop/all", egress).has_no("redundant-rule");
}

#[test]
fn a_policy_that_changes_nothing() {
    let web = json!({"podSelector": select("app=web"), "ingress": [{"from": [pods("app=a")]}]});
    let all = json!({"podSelector": {}, "ingress": [{"from": [pods("")]}]});
    world()
        .policy("shop/web", web.clone())
        .policy("shop/all", all.clone())
        .has(
            "redundant-policy",
            "NetworkPolicy shop/web: changes nothing beside NetworkPolicy shop/all; delete it",
        )
        .has_no("redundant-rule");
    world()
        .policy("shop/web", web.clone())
        .policy("shop/twin", web.clone())
        .has("redundant-policy", "NetworkPolicy shop/web: changes nothing beside NetworkPolicy shop/twin");
    // It isolates egress, and the other does not.
    let more = json!({"podSelector": select("app=web"), "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [pods("app=a")]}]});
    world().policy("shop/web", more).policy("shop/all", all).has_no("redundant-policy");
}

#[test]
fn a_default_deny_beside_policies_that_isolate_is_no_mistake() {
    let deny = json!({"podSelector": {}, "policyTypes": ["Ingress"]});
    let allow = json!({"podSelector": {}, "ingress": [{"from": [pods("")]}]});
    world().policy("shop/deny", deny.clone()).policy("shop/allow", allow).has_no("redundant-policy");
    world()
        .policy("shop/deny", deny.clone())
        .policy("shop/again", deny)
        .has("redundant-policy", "NetworkPolicy shop/deny: changes nothing beside NetworkPolicy shop/again");
}

#[test]
fn invalid_parts_are_not_called_redundant() {
    rules(json!([{}, {"from": [{}]}])).has_no("redundant-rule");
    let unknown =
        json!({"podSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}, "ingress": [{}]});
    world().policy("shop/a", json!({"ingress": [{}]})).policy("shop/b", unknown).has_no("redundant-policy");
}
