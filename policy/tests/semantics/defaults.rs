//! Defaulting of a policy (N1–N6).

use crate::world::{World, pod, world};
use serde_json::{Value, json};

const IN: &str = "dev/curl -> shop/web on 80/tcp";
const OUT: &str = "shop/web -> dev/curl on 80/tcp";

/// A policy of namespace shop over two pods; the question goes to its pod and from it.
fn shop(spec: Value) -> World {
    world()
        .pod(pod("shop/web").ip("10.0.0.1").label("app=web"))
        .pod(pod("dev/curl").ip("10.0.0.2"))
        .policy("shop/p", spec)
}

#[test]
fn an_empty_spec_denies_all_ingress_of_the_namespace() {
    let world = shop(json!({}));
    assert_eq!(world.ingress(IN), "denied by shop/p");
    assert_eq!(world.egress(OUT), "not-isolated");
    assert_eq!(world.ingress(OUT), "not-isolated");
}

#[test]
fn an_absent_spec_is_an_empty_one() {
    assert_eq!(shop(Value::Null).ingress(IN), "denied by shop/p");
}

#[test]
fn absent_policy_types_mean_ingress_only_without_egress_rules() {
    for spec in [
        json!({"podSelector": {}}),
        json!({"podSelector": {}, "egress": []}),
        json!({"podSelector": {}, "egress": null}),
        json!({"podSelector": {}, "policyTypes": []}),
        json!({"podSelector": {}, "policyTypes": null}),
    ] {
        let world = shop(spec.clone());
        assert_eq!(world.ingress(IN), "denied by shop/p", "{spec}");
        assert_eq!(world.egress(OUT), "not-isolated", "{spec}");
    }
}

#[test]
fn absent_policy_types_mean_both_directions_with_an_egress_rule() {
    let world = shop(json!({"egress": [{"ports": [{"port": 53}]}]}));
    assert_eq!(world.ingress(IN), "denied by shop/p");
    assert_eq!(world.egress(OUT), "denied by shop/p");

    let open = shop(json!({"egress": [{}]}));
    assert_eq!(open.ingress(IN), "denied by shop/p");
    assert_eq!(open.egress(OUT), "admitted by shop/p[0]");
}

#[test]
fn rules_of_a_direction_that_is_not_among_the_types_are_ignored() {
    let world = shop(json!({"policyTypes": ["Egress"], "ingress": [{"ports": [{"port": 1}]}]}));
    assert_eq!(world.ingress(IN), "not-isolated");
    assert_eq!(world.egress(OUT), "denied by shop/p");

    let world = shop(json!({"policyTypes": ["Ingress"], "egress": [{"ports": [{"port": 1}]}]}));
    assert_eq!(world.egress(OUT), "not-isolated");
}

#[test]
fn duplicate_policy_types_are_harmless() {
    let world = shop(json!({"policyTypes": ["Ingress", "Ingress"]}));
    assert_eq!(world.ingress(IN), "denied by shop/p");
    assert_eq!(world.egress(OUT), "not-isolated");
}

#[test]
fn absent_null_and_empty_rules_are_one_thing() {
    for spec in [
        json!({"policyTypes": ["Ingress"]}),
        json!({"policyTypes": ["Ingress"], "ingress": null}),
        json!({"policyTypes": ["Ingress"], "ingress": []}),
    ] {
        assert_eq!(shop(spec.clone()).ingress(IN), "denied by shop/p", "{spec}");
    }
    assert_eq!(shop(json!({"ingress": [{}]})).ingress(IN), "admitted by shop/p[0]");
}

#[test]
fn a_policy_without_a_namespace_lives_in_default() {
    let web = pod("default/web").ip("10.0.0.1");
    let world = world().pod(web).pod(pod("dev/curl").ip("10.0.0.2")).policy("/p", json!({}));
    assert_eq!(world.ingress("dev/curl -> default/web on 80/tcp"), "denied by default/p");
}

#[test]
fn a_policy_selects_by_label_in_its_own_namespace_only() {
    let web = json!({"podSelector": {"matchLabels": {"app": "web"}}});
    let world = shop(web.clone())
        .pod(pod("shop/db").ip("10.0.0.3"))
        .pod(pod("dev/web").ip("10.0.0.4").label("app=web"));
    assert_eq!(world.ingress(IN), "denied by shop/p");
    assert_eq!(world.ingress("dev/curl -> shop/db on 80/tcp"), "not-isolated");
    assert_eq!(world.ingress("dev/curl -> dev/web on 80/tcp"), "not-isolated");
}

#[test]
fn a_pod_selector_with_not_in_selects_pods_without_the_label() {
    let not_db = json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["db"]}]});
    assert_eq!(shop(json!({"podSelector": not_db})).ingress(IN), "denied by shop/p");
    let in_db = json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["db"]}]});
    assert_eq!(shop(json!({"podSelector": in_db})).ingress(IN), "not-isolated");
}
