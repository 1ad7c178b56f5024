//! Policies, rules and peers that match nobody.

use crate::world::{World, select, world};
use serde_json::{Value, json};

fn shop() -> World {
    world()
        .namespace("shop", "team=shop")
        .namespace("ops", "team=ops")
        .pod("shop/web", "app=front-end")
        .pod("shop/db", "app=db")
        .pod("ops/prometheus", "app=prometheus")
}

fn from(peers: Value) -> World {
    shop().policy("shop/p", json!({"podSelector": select("app=db"), "ingress": [{"from": peers}]}))
}

#[test]
fn a_policy_that_selects_no_pod_names_the_nearest_label() {
    shop().policy("shop/p", json!({"podSelector": select("app=frontend")})).has(
        "selects-no-pod",
        "NetworkPolicy shop/p: spec.podSelector: selects no pod: no pod of namespace shop has the label \
         `app=frontend`; nearest is `app=front-end`",
    );
    shop().policy("shop/p", json!({"podSelector": select("app=front-end")})).has_no("selects-no-pod");
}

#[test]
fn the_empty_selector_waits_for_pods() {
    shop().policy("empty/p", json!({"podSelector": {}})).has_no("selects-no-pod");
}

#[test]
fn a_policy_in_a_namespace_without_pods_says_so() {
    shop().policy("default/p", json!({"podSelector": select("app=db")})).has(
        "selects-no-pod",
        "NetworkPolicy default/p: spec.podSelector: selects no pod: namespace default has no pods",
    );
}

#[test]
fn labels_that_no_pod_has_together_are_said_so() {
    let spec = json!({"podSelector": select("app=db,tier=web")});
    shop().pod("shop/x", "app=x,tier=web").policy("shop/p", spec).has(
        "selects-no-pod",
        "NetworkPolicy shop/p: spec.podSelector: selects no pod: no pod of namespace shop has all the labels",
    );
}

#[test]
fn a_workload_without_pods_at_the_moment_is_somebody() {
    let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"namespace": "shop", "name": "x"},
        "spec": {"replicas": 0, "selector": {}, "template": {"metadata": {"labels": {"app": "x"}}}}});
    shop().with(set).policy("shop/p", json!({"podSelector": select("app=x")})).has_no("selects-no-pod");
}

#[test]
fn finished_pods_are_somebody() {
    let done = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "shop", "name": "job",
        "labels": {"app": "job"}}, "status": {"phase": "Succeeded"}});
    shop().with(done).policy("shop/p", json!({"podSelector": select("app=job")})).has_no("selects-no-pod");
}

#[test]
fn host_network_pods_that_a_policy_selects() {
    let world = shop().host_pod("shop/agent", "app=agent");
    let world = world.policy("shop/p", json!({"podSelector": select("app=agent")}));
    let world = world.has(
        "selects-host-network",
        "NetworkPolicy shop/p: spec.podSelector: selects host-network pods such as shop/agent; they are not subject",
    );
    world.has_no("selects-no-pod");
    let world = shop().host_pod("shop/agent", "app=agent").policy("shop/p", json!({"podSelector": {}}));
    world.has_no("selects-host-network");
}

#[test]
fn a_peer_that_matches_nobody_beside_one_that_does() {
    let peers = json!([{"podSelector": select("app=front-end")}, {"podSelector": select("app=apo")}]);
    from(peers).has(
        "peer-matches-nobody",
        "NetworkPolicy shop/p: spec.ingress[0].from[1]: matches nobody: no pod of namespace shop has the label `app=apo`",
    ).has_no("rule-matches-nobody");
    from(json!([{"podSelector": select("app=front-end")}])).has_no("peer-matches-nobody");
}

#[test]
fn a_rule_of_which_no_peer_matches() {
    let one = json!([{"podSelector": select("app=x")}]);
    from(one).has("rule-matches-nobody", "NetworkPolicy shop/p: spec.ingress[0].from[0]: matches nobody");
    let two = json!([{"podSelector": select("app=x")}, {"namespaceSelector": select("team=shop1")}]);
    from(two).has(
        "rule-matches-nobody",
        "NetworkPolicy shop/p: spec.ingress[0]: none of its peers matches anybody: matches nobody: no pod of \
         namespace shop has the label `app=x`; matches nobody: no namespace has the label `team=shop1`; \
         nearest is `team=shop`",
    );
}

