//! The state itself: versions, replacement, deletion, workloads, nodes.

use crate::world::{World, labelled, object, pod, world};
use k8s_openapi::api::core::v1::Namespace;
use portolan_policy::{Cluster, ObjectKey, ObjectKind, Who, Workload};
use serde_json::json;
use std::net::IpAddr;

const IN: &str = "dev/curl -> shop/web on 80/tcp";

fn shop() -> World {
    world()
        .namespace("shop", "")
        .namespace("dev", "team=dev")
        .pod(pod("shop/web").ip("10.0.0.1").on("n1"))
        .pod(pod("dev/curl").ip("10.0.0.2").on("n2"))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_clone_stays_as_it_was() {
    let before = shop();
    let after = before.clone().policy("shop/deny", json!({}));
    assert_eq!(before.ingress(IN), "not-isolated");
    assert_eq!(after.ingress(IN), "denied by shop/deny");

    let mut moved = after.clone();
    moved.cluster.delete(&ObjectKey::namespaced(ObjectKind::Pod, "shop", "web"));
    assert_eq!(after.ingress(IN), "denied by shop/deny");
    assert_eq!(moved.ingress(IN), "not-applicable");
}

#[test]
fn an_object_replaces_the_one_of_its_name() {
    let world = shop().policy("shop/p", json!({}));
    assert_eq!(world.ingress(IN), "denied by shop/p");
    let world = world.policy("shop/p", json!({"ingress": [{}]}));
    assert_eq!(world.ingress(IN), "admitted by shop/p[0]");

    let moved = world.pod(pod("shop/web").ip("10.0.0.7").on("n2"));
    assert_eq!(moved.ingress("dev/curl -> 10.0.0.1 on 80/tcp"), "not-applicable");
    assert_eq!(moved.ingress("dev/curl -> 10.0.0.7 on 80/tcp"), "admitted by shop/p[0]");
    assert_eq!(moved.cluster.pod_node(ip("10.0.0.7")), Some("n2"));
    assert_eq!(moved.cluster.pod_node(ip("10.0.0.1")), None);
}

#[test]
fn deleting_what_is_not_there_is_no_error() {
    let mut world = shop();
    for kind in ObjectKind::ALL {
        world.cluster.delete(&ObjectKey::namespaced(kind, "nowhere", "nothing"));
        world.cluster.delete(&ObjectKey::cluster_scoped(kind, "nothing"));
    }
    assert_eq!(world.ingress(IN), "not-isolated");
}

#[test]
fn deleting_a_policy_takes_its_isolation_away() {
    let mut world = shop().policy("shop/p", json!({}));
    world.cluster.delete(&ObjectKey::namespaced(ObjectKind::NetworkPolicy, "shop", "p"));
    assert_eq!(world.ingress(IN), "not-isolated");
}

#[test]
fn deleting_a_namespace_forgets_its_labels_and_keeps_its_pods() {
    let from = json!([{"namespaceSelector": labelled("team=dev")}]);
    let mut world = shop().policy("shop/p", json!({"ingress": [{"from": from}]}));
    assert_eq!(world.ingress(IN), "admitted by shop/p[0]");
    world.cluster.delete(&ObjectKey::cluster_scoped(ObjectKind::Namespace, "dev"));
    assert!(world.ingress(IN).starts_with("undecidable: the labels of namespace dev"));
}

#[test]
fn the_order_of_events_does_not_matter() {
    let policy = json!({"ingress": [{"from": [{"namespaceSelector": labelled("team=dev")}]}]});
    let forwards = shop().policy("shop/p", policy.clone());
    let backwards = world()
        .policy("shop/p", policy)
        .pod(pod("dev/curl").ip("10.0.0.2").on("n2"))
        .pod(pod("shop/web").ip("10.0.0.1").on("n1"))
        .namespace("dev", "team=dev")
        .namespace("shop", "");
    assert_eq!(forwards.decide(IN), backwards.decide(IN));
}

#[test]
fn the_pods_of_a_node_are_its_live_ones_in_the_pod_network() {
    let world = shop()
        .pod(pod("shop/dual").ip("10.0.0.9").ip("fd00::9").on("n1"))
        .pod(pod("shop/host").ip("192.0.2.1").on("n1").host_network())
        .pod(pod("shop/done").ip("10.0.0.8").on("n1").phase("Succeeded"));
    let on = |world: &World, node: &str| world.cluster.pods_on(node).collect::<Vec<_>>();
    assert_eq!(on(&world, "n1"), [ip("10.0.0.1"), ip("10.0.0.9"), ip("fd00::9")]);
    assert_eq!(on(&world, "n3"), Vec::<IpAddr>::new());

    let mut world = world.pod(pod("shop/web").ip("10.0.0.1").on("n1").phase("Failed"));
    assert_eq!(on(&world, "n1"), [ip("10.0.0.9"), ip("fd00::9")]);
    world.cluster.delete(&ObjectKey::namespaced(ObjectKind::Pod, "shop", "dual"));
    assert_eq!(on(&world, "n1"), Vec::<IpAddr>::new());
}

#[test]
fn a_node_keeps_what_was_told_beside_its_object() {
    let addresses = |cluster: &Cluster| {
        let nodes = cluster.nodes().map(|(name, ips)| (name.to_owned(), ips.to_vec()));
        nodes.collect::<Vec<_>>()
    };
    let mut world = world().node_also_has("n1", &["10.0.1.254"]).node("n1", &["192.0.2.1"]).node("n2", &[]);
    let both = vec![ip("192.0.2.1"), ip("10.0.1.254")];
    assert_eq!(addresses(&world.cluster), [("n1".to_owned(), both), ("n2".to_owned(), vec![])]);

    let node = |name| ObjectKey::cluster_scoped(ObjectKind::Node, name);
    world.cluster.delete(&node("n1"));
    world.cluster.delete(&node("n2"));
    assert_eq!(addresses(&world.cluster), [("n1".to_owned(), vec![ip("10.0.1.254")])]);
    assert_eq!(world.cluster.end(ip("192.0.2.1"), None), Who::External { ip: ip("192.0.2.1") }.at(None));
}

#[test]
fn a_finished_pod_is_still_known_by_name() {
    let world = world().pod(pod("shop/job").ip("10.0.0.1").label("app=job").phase("Succeeded"));
    let job = world.cluster.pod("shop", "job").unwrap();
    assert!(job.finished);
    assert_eq!(job.labels().get("app").map(String::as_str), Some("job"));
}

#[test]
fn a_namespace_cannot_claim_another_name_by_its_label() {
    let named = labelled("kubernetes.io/metadata.name=prod");
    let world = shop()
        .with(object::<Namespace>(json!({"metadata": {"name": "dev",
            "labels": {"kubernetes.io/metadata.name": "prod"}}})))
        .policy("shop/p", json!({"ingress": [{"from": [{"namespaceSelector": named}]}]}));
    assert_eq!(world.ingress(IN), "denied by shop/p");
}

fn workload(world: &World) -> String {
    let end = world.cluster.end(ip("10.0.0.1"), None);
    let Who::Pod(pod) = end.who() else { panic!("a pod end") };
    let Workload { kind, name } = &pod.workload;
    format!("{kind} {name}")
}

#[test]
fn a_workload_is_the_top_owner() {
    let owned = |kind: &str, name: &str| {
        world().pod(pod("shop/p").ip("10.0.0.1").owned_by(kind, name).label("pod-template-hash=7d9f"))
    };
    let by = |kind: &str, name: &str| json!([{"apiVersion": "v1", "kind": kind, "name": name, "uid": "u", "controller": true}]);
    assert_eq!(workload(&world().pod(pod("shop/p").ip("10.0.0.1"))), "Pod p");
    assert_eq!(workload(&owned("Node", "n1")), "Pod p");
    assert_eq!(workload(&owned("StatefulSet", "db")), "StatefulSet db");
    assert_eq!(workload(&owned("DaemonSet", "log")), "DaemonSet log");

    // The name is a hint only while the ReplicaSet is not known.
    assert_eq!(workload(&owned("ReplicaSet", "web-7d9f")), "Deployment web");
    assert_eq!(workload(&owned("ReplicaSet", "odd")), "ReplicaSet odd");
    let rollout = owned("ReplicaSet", "web-7d9f").replica_set("shop/web-7d9f", by("Rollout", "web"));
    assert_eq!(workload(&rollout), "Rollout web");
    let bare = owned("ReplicaSet", "web-7d9f").replica_set("shop/web-7d9f", json!([]));
    assert_eq!(workload(&bare), "ReplicaSet web-7d9f");

    assert_eq!(workload(&owned("Job", "nightly-1")), "Job nightly-1");
    let cron = owned("Job", "nightly-1").job("shop/nightly-1", by("CronJob", "nightly"));
    assert_eq!(workload(&cron), "CronJob nightly");
    let elsewhere = owned("Job", "nightly-1").job("dev/nightly-1", by("CronJob", "nightly"));
    assert_eq!(workload(&elsewhere), "Job nightly-1");
}

#[test]
fn a_thousand_pods_and_policies_are_decided_at_once() {
    let mut cluster = Cluster::default();
    for index in 0..1000_u32 {
        let [_, _, high, low] = index.to_be_bytes();
        let namespace = format!("ns-{}", index % 100);
        let pod = pod(&format!("{namespace}/pod-{index}")).ip(&format!("10.0.{high}.{low}")).label("app=web");
        cluster.apply(pod.build()).unwrap();
        let spec = json!({"ingress": [{"ports": [{"port": index % 2 + 80}]}]});
        cluster.apply(crate::world::policy(&format!("{namespace}/p-{index}"), spec)).unwrap();
    }
    let decision = cluster.decide(&portolan_policy::Connection {
        source: ip("10.0.0.1"),
        destination: ip("10.0.0.2"),
        port: Some(80),
        protocol: portolan_policy::Protocol::Tcp,
    });
    let names: Vec<_> = decision.ingress.policies.iter().map(ToString::to_string).collect();
    assert_eq!(names.len(), 10);
    assert!(names.iter().all(|name| name.starts_with("ns-2/")), "{names:?}");
}
