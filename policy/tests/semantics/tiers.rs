//! The order of the tiers and what each leaves to the next (T1–T4, C3, C4, C14, C15, U4).

use crate::world::{World, labelled, pod, world};
use portolan_policy::BaselineReading;
use serde_json::{Value, json};

const IN: &str = "dev/curl -> shop/web on 80/tcp";
const ALL: &str = "everybody";

/// Web and its caller; the Namespace object of lab is not known.
fn shop() -> World {
    world()
        .namespace("shop", "")
        .namespace("dev", "team=dev")
        .node("n1", &["192.0.2.1"])
        .node("n2", &["192.0.2.2"])
        .pod(pod("shop/web").ip("10.0.0.1").on("n1").label("app=web"))
        .pod(pod("dev/curl").ip("10.0.1.1").on("n2"))
        .pod(pod("lab/rat").ip("10.0.2.1").on("n2"))
}

/// A policy about all pods whose ingress rules do this to pods of that team.
fn rules(tier: &str, priority: u32, rules: &[(&str, &str)]) -> Value {
    let from = |team: &str| if team == ALL { json!({}) } else { labelled(&format!("team={team}")) };
    let rule =
        |(action, team): &(&str, &str)| json!({"action": action, "from": [{"namespaces": from(team)}]});
    json!({
        "tier": tier,
        "priority": priority,
        "subject": {"namespaces": {}},
        "ingress": rules.iter().map(rule).collect::<Vec<_>>(),
    })
}

impl World {
    fn admin(self, name: &str, actions: &[(&str, &str)]) -> Self {
        self.cluster_policy(name, rules("Admin", 1, actions))
    }

    fn baseline(self, name: &str, actions: &[(&str, &str)]) -> Self {
        self.cluster_policy(name, rules("Baseline", 1, actions))
    }
}

fn closed() -> World {
    shop().policy("shop/closed", json!({}))
}

fn open() -> World {
    shop().policy("shop/open", json!({"ingress": [{}]}))
}

#[test]
fn the_admin_tier_comes_before_network_policies() {
    assert_eq!(closed().admin("a", &[("Accept", ALL)]).ingress(IN), "admitted by a[0]");
    assert_eq!(open().admin("a", &[("Deny", ALL)]).ingress(IN), "denied by a");
}

#[test]
fn an_admin_accept_skips_the_baseline_too() {
    let world = shop().admin("a", &[("Accept", ALL)]).baseline("b", &[("Deny", ALL)]);
    assert_eq!(world.ingress(IN), "admitted by a[0]");
}

#[test]
fn a_network_policy_that_isolates_is_final_for_the_baseline() {
    assert_eq!(closed().baseline("b", &[("Accept", ALL)]).ingress(IN), "denied by shop/closed");
    assert_eq!(open().baseline("b", &[("Deny", ALL)]).ingress(IN), "admitted by shop/open[0]");
}

#[test]
fn the_baseline_speaks_where_nobody_isolates() {
    assert_eq!(shop().baseline("b", &[("Deny", ALL)]).ingress(IN), "denied by b");
    assert_eq!(shop().baseline("b", &[("Accept", ALL)]).ingress(IN), "admitted by b[0]");
    assert_eq!(shop().ingress(IN), "not-isolated");
}

#[test]
fn pass_leaves_the_tier_and_is_neither_the_next_rule_nor_an_accept() {
    let pass = [("Pass", "dev"), ("Deny", ALL)];
    assert_eq!(shop().admin("a", &pass).ingress(IN), "not-isolated");
    assert_eq!(closed().admin("a", &pass).ingress(IN), "denied by shop/closed");
    assert_eq!(shop().admin("a", &pass).baseline("b", &[("Deny", ALL)]).ingress(IN), "denied by b");
    let later =
        shop().admin("a", &[("Pass", "dev")]).cluster_policy("z", rules("Admin", 2, &[("Deny", ALL)]));
    assert_eq!(later.ingress(IN), "not-isolated");
}

#[test]
fn pass_of_the_baseline_is_the_default_allow() {
    let world = shop().baseline("b", &[("Pass", "dev"), ("Deny", ALL)]);
    assert_eq!(world.ingress(IN), "not-isolated");
}

#[test]
fn no_matching_rule_goes_on_to_the_next_tier() {
    let other = [("Deny", "other")];
    assert_eq!(shop().admin("a", &other).ingress(IN), "not-isolated");
    assert_eq!(closed().admin("a", &other).ingress(IN), "denied by shop/closed");
    assert_eq!(shop().baseline("b", &other).ingress(IN), "not-isolated");
}

