//! The cluster-wide policies.

use crate::world::{World, select, world};
use serde_json::{Value, json};

fn rule(action: &str, team: &str) -> Value {
    json!({"action": action, "from": [{"namespaces": select(team)}]})
}

fn spec(tier: &str, priority: i32, subject: &str, ingress: Value) -> Value {
    json!({"tier": tier, "priority": priority, "subject": {"namespaces": select(subject)}, "ingress": ingress})
}

fn teams() -> World {
    world()
        .namespace("a", "team=a,env=prod")
        .namespace("b", "team=b,env=prod")
        .pod("a/web", "app=web")
        .pod("b/web", "app=web")
}

#[test]
fn a_subject_that_selects_no_pod() {
    teams()
        .cluster_policy("p", spec("Admin", 1, "team=c", json!([])))
        .has("selects-no-pod", "ClusterNetworkPolicy p: spec.subject: selects no pod");
    teams().cluster_policy("p", spec("Admin", 1, "team=a", json!([]))).has_no("selects-no-pod");
    teams()
        .namespace("c", "team=c")
        .cluster_policy("p", spec("Admin", 1, "team=c", json!([])))
        .has_no("selects-no-pod");
    let pods =
        json!({"tier": "Admin", "priority": 1, "subject": {"pods": {"podSelector": select("app=agent")}}});
    teams().host_pod("a/agent", "app=agent").cluster_policy("p", pods).has(
        "selects-host-network",
        "ClusterNetworkPolicy p: spec.subject: selects host-network pods such as a/agent",
    );
}

#[test]
fn peers_that_match_nobody() {
    teams().cluster_policy("p", spec("Admin", 1, "", json!([rule("Deny", "team=c")]))).has(
        "rule-matches-nobody",
        "ClusterNetworkPolicy p: spec.ingress[0]: none of its peers matches anybody",
    );
    let two = json!([{"action": "Deny", "from": [{"namespaces": select("team=a")}, {"namespaces": select("team=c")}]}]);
    teams()
        .cluster_policy("p", spec("Admin", 1, "", two))
        .has("peer-matches-nobody", "ClusterNetworkPolicy p: spec.ingress[0].from[1]: matches nobody");
    teams()
        .cluster_policy("p", spec("Admin", 1, "", json!([rule("Deny", "team=a")])))
        .has_no("rule-matches-nobody")
        .has_no("peer-matches-nobody");
}

fn to_nodes(selector: Value) -> World {
    let egress = json!([{"action": "Deny", "to": [{"nodes": selector}]}]);
    world().cluster_policy(
        "p",
        json!({"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}, "egress": egress}),
    )
}

fn node(world: World, name: &str, with: &str) -> World {
    let metadata = json!({"name": name, "labels": crate::world::labels(with)});
    world.with(json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata}))
}

#[test]
fn a_peer_of_nodes_that_no_node_is_like() {
    let world = node(to_nodes(select("role=worker")), "n1", "role=workers");
    world.has(
        "rule-matches-nobody",
        "ClusterNetworkPolicy p: spec.egress[0]: none of its peers matches anybody: matches nobody: \
         no node has the label `role=worker`; nearest is `role=workers`",
    );
    node(to_nodes(select("role=worker")), "n1", "role=worker").has_no("rule-matches-nobody");
    node(to_nodes(json!({})), "n1", "").has_no("rule-matches-nobody");
    // Without Node objects nobody can say.
    to_nodes(select("role=worker")).has_no("rule-matches-nobody");
    to_nodes(select("role=worker")).pod("shop/web", "app=web").has_no("rule-matches-nobody");
}

#[test]
fn too_many_of_one_priority_are_not_held_against_each_other_and_that_is_said() {
    let of = |count: usize, accepting: usize| {
        (0..count).fold(world(), |world, at| {
            let action = if at % 2 < accepting { "Accept" } else { "Deny" };
            let port = json!([{"tcp": {"destinationPort": {"number": at + 1}}}]);
            let rule = json!([{"action": action, "from": [{"namespaces": {}}], "protocols": port}]);
            world.cluster_policy(&format!("p{at:04}"), spec("Admin", 1, "", rule))
        })
    };
    of(3000, 1).has(
        "equal-priorities",
        "ClusterNetworkPolicy p0764: spec.priority: 3000 policies have the same priority, and hold too much to hold \
         all of it against each other: 764 were looked at, and this one and those behind it by kind and name were \
         not, or not wholly",
    );
    of(200, 1).has_no("equal-priorities");
    of(2000, 0).has_no("equal-priorities");
}

