//! Equal priorities in one tier (C5), and both APIs in one tier (A6).

use crate::world::{World, labelled, pod, world};
use serde_json::{Value, json};

const IN: &str = "dev/curl -> shop/web on 80/tcp";

fn shop() -> World {
    world()
        .namespace("shop", "")
        .namespace("dev", "")
        .pod(pod("shop/web").ip("10.0.0.1"))
        .pod(pod("dev/curl").ip("10.0.1.1"))
}

fn says(action: &str, priority: u32) -> Value {
    json!({"tier": "Admin", "priority": priority, "subject": {"namespaces": {}},
        "ingress": [{"action": action, "from": [{"namespaces": {}}]}]})
}

fn old(action: &str, priority: u32) -> Value {
    json!({"priority": priority, "subject": {"namespaces": {}},
        "ingress": [{"action": action, "from": [{"namespaces": {}}]}]})
}

#[test]
fn equal_priorities_with_one_action_are_answered_by_the_lowest_name() {
    let world = shop().cluster_policy("b", says("Deny", 1)).cluster_policy("a", says("Deny", 1));
    assert_eq!(world.ingress(IN), "denied by a");
    let world = shop().cluster_policy("b", says("Accept", 1)).cluster_policy("a", says("Accept", 1));
    assert_eq!(world.ingress(IN), "admitted by a[0]");
}

#[test]
fn equal_priorities_with_different_actions_are_undecidable_and_name_both() {
    let side = shop().cluster_policy("b", says("Deny", 1)).cluster_policy("a", says("Accept", 1)).ingress(IN);
    assert!(side.starts_with("undecidable: ") && side.contains("ClusterNetworkPolicy a"), "{side}");
    assert!(side.contains("ClusterNetworkPolicy b"), "{side}");
}

#[test]
fn a_tie_matters_only_among_policies_that_match() {
    let other = json!({"tier": "Admin", "priority": 1, "subject": {"namespaces": {}},
        "ingress": [{"action": "Accept", "from": [{"namespaces": labelled("no=one")}]}]});
    let world = shop().cluster_policy("a", other).cluster_policy("b", says("Deny", 1));
    assert_eq!(world.ingress(IN), "denied by b");
}

#[test]
fn a_tie_matters_only_where_nothing_of_higher_priority_decides() {
    let tie = shop().cluster_policy("a", says("Accept", 2)).cluster_policy("b", says("Deny", 2));
    assert_eq!(tie.cluster_policy("c", says("Deny", 1)).ingress(IN), "denied by c");
}

#[test]
fn a_tie_with_pass_is_decided_where_the_next_tier_says_the_same() {
    let tie = |action: &str| shop().cluster_policy("a", says(action, 1)).cluster_policy("b", says("Pass", 1));
    assert_eq!(tie("Accept").ingress(IN), "admitted by a[0]");
    assert!(tie("Deny").ingress(IN).starts_with("undecidable: "));
    assert_eq!(tie("Deny").policy("shop/closed", json!({})).ingress(IN), "denied by shop/closed, a");
    assert!(tie("Accept").policy("shop/closed", json!({})).ingress(IN).starts_with("undecidable: "));
}

#[test]
fn equal_numbers_in_two_tiers_are_no_tie() {
    let baseline = json!({"tier": "Baseline", "priority": 1, "subject": {"namespaces": {}},
        "ingress": [{"action": "Accept", "from": [{"namespaces": {}}]}]});
    let world = shop().cluster_policy("a", baseline).cluster_policy("b", says("Deny", 1));
    assert_eq!(world.ingress(IN), "denied by b");
}

#[test]
fn both_apis_are_one_tier_by_priority() {
    let world = shop().cluster_policy("a", says("Deny", 2)).admin_policy("z", old("Allow", 1));
    assert_eq!(world.ingress(IN), "admitted by z[0]");
    let world = shop().cluster_policy("a", says("Deny", 1)).admin_policy("z", old("Allow", 2));
    assert_eq!(world.ingress(IN), "denied by a");
}

#[test]
fn between_both_apis_the_newer_kind_answers_a_tie_of_one_action() {
    let world = shop().admin_policy("a", old("Deny", 1)).cluster_policy("z", says("Deny", 1));
    assert_eq!(world.ingress(IN), "denied by z");
    assert_eq!(world.decide(IN).ingress.policies[0].kind, portolan_policy::PolicyKind::ClusterNetworkPolicy);
}

#[test]
fn between_both_apis_a_tie_of_two_actions_is_undecidable() {
    let side = shop().admin_policy("a", old("Allow", 1)).cluster_policy("z", says("Deny", 1)).ingress(IN);
    assert!(side.contains("AdminNetworkPolicy a") && side.contains("ClusterNetworkPolicy z"), "{side}");
}
