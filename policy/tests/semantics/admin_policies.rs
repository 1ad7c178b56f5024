//! AdminNetworkPolicy and BaselineAdminNetworkPolicy, where they differ (A1–A6).

use crate::world::{World, pod, world};
use serde_json::{Value, json};

const IN: &str = "dev/curl -> shop/web on 80/tcp";

fn shop() -> World {
    world()
        .namespace("shop", "")
        .namespace("dev", "")
        .node("n1", &["192.0.2.1"])
        .pod(pod("shop/web").ip("10.0.0.1").named_port("http", 8080, None).named_port(
            "http",
            53,
            Some("UDP"),
        ))
        .pod(pod("dev/curl").ip("10.0.1.1"))
}

fn spec(rules: Value) -> Value {
    json!({"priority": 1, "subject": {"namespaces": {}}, "ingress": rules})
}

fn rule(action: &str) -> Value {
    json!([{"action": action, "from": [{"namespaces": {}}]}])
}

#[test]
fn an_admin_policy_is_of_the_admin_tier() {
    let closed = || shop().policy("shop/closed", json!({}));
    assert_eq!(closed().admin_policy("a", spec(rule("Allow"))).ingress(IN), "admitted by a[0]");
    let open = shop().policy("shop/open", json!({"ingress": [{}]}));
    assert_eq!(open.admin_policy("a", spec(rule("Deny"))).ingress(IN), "denied by a");
    assert_eq!(closed().admin_policy("a", spec(rule("Pass"))).ingress(IN), "denied by shop/closed");
}

#[test]
fn a_baseline_policy_speaks_where_nobody_isolates() {
    let world = shop().baseline_policy("default", spec(rule("Deny")));
    assert_eq!(world.ingress(IN), "denied by default");
    assert_eq!(
        world.clone().policy("shop/open", json!({"ingress": [{}]})).ingress(IN),
        "admitted by shop/open[0]"
    );
    assert_eq!(world.admin_policy("a", spec(rule("Allow"))).ingress(IN), "admitted by a[0]");
    assert_eq!(shop().baseline_policy("default", spec(rule("Allow"))).ingress(IN), "admitted by default[0]");
}

#[test]
fn a_baseline_policy_of_another_name_speaks_all_the_same() {
    assert_eq!(shop().baseline_policy("other", spec(rule("Deny"))).ingress(IN), "denied by other");
}

#[test]
fn a_baseline_policy_comes_after_the_baseline_of_the_newer_api() {
    let newer = |action: &str, priority: u32| json!({"tier": "Baseline", "priority": priority, "subject": {"namespaces": {}}, "ingress": rule(action)});
    let world = shop().baseline_policy("default", spec(rule("Deny")));
    assert_eq!(world.clone().cluster_policy("b", newer("Accept", 1000)).ingress(IN), "admitted by b[0]");
    assert_eq!(world.cluster_policy("b", newer("Pass", 1000)).ingress(IN), "not-isolated");
}

#[test]
fn the_words_of_the_other_api_silence_a_policy() {
    let silent = |world: World| assert_eq!(world.ingress(IN), "not-isolated");
    silent(shop().admin_policy("a", spec(json!([rule("Deny")[0], rule("Accept")[0]]))));
    silent(shop().baseline_policy("default", spec(json!([rule("Deny")[0], rule("Pass")[0]]))));
    silent(shop().baseline_policy("default", spec(json!([rule("Deny")[0], rule("Accept")[0]]))));
}

#[test]
fn an_unknown_action_in_the_other_direction_silences_a_policy_too() {
    let both = json!({"priority": 1, "subject": {"namespaces": {}}, "ingress": rule("Deny"),
        "egress": [{"action": "Accept", "to": [{"namespaces": {}}]}]});
    assert_eq!(shop().admin_policy("a", both).ingress(IN), "not-isolated");
}

#[test]
fn an_admin_policy_without_a_priority_says_nothing_and_a_baseline_policy_needs_none() {
    let spec = json!({"subject": {"namespaces": {}}, "ingress": rule("Deny")});
    assert_eq!(shop().admin_policy("a", spec.clone()).ingress(IN), "not-isolated");
    assert_eq!(shop().baseline_policy("default", spec).ingress(IN), "denied by default");
}

/// Those of the ports at which dev may not reach web.
fn denied_on(ports: Value) -> Vec<&'static str> {
    let rule = json!([{"action": "Deny", "from": [{"namespaces": {}}], "ports": ports}]);
    let world = shop().admin_policy("a", spec(rule));
    let all = ["79/tcp", "80/tcp", "81/tcp", "8080/tcp", "80/udp", "53/udp", "80/sctp", "icmp"];
    all.into_iter()
        .filter(|port| world.ingress(&format!("dev/curl -> shop/web on {port}")) == "denied by a")
        .collect()
}

#[test]
fn a_port_number_is_of_tcp_unless_it_says_so() {
    assert_eq!(denied_on(json!([{"portNumber": {"port": 80}}])), ["80/tcp"]);
    assert_eq!(denied_on(json!([{"portNumber": {"protocol": "SCTP", "port": 80}}])), ["80/sctp"]);
}

#[test]
fn a_port_range_includes_both_ends() {
    assert_eq!(denied_on(json!([{"portRange": {"start": 79, "end": 80}}])), ["79/tcp", "80/tcp"]);
    assert_eq!(
        denied_on(json!([{"portRange": {"protocol": "UDP", "start": 53, "end": 80}}])),
        ["80/udp", "53/udp"]
    );
    assert_eq!(denied_on(json!([{"portRange": {"start": 81, "end": 65_536}}])), ["81/tcp", "8080/tcp"]);
}

#[test]
fn a_named_port_is_every_container_port_of_that_name() {
    assert_eq!(denied_on(json!([{"namedPort": "http"}])), ["8080/tcp", "53/udp"]);
}

#[test]
fn absent_and_empty_ports_restrict_nothing_and_entries_are_ored() {
    assert_eq!(denied_on(Value::Null).len(), 8);
    assert_eq!(denied_on(json!([])).len(), 8);
    assert_eq!(
        denied_on(json!([{"portNumber": {"port": 80}}, {"namedPort": "http"}])),
        ["80/tcp", "8080/tcp", "53/udp"]
    );
}

#[test]
fn nodes_and_networks_are_peers_of_egress_in_both_kinds() {
    for peer in [json!({"nodes": {}}), json!({"networks": ["192.0.2.0/24"]})] {
        let egress = json!({"priority": 1, "subject": {"namespaces": {}}, "egress": [{"action": "Deny", "to": [peer]}]});
        let out = "shop/web -> 192.0.2.1 on 80/tcp";
        assert_eq!(shop().admin_policy("a", egress.clone()).egress(out), "denied by a", "{peer}");
        assert_eq!(shop().baseline_policy("default", egress).egress(out), "denied by default", "{peer}");
    }
}

#[test]
fn deleted_policies_say_nothing_any_more() {
    use portolan_policy::{
        ObjectKey, ObjectKind::AdminNetworkPolicy, ObjectKind::BaselineAdminNetworkPolicy,
    };
    let mut world =
        shop().admin_policy("a", spec(rule("Deny"))).baseline_policy("default", spec(rule("Deny")));
    world.cluster.delete(&ObjectKey::cluster_scoped(AdminNetworkPolicy, "a"));
    assert_eq!(world.ingress(IN), "denied by default");
    world.cluster.delete(&ObjectKey::cluster_scoped(BaselineAdminNetworkPolicy, "default"));
    assert_eq!(world.ingress(IN), "not-isolated");
}
