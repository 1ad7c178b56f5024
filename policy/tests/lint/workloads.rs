//! Manifests without pods: the templates of workloads stand for them.

use crate::world::{World, labels, select, world};
use serde_json::{Value, json};

fn template(with: &str, spec: &Value) -> Value {
    json!({"metadata": {"labels": labels(with)}, "spec": spec})
}

fn workload(world: World, kind: &str, name: &str, template: Value) -> World {
    let metadata = json!({"namespace": "shop", "name": name});
    let (version, spec) = match kind {
        "CronJob" => ("batch/v1", json!({"jobTemplate": {"spec": {"template": template}}})),
        "Job" => ("batch/v1", json!({"template": template})),
        _ => ("apps/v1", json!({"template": template})),
    };
    world.with(json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}))
}

fn web() -> Value {
    template(
        "app=web",
        &json!({"containers": [{"name": "main", "ports": [{"name": "http", "containerPort": 80}]}]}),
    )
}

fn shop() -> World {
    workload(world(), "Deployment", "web", web())
}

fn policy(world: World, selector: &str, from: Value) -> World {
    world.policy("shop/p", json!({"podSelector": select(selector), "ingress": [{"from": [from]}]}))
}

#[test]
fn the_template_of_every_kind_of_workload_is_somebody() {
    for kind in ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"] {
        let world = workload(world(), kind, "web", web());
        policy(world.clone(), "app=web", json!({"podSelector": select("app=web")}))
            .has_no("selects-no-pod")
            .has_no("rule-matches-nobody");
        policy(world, "app=wep", json!({"podSelector": {}})).has(
            "selects-no-pod",
            "NetworkPolicy shop/p: spec.podSelector: selects no pod: no workload of namespace shop has the label \
             `app=wep`; nearest is `app=web`",
        );
    }
}

#[test]
fn a_peer_that_no_workload_of_the_namespace_is_like() {
    policy(shop(), "app=web", json!({"podSelector": select("app=wep")})).has(
        "rule-matches-nobody",
        "NetworkPolicy shop/p: spec.ingress[0].from[0]: matches nobody: no workload of",
    );
    let by_name = select("kubernetes.io/metadata.name=shop");
    let peer = |app: &str| json!({"namespaceSelector": by_name, "podSelector": select(app)});
    policy(shop(), "app=web", peer("app=wep")).has("rule-matches-nobody", "NetworkPolicy shop/p");
    policy(shop(), "app=web", peer("app=web")).has_no("rule-matches-nobody");
}

#[test]
fn of_namespaces_that_are_not_in_the_manifests_nothing_is_said() {
    let dns = json!({"namespaceSelector": select("kubernetes.io/metadata.name=kube-system"),
        "podSelector": select("k8s-app=kube-dns")});
    policy(shop(), "app=web", dns.clone()).has_no("rule-matches-nobody");
    policy(shop().pod("shop/x", "app=x"), "app=web", dns).has("rule-matches-nobody", "NetworkPolicy shop/p");
    let by_label = json!({"namespaceSelector": select("team=ops"), "podSelector": select("app=prometheus")});
    policy(shop().namespace("shop", "team=shop"), "app=web", by_label).has_no("rule-matches-nobody");
    let elsewhere =
        json!({"podSelector": select("app=api"), "ingress": [{"from": [{"podSelector": select("app=x")}]}]});
    shop().policy("dev/p", elsewhere).has_no("selects-no-pod").has_no("rule-matches-nobody");
    let subject = json!({"tier": "Admin", "priority": 1, "subject": {"namespaces": select("team=ops")}});
    shop().cluster_policy("c", subject).has_no("selects-no-pod");
}

#[test]
fn named_ports_and_host_network_are_those_of_the_template() {
    let ports =
        |port: Value| shop().policy("shop/p", json!({"podSelector": {}, "ingress": [{"ports": [port]}]}));
    ports(json!({"port": "htpt"})).has(
        "unknown-port-name",
        "NetworkPolicy shop/p: spec.ingress[0].ports[0].port: no container of the pods has a port `htpt`; they are pods \
         such as Deployment shop/web",
    );
    ports(json!({"port": "http"})).has_no("unknown-port-name");
    let host = template("app=agent", &json!({"hostNetwork": true, "containers": []}));
    let world = workload(world(), "DaemonSet", "agent", host);
    world.policy("shop/p", json!({"podSelector": select("app=agent")})).has(
        "selects-host-network",
        "NetworkPolicy shop/p: spec.podSelector: selects host-network pods such as DaemonSet shop/agent",
    );
}

#[test]
fn a_patch_of_a_workload_is_nobody() {
    let patch = workload(shop(), "Deployment", "api", json!({"spec": {"hostNetwork": true}}));
    let without = json!({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]});
    patch
        .policy("shop/p", json!({"podSelector": without}))
        .has("selects-no-pod", "NetworkPolicy shop/p: spec.podSelector: selects no pod")
        .has_no("selects-host-network");
}
