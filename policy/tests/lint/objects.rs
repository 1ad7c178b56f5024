//! Fields, objects and duplicates.

use crate::world::{World, select, world};
use portolan_policy::{Severity, lint, lint_with};
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
        .policy("default/p", json!({"policyTypes": ["Egress"]}))
        .with(bare)
        .has("duplicate-object", "NetworkPolicy default/p: there are 2");
}

#[test]
fn a_finding_as_json_keeps_the_order_of_its_fields() {
    let findings = lint(&policy().policy("shop/p", json!({"podSelector": select("app=api")})).objects());
    assert_eq!(
        serde_json::to_string(&findings).unwrap(),
        r#"[{"code":"duplicate-object","severity":"error","object":{"kind":"NetworkPolicy","namespace":"shop","name":"p"},"message":"there are 2 objects of this name; the last one counts, and the other one is not judged","mend":"keep one, or rename the others"}]"#
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

#[test]
fn what_an_api_server_made_of_a_manifest_is_no_duplicate() {
    let spec = json!({"podSelector": {}, "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}],
        "ports": [{"port": 80}]}], "egress": []});
    let made = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"namespace": "shop", "name": "p", "uid": "1-2-3", "generation": 4, "managedFields": []},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{
            "from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 80, "protocol": "TCP"}]}]}});
    world().with(made.clone()).policy("shop/p", spec).has_no("duplicate-object");
    for other in [
        json!({"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]}),
        json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": made["spec"]["ingress"]}),
        json!({"podSelector": {}, "ingress": [{"ports": [{"port": 80}], "form": []}]}),
    ] {
        world()
            .with(made.clone())
            .policy("shop/p", other)
            .has("duplicate-object", "NetworkPolicy shop/p: there are 2");
    }
}

#[test]
fn labels_make_a_difference_between_objects_of_one_name_and_other_metadata_does_not() {
    let pod = |labels: &str, uid: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "shop",
        "name": "web", "uid": uid, "labels": {"app": labels}}})
    };
    world().with(pod("web", "1")).with(pod("web", "2")).has_no("duplicate-object");
    world().with(pod("web", "1")).with(pod("api", "1")).has("duplicate-object", "Pod shop/web: there are 2");
    let made = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop",
        "labels": {"team": "shop", "kubernetes.io/metadata.name": "shop"}}, "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"}});
    world().with(made.clone()).namespace("shop", "team=shop").has_no("duplicate-object");
    world().with(made).namespace("shop", "team=ops").has("duplicate-object", "Namespace shop: there are 2");
}

#[test]
fn the_files_of_duplicates_are_named_and_only_the_last_is_judged() {
    let sloppy =
        |cidr: &str| json!({"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": cidr}}]}]});
    let twice = world().policy("shop/p", sloppy("10.0.0.0/33")).policy("shop/p", sloppy("10.0.0.0/8"));
    let says = |world: &World, files: &[&str]| {
        let findings = lint_with(&world.objects(), &[], &|at| Some(files[at].to_owned()));
        findings.iter().map(|finding| finding.message.clone()).collect::<Vec<_>>()
    };
    let told =
        "is in base.yaml and patch.yaml; the one in patch.yaml counts, and the other one is not judged";
    assert_eq!(says(&twice, &["base.yaml", "patch.yaml"]), [told]);
    let told = "is 2 times in a.yaml; the last one counts, and the other one is not judged";
    assert_eq!(says(&twice, &["a.yaml", "a.yaml"]), [told]);
    let thrice = twice.policy("shop/p", json!({}));
    let told = "is in a.yaml and b.yaml; the one in b.yaml counts, and the other 2 are not judged";
    assert_eq!(says(&thrice, &["a.yaml", "a.yaml", "b.yaml"]), [told]);
}