#[test]
fn the_first_matching_rule_wins_over_all_policies_by_priority() {
    let rules_win = shop().admin("a", &[("Accept", "other"), ("Accept", "dev"), ("Deny", ALL)]);
    assert_eq!(rules_win.ingress(IN), "admitted by a[1]");
    let priorities_win = shop()
        .cluster_policy("a", rules("Admin", 11, &[("Deny", ALL)]))
        .cluster_policy("b", rules("Admin", 9, &[("Accept", ALL)]));
    assert_eq!(priorities_win.ingress(IN), "admitted by b[0]");
}

#[test]
fn priorities_count_within_their_tier_only() {
    let world = shop()
        .cluster_policy("b", rules("Baseline", 0, &[("Deny", ALL)]))
        .cluster_policy("a", rules("Admin", 1000, &[("Accept", ALL)]));
    assert_eq!(world.ingress(IN), "admitted by a[0]");
}

#[test]
fn an_accept_at_egress_does_not_open_ingress() {
    let out = json!({"tier": "Admin", "priority": 1, "subject": {"namespaces": {}},
        "egress": [{"action": "Accept", "to": [{"namespaces": {}}]}]});
    let world = closed().cluster_policy("out", out);
    assert_eq!(world.egress(IN), "admitted by out[0]");
    assert_eq!(world.ingress(IN), "denied by shop/closed");
    assert_eq!(world.decide(IN).admits(), Some(false));
}

/// The baseline denies egress; a NetworkPolicy of these types selects the pod.
fn egress_beside(types: &[&str]) -> World {
    let deny = json!({"tier": "Baseline", "priority": 1, "subject": {"namespaces": {}},
        "egress": [{"action": "Deny", "to": [{"namespaces": {}}]}]});
    shop().cluster_policy("b", deny).policy("shop/p", json!({"policyTypes": types, "egress": [{}]}))
}

#[test]
fn the_baseline_is_hidden_by_direction_or_by_any_direction_as_told() {
    let out = "shop/web -> dev/curl on 80/tcp";
    let ingress_only = egress_beside(&["Ingress"]);
    assert_eq!(ingress_only.egress(out), "denied by b");
    let any = ingress_only.baseline_reading(BaselineReading::AnyDirection);
    assert_eq!(any.egress(out), "not-isolated");
    assert_eq!(any.baseline_reading(BaselineReading::PerDirection).egress(out), "denied by b");
    let egress = egress_beside(&["Egress"]).baseline_reading(BaselineReading::AnyDirection);
    assert_eq!(egress.egress(out), "admitted by shop/p[0]");
    assert_eq!(egress.egress("dev/curl -> shop/web on 80/tcp"), "denied by b");
}

#[test]
fn a_policy_that_may_isolate_hides_the_baseline_only_where_it_does_not_isolate_itself() {
    // If it selects web it denies; if it does not, it hides nothing and the baseline denies.
    let unreadable = json!({"matchExpressions": [{"key": "app", "operator": "Like", "values": ["w"]}]});
    let world = shop()
        .policy("shop/maybe", json!({"podSelector": unreadable, "policyTypes": ["Ingress", "Egress"]}))
        .baseline("b", &[("Deny", ALL)]);
    assert_eq!(world.ingress(IN), "denied by shop/maybe, b");
    let any = world.baseline_reading(BaselineReading::AnyDirection);
    assert_eq!(any.ingress(IN), "denied by shop/maybe, b");
}

#[test]
fn what_is_not_applicable_is_outside_all_tiers() {
    let world = shop()
        .pod(pod("shop/dual").ip("10.0.0.3").ip("10.0.0.4").on("n1"))
        .pod(pod("kube-system/proxy").ip("192.0.2.2").on("n2").host_network())
        .cluster_policy(
            "a",
            json!({"tier": "Admin", "priority": 1, "subject": {"namespaces": {}},
                "ingress": [{"action": "Deny", "from": [{}]}], "egress": [{"action": "Deny", "to": [{}]}]}),
        );
    assert_eq!(world.ingress("192.0.2.1 -> shop/web on 80/tcp"), "not-applicable");
    assert_eq!(world.ingress("192.0.2.2 -> shop/web on 80/tcp"), "denied by a");
    assert_eq!(world.egress("shop/web -> 192.0.2.1 on 80/tcp"), "denied by a");
    assert_eq!(world.egress("kube-system/proxy -> shop/web on 80/tcp"), "not-applicable");
    for itself in ["shop/web -> shop/web on 80/tcp", "10.0.0.3 -> 10.0.0.4 on 80/tcp"] {
        assert_eq!(
            (world.egress(itself), world.ingress(itself)),
            ("not-applicable".into(), "not-applicable".into())
        );
    }
}

/// Web alone behind a service, asked for by itself.
fn to_itself(world: World) -> String {
    world
        .service("shop/web", json!({"clusterIP": "10.96.0.1", "ports": [{"port": 80}]}))
        .endpoints("shop/web", 80, &["10.0.0.1"])
        .ingress("shop/web -> 10.96.0.1 on 80/tcp")
}

