//! Fields, objects and duplicates.

use crate::world::{World, select, world};
use portolan_policy::{Severity, lint};
use serde_json::json;

fn policy() -> World {
    world().policy("shop/p", json!({"podSelector": select("app=web")}))
}

#[test]
fn an_invalid_field_is_a_finding() {
    let world = world().policy("shop/p", json!({"ingress": [{"ports": [{"port": "80"}]}]}));
    world.has(
        "invalid-field",
        "NetworkPolicy shop/p: spec.ingress[0].ports[0].port: `80` is text, so it names a port \
         (as it is, it is the name of a port, which no container can have); write the number without quotes",
    );
    policy().has_no("invalid-field");
}

#[test]
fn an_object_that_cannot_be_used_is_a_finding_and_costs_nothing_else() {
    let bad = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "shop", "name": "bad"},
        "status": {"podIPs": [{"ip": "10.0.0.300"}]}});
    let world = policy().pod("shop/web", "app=web").with(bad);
    let world = world.has("invalid-object", "Pod shop/bad: status.podIPs: `10.0.0.300` is no IP address");
    world.has_no("selects-no-pod");
}

#[test]
fn of_two_objects_of_one_name_the_last_counts() {
    let world =
        policy().pod("shop/api", "app=api").policy("shop/p", json!({"podSelector": select("app=api")}));
    let world =
        world.has("duplicate-object", "NetworkPolicy shop/p: there are 2 objects of this name; the last one");
    world.has_no("selects-no-pod");
    policy().policy("dev/p", json!({})).has_no("duplicate-object");
}

#[test]
fn a_missing_namespace_is_default() {
    let bare =
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p"}});
    world()
        .policy("default/p", json!({}))
        .with(bare)
        .has("duplicate-object", "NetworkPolicy default/p: there are 2");
}

#[test]
fn a_finding_as_json_keeps_the_order_of_its_fields() {
    let findings = lint(&policy().policy("shop/p", json!({"podSelector": select("app=web")})).objects());
    assert_eq!(
        serde_json::to_string(&findings).unwrap(),
        r#"[{"code":"duplicate-object","severity":"error","object":{"kind":"NetworkPolicy","namespace":"shop","name":"p"},"message":"there are 2 objects of this name; the last one counts","mend":"keep one, or rename the others"}]"#
    );
    assert_eq!(findings[0].severity, Severity::Error);
}

#[test]
fn nothing_is_said_of_nothing_and_of_policies_without_pods() {
    assert_eq!(world().all(), "");
    let rule = json!({"from": [{"namespaceSelector": select("team=x"), "podSelector": select("app=x")}]});
    let world = world()
        .policy("shop/p", json!({"podSelector": select("app=web"), "ingress": [rule]}))
        .cluster_policy(
            "c",
            json!({"tier": "Admin", "priority": 1, "subject": {"namespaces": select("team=x")},
            "ingress": [{"action": "Deny", "from": [{"namespaces": select("team=y")}]}]}),
        );
    assert_eq!(world.all(), "");
}