#[test]
fn a_rule_behind_a_broader_one() {
    let world = world()
        .cluster_policy("p", spec("Admin", 1, "", json!([rule("Deny", ""), rule("Accept", "team=a")])));
    world.has(
        "unreachable-rule",
        "ClusterNetworkPolicy p: spec.ingress[1]: is never reached: spec.ingress[0] always matches first",
    );
    let world = crate::world::world();
    let world =
        world.cluster_policy("p", spec("Admin", 1, "", json!([rule("Accept", "team=a"), rule("Deny", "")])));
    world.has_no("unreachable-rule");
    let port = |number: u16| json!([{"tcp": {"destinationPort": {"number": number}}}]);
    let with_port = |action: &str, number: u16| json!({"action": action, "from": [{"namespaces": {}}], "protocols": port(number)});
    let world = crate::world::world();
    world
        .cluster_policy("p", spec("Admin", 1, "", json!([with_port("Deny", 80), with_port("Accept", 81)])))
        .has_no("unreachable-rule");
}

#[test]
fn a_rule_behind_a_policy_that_is_asked_before() {
    let first = || world().cluster_policy("first", spec("Admin", 1, "env=prod", json!([rule("Pass", "")])));
    let second = |tier: &str, priority: i32, subject: &str| {
        spec(tier, priority, subject, json!([rule("Deny", "team=a")]))
    };
    first().cluster_policy("second", second("Admin", 2, "env=prod,team=b")).has(
        "unreachable-rule",
        "ClusterNetworkPolicy second: spec.ingress[0]: is never reached: spec.ingress[0] of ClusterNetworkPolicy first",
    );
    first().cluster_policy("second", second("Admin", 2, "team=b")).has_no("unreachable-rule");
    first().cluster_policy("second", second("Admin", 0, "env=prod")).has_no("unreachable-rule");
    first().cluster_policy("second", second("Admin", 1, "env=prod")).has_no("unreachable-rule");
    first().cluster_policy("second", second("Baseline", 2, "env=prod")).has_no("unreachable-rule");
}

#[test]
fn equal_priorities_that_want_different_things() {
    let with = |one: Value, other: Value| teams().cluster_policy("one", one).cluster_policy("other", other);
    let deny =
        |priority: i32, subject: &str| spec("Admin", priority, subject, json!([rule("Deny", "env=prod")]));
    let accept = |subject: &str, from: &str| spec("Admin", 1, subject, json!([rule("Accept", from)]));
    with(deny(1, "env=prod"), accept("team=a", "team=b")).has(
        "equal-priorities",
        "ClusterNetworkPolicy one: spec.priority: ClusterNetworkPolicy other has the same priority, and its spec.ingress[0] may",
    );
    with(deny(1, "team=a"), deny(1, "team=a")).has_no("equal-priorities");
    with(deny(2, "env=prod"), accept("team=a", "team=b")).has_no("equal-priorities");
    with(deny(1, "team=b"), accept("team=a", "team=b")).has_no("equal-priorities");
    let from_c = spec("Admin", 1, "env=prod", json!([rule("Deny", "team=c")]));
    with(from_c, accept("team=a", "team=b")).has_no("equal-priorities");
    let baseline = spec("Baseline", 1, "team=a", json!([rule("Accept", "team=b")]));
    with(deny(1, "env=prod"), baseline).has_no("equal-priorities");
}

#[test]
fn equal_priorities_of_the_two_apis() {
    let admin = json!({"priority": 1, "subject": {"namespaces": {}}, "ingress": [rule("Allow", "")]});
    let deny = spec("Admin", 1, "", json!([rule("Deny", "")]));
    world().admin_policy("older", admin).cluster_policy("newer", deny).has(
        "equal-priorities",
        "ClusterNetworkPolicy newer: spec.priority: AdminNetworkPolicy older has the same",
    );
}

#[test]
fn pass_in_the_baseline_tier() {
    let passing = |tier: &str| world().cluster_policy("p", spec(tier, 1, "", json!([rule("Pass", "")])));
    passing("Baseline").has(
        "baseline-pass",
        "ClusterNetworkPolicy p: spec.ingress[0].action: Pass in the Baseline tier lets the connection through",
    );
    passing("Admin").has_no("baseline-pass");
}

#[test]
fn both_generations_of_the_api() {
    let admin = json!({"priority": 1, "subject": {"namespaces": {}}});
    let baseline = json!({"subject": {"namespaces": {}}});
    let newer = |tier: &str| world().cluster_policy("c", spec(tier, 2, "", json!([])));
    newer("Admin").admin_policy("a", admin.clone()).has(
        "mixed-apis",
        "AdminNetworkPolicy a: AdminNetworkPolicy beside ClusterNetworkPolicies of tier Admin (1)",
    );
    newer("Baseline")
        .baseline_policy(baseline.clone())
        .has("mixed-apis", "BaselineAdminNetworkPolicy default: BaselineAdminNetworkPolicy beside");
    newer("Baseline").admin_policy("a", admin).has_no("mixed-apis");
    newer("Admin").baseline_policy(baseline).has_no("mixed-apis");
}