#[test]
fn through_a_service_to_itself_only_the_network_policies_are_undefined() {
    assert_eq!(to_itself(shop().admin("a", &[("Deny", ALL)])), "denied by a");
    assert_eq!(to_itself(closed().admin("a", &[("Accept", ALL)])), "admitted by a[0]");
    assert_eq!(to_itself(shop().baseline("b", &[("Deny", ALL)])), "denied by b");
    assert!(to_itself(open().baseline("b", &[("Deny", ALL)])).starts_with("undecidable: hairpin"));
    assert!(to_itself(open()).starts_with("undecidable: hairpin"));
}

#[test]
fn a_contested_backend_that_may_be_the_pod_itself_is_denied_where_both_are() {
    let world = shop()
        .pod(pod("dev/twin").ip("10.0.0.9"))
        .pod(pod("shop/web").ip("10.0.0.1").ip("10.0.0.9").on("n1"))
        .service("shop/web", json!({"clusterIP": "10.96.0.1", "ports": [{"port": 80}]}))
        .endpoints("shop/web", 80, &["10.0.0.9"])
        .cluster_policy(
            "a",
            json!({"tier": "Admin", "priority": 1, "subject": {"namespaces": {}},
                "egress": [{"action": "Deny", "to": [{"namespaces": {}}]}]}),
        );
    assert_eq!(world.egress("shop/web -> 10.96.0.1 on 80/tcp"), "denied by a");
}

const UNKNOWN: &str = "lab/rat -> shop/web on 80/tcp";

#[test]
fn endings_that_all_allow_are_an_admission_by_those_that_admit() {
    let maybe = [("Accept", "lab")];
    assert_eq!(shop().admin("a", &maybe).ingress(UNKNOWN), "admitted by a[0]");
    assert_eq!(shop().admin("a", &[("Pass", "lab")]).ingress(UNKNOWN), "not-isolated");
    assert_eq!(open().admin("a", &maybe).ingress(UNKNOWN), "admitted by shop/open[0], a[0]");
    assert_eq!(
        shop().admin("a", &[("Accept", "lab"), ("Accept", ALL)]).ingress(UNKNOWN),
        "admitted by a[0], a[1]"
    );
}

#[test]
fn endings_that_all_deny_are_a_denial_by_all_of_them() {
    let maybe = [("Deny", "lab")];
    assert_eq!(closed().admin("a", &maybe).ingress(UNKNOWN), "denied by shop/closed, a");
    assert_eq!(shop().admin("a", &maybe).baseline("b", &[("Deny", ALL)]).ingress(UNKNOWN), "denied by a, b");
}

#[test]
fn two_rules_of_one_policy_that_may_deny_name_it_once() {
    assert_eq!(shop().admin("a", &[("Deny", "lab"), ("Deny", ALL)]).ingress(UNKNOWN), "denied by a");
}

#[test]
fn endings_that_differ_are_undecidable_and_name_the_fact() {
    let named = "undecidable: the labels of namespace lab are not known; add its Namespace object";
    assert_eq!(shop().admin("a", &[("Deny", "lab")]).ingress(UNKNOWN), named);
    assert_eq!(closed().admin("a", &[("Accept", "lab")]).ingress(UNKNOWN), named);
    assert_eq!(shop().admin("a", &[("Pass", "lab"), ("Deny", ALL)]).ingress(UNKNOWN), named);
    assert_eq!(shop().admin("a", &[("Accept", "lab"), ("Deny", ALL)]).ingress(UNKNOWN), named);
    assert_eq!(shop().baseline("b", &[("Deny", "lab")]).ingress(UNKNOWN), named);
}

#[test]
fn a_certain_rule_before_an_unknown_one_decides() {
    assert_eq!(shop().admin("a", &[("Deny", ALL), ("Accept", "lab")]).ingress(UNKNOWN), "denied by a");
    let by_name = json!({"tier": "Admin", "priority": 1, "ingress": [{"action": "Deny", "from": [{"namespaces": {}}]}],
        "subject": {"namespaces": labelled("kubernetes.io/metadata.name=shop")}});
    assert_eq!(shop().cluster_policy("a", by_name).ingress(UNKNOWN), "denied by a");
}

#[test]
fn a_subject_that_may_be_selected_may_be_denied() {
    let deny = json!({"tier": "Admin", "priority": 1, "subject": {"namespaces": labelled("team=lab")},
        "ingress": [{"action": "Deny", "from": [{"namespaces": {}}]}]});
    let world = shop().cluster_policy("a", deny);
    assert!(
        world
            .ingress("dev/curl -> lab/rat on 80/tcp")
            .starts_with("undecidable: the labels of namespace lab")
    );
    assert_eq!(world.ingress(IN), "not-isolated");
}
