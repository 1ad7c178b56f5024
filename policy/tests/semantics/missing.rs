//! Facts that are missing (U1–U6): undecidable names them, and only where they matter.

use crate::world::{World, labelled, pod, world};
use serde_json::{Value, json};

const IN: &str = "dev/curl -> shop/web on 80/tcp";

/// Web, admitted to by `from`; the Namespace object of dev is not known.
fn unlabelled(from: Value) -> World {
    world()
        .namespace("shop", "")
        .pod(pod("shop/web").ip("10.0.0.1"))
        .pod(pod("dev/curl").ip("10.0.0.2").label("app=curl"))
        .policy("shop/p", json!({"ingress": [{"from": from}]}))
}

const UNKNOWN_LABELS: &str =
    "undecidable: the labels of namespace dev are not known; add its Namespace object";

#[test]
fn unknown_namespace_labels_are_named_where_the_answer_hangs_on_them() {
    let by_team = json!([{"namespaceSelector": labelled("team=dev")}]);
    assert_eq!(unlabelled(by_team.clone()).ingress(IN), UNKNOWN_LABELS);
    assert_eq!(unlabelled(by_team.clone()).namespace("dev", "team=dev").ingress(IN), "admitted by shop/p[0]");
    assert_eq!(unlabelled(by_team).namespace("dev", "").ingress(IN), "denied by shop/p");
}

#[test]
fn unknown_namespace_labels_do_not_matter_where_something_else_decides() {
    let team = labelled("team=dev");
    let elsewhere = json!([{"namespaceSelector": team, "podSelector": labelled("app=other")}]);
    assert_eq!(unlabelled(elsewhere).ingress(IN), "denied by shop/p");
    let anyone = json!([{"namespaceSelector": team}, {"namespaceSelector": {}}]);
    assert_eq!(unlabelled(anyone).ingress(IN), "admitted by shop/p[0]");
    let by_name = json!([{"namespaceSelector": labelled("kubernetes.io/metadata.name=dev")}]);
    assert_eq!(unlabelled(by_name).ingress(IN), "admitted by shop/p[0]");
    let own = json!([{"podSelector": {}}]);
    assert_eq!(unlabelled(own).ingress(IN), "denied by shop/p");
}

#[test]
fn a_certain_admission_decides_whatever_else_is_unknown() {
    let world = unlabelled(json!([{"namespaceSelector": labelled("team=dev")}]))
        .policy("shop/open", json!({"ingress": [{}]}));
    assert_eq!(world.ingress(IN), "admitted by shop/open[0]");
}

#[test]
fn the_labels_of_an_external_peer_are_not_missing() {
    let world = unlabelled(json!([{"namespaceSelector": labelled("team=dev")}]));
    assert_eq!(world.ingress("198.51.100.1 -> shop/web on 80/tcp"), "denied by shop/p");
}

#[test]
fn an_unknown_port_matters_only_where_ports_are_restricted() {
    let shop = |ports: Value| {
        world()
            .pod(pod("shop/web").ip("10.0.0.1").named_port("http", 80, None))
            .policy("shop/p", json!({"ingress": [{"ports": ports}]}))
            .ingress("198.51.100.1 -> shop/web on tcp")
    };
    let unknown = "undecidable: the destination port is not known";
    assert_eq!(shop(json!([])), "admitted by shop/p[0]");
    assert_eq!(shop(json!([{}])), "admitted by shop/p[0]");
    assert_eq!(shop(json!([{"port": 80}])), unknown);
    assert_eq!(shop(json!([{"port": "http"}])), unknown);
    assert_eq!(shop(json!([{"port": 80, "protocol": "UDP"}])), "denied by shop/p");
}

#[test]
fn an_unknown_node_matters_only_where_a_node_asks_and_policies_deny() {
    let world = world()
        .node("n1", &["192.0.2.1"])
        .pod(pod("shop/web").ip("10.0.0.1"))
        .policy("shop/p", json!({"ingress": [{"ports": [{"port": 80}]}]}));
    assert_eq!(world.ingress("192.0.2.1 -> shop/web on 80/tcp"), "admitted by shop/p[0]");
    assert_eq!(
        world.ingress("192.0.2.1 -> shop/web on 81/tcp"),
        "undecidable: the node of pod shop/web is not known"
    );
    assert_eq!(world.ingress("198.51.100.1 -> shop/web on 81/tcp"), "denied by shop/p");
}

#[test]
fn an_unreadable_pod_selector_leaves_isolation_unknown() {
    let bad = json!({"matchExpressions": [{"key": "app", "operator": "Like", "values": ["w*"]}]});
    let world = |ingress: Value| {
        world()
            .pod(pod("shop/web").ip("10.0.0.1").label("app=web"))
            .policy("shop/bad", json!({"podSelector": bad, "ingress": ingress}))
    };
    let ask = "198.51.100.1 -> shop/web on 80/tcp";
    let unknown = "undecidable: spec.podSelector of NetworkPolicy shop/bad is not valid; mend it";
    // It may isolate and would not admit.
    assert_eq!(world(json!([])).ingress(ask), unknown);
    // Whether it isolates or not, the connection is allowed.
    assert_eq!(world(json!([{}])).ingress(ask), "admitted by shop/bad[0]");
    // Another one isolates for certain; this one may or may not open it.
    assert_eq!(world(json!([{}])).policy("shop/deny", json!({})).ingress(ask), unknown);
    // Another one isolates for certain and this one cannot help.
    assert_eq!(world(json!([])).policy("shop/deny", json!({})).ingress(ask), "denied by shop/deny");
    // Another one admits for certain.
    let open = world(json!([])).policy("shop/open", json!({"ingress": [{}]}));
    assert_eq!(open.ingress(ask), "admitted by shop/open[0]");
    // The other direction is none of its business.
    assert_eq!(world(json!([])).egress("shop/web -> 198.51.100.1 on 80/tcp"), "not-isolated");
}

#[test]
fn a_pod_that_fails_the_readable_half_of_a_selector_is_not_selected() {
    let half = json!({
        "matchLabels": {"app": "db"},
        "matchExpressions": [{"key": "app", "operator": "Like", "values": ["w*"]}],
    });
    let world = world()
        .pod(pod("shop/web").ip("10.0.0.1").label("app=web"))
        .policy("shop/bad", json!({"podSelector": half}));
    assert_eq!(world.ingress("198.51.100.1 -> shop/web on 80/tcp"), "not-isolated");
}

#[test]
fn an_unknown_policy_type_leaves_the_direction_unknown() {
    let world = world()
        .pod(pod("shop/web").ip("10.0.0.1"))
        .policy("shop/p", json!({"policyTypes": ["Egress", "ingress"]}));
    assert_eq!(
        world.ingress("198.51.100.1 -> shop/web on 80/tcp"),
        "undecidable: spec.policyTypes of NetworkPolicy shop/p holds a word other than Ingress and Egress; mend it"
    );
    assert_eq!(world.egress("shop/web -> 198.51.100.1 on 80/tcp"), "denied by shop/p");
}

#[test]
fn every_missing_fact_is_named_once() {
    let world = unlabelled(json!([{"namespaceSelector": labelled("team=dev")}]))
        .policy("shop/q", json!({"ingress": [{"from": [{"namespaceSelector": labelled("team=dev")}]}]}))
        .policy("shop/r", json!({"ingress": [{"ports": [{"port": 80}]}]}));
    let side = world.ingress("dev/curl -> shop/web on tcp");
    assert_eq!(
        side,
        "undecidable: the destination port is not known; the labels of namespace dev are not known; add its \
         Namespace object"
    );
}