#[test]
fn peers_that_match_or_may_match_somebody() {
    for peer in [
        json!({"podSelector": {}}),
        json!({"namespaceSelector": {}}),
        json!({"namespaceSelector": select("kubernetes.io/metadata.name=ops")}),
        json!({"namespaceSelector": select("team=ops"), "podSelector": select("app=prometheus")}),
        json!({"ipBlock": {"cidr": "192.0.2.0/24"}}),
    ] {
        from(json!([peer])).has_no("rule-matches-nobody");
    }
    // The labels of a namespace without object are not known.
    let peer = json!([{"namespaceSelector": select("team=dev"), "podSelector": select("app=x")}]);
    from(peer.clone()).has("rule-matches-nobody", "NetworkPolicy shop/p");
    from(peer.clone()).pod("dev/x", "app=x").has_no("rule-matches-nobody");
    // A namespace without pods waits for them.
    from(peer).namespace("dev", "team=dev").has_no("rule-matches-nobody");
}

#[test]
fn rules_that_are_ignored_are_not_asked() {
    let spec = json!({"policyTypes": ["Egress"], "ingress": [{"from": [{"podSelector": select("app=x")}]}]});
    shop().policy("shop/p", spec).has_no("rule-matches-nobody");
}

#[test]
fn a_peer_that_matches_host_network_pods_only() {
    from(json!([{"podSelector": select("app=agent")}])).host_pod("shop/agent", "app=agent").has(
        "rule-matches-nobody",
        "NetworkPolicy shop/p: spec.ingress[0].from[0]: matches nobody but host-network pods such as shop/agent",
    );
}

#[test]
fn two_selectors_in_one_entry_that_nobody_fulfils_both() {
    let both = json!([{"namespaceSelector": select("team=ops"), "podSelector": select("app=front-end")}]);
    let world = from(both).has(
        "selectors-are-anded",
        "NetworkPolicy shop/p: spec.ingress[0].from[0]: both of two selectors must hold, and no pod of the namespaces",
    );
    world.has_no("rule-matches-nobody");
    let fine = json!([{"namespaceSelector": select("team=ops"), "podSelector": select("app=prometheus")}]);
    from(fine).has_no("selectors-are-anded");
}

#[test]
fn two_entries_of_which_one_finds_nobody_alone() {
    let entries =
        json!([{"namespaceSelector": select("team=ops")}, {"podSelector": select("app=prometheus")}]);
    from(entries).has(
        "selectors-are-ored",
        "NetworkPolicy shop/p: spec.ingress[0].from[0]: either of two selectors is enough: all pods of the namespaces \
         match, not only those like ops/prometheus",
    );
    let fine = json!([{"namespaceSelector": select("team=ops")}, {"podSelector": select("app=front-end")}]);
    from(fine).has_no("selectors-are-ored");
}

#[test]
fn an_empty_namespace_selector_beside_a_pod_selector_lets_everybody_in() {
    let said = "NetworkPolicy shop/p: spec.ingress[0].from[0]: either of two selectors is enough: all pods of the \
                namespaces match, not only those like ops/prometheus";
    let (all, one) = (json!({"namespaceSelector": {}}), json!({"podSelector": select("app=prometheus")}));
    for peers in [json!([all, one]), json!([one, all])] {
        let world = from(peers).has("selectors-are-ored", said);
        world.has_no("peer-matches-nobody").has_no("redundant-peer");
    }
    // Where the pod selector finds somebody of its own, it says nothing of other namespaces.
    let fine = from(json!([all, {"podSelector": select("app=front-end")}]));
    fine.has_no("selectors-are-ored").has("redundant-peer", "NetworkPolicy shop/p: spec.ingress[0].from[1]");
}

#[test]
fn other_peers_of_nobody_are_still_named_beside_a_pair() {
    let peers = json!([{"namespaceSelector": select("team=ops")}, {"podSelector": select("app=prometheus")},
        {"podSelector": select("app=gone")}]);
    let world = from(peers).has("selectors-are-ored", "NetworkPolicy shop/p: spec.ingress[0].from[0]");
    world.has("peer-matches-nobody", "NetworkPolicy shop/p: spec.ingress[0].from[2]");
}
