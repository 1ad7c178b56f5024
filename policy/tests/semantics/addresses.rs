//! Who holds an address (M4–M7).

use crate::world::{World, pod, world};
use portolan_policy::{Owner, Who};
use serde_json::json;

const QUESTION: &str = "198.51.100.1 -> 10.0.0.1 on 80/tcp";

fn isolated() -> World {
    world().namespace("shop", "").policy("shop/deny", json!({}))
}

#[test]
fn finished_pods_hold_no_address() {
    for phase in ["Succeeded", "Failed"] {
        let world = isolated().pod(pod("shop/job").ip("10.0.0.1").phase(phase));
        assert_eq!(world.ingress(QUESTION), "not-applicable", "{phase}");
    }
    for phase in ["Pending", "Running", "Unknown"] {
        let world = isolated().pod(pod("shop/web").ip("10.0.0.1").phase(phase));
        assert_eq!(world.ingress(QUESTION), "denied by shop/deny", "{phase}");
    }
}

#[test]
fn an_address_that_a_finished_pod_left_belongs_to_who_uses_it_now() {
    let world =
        isolated().pod(pod("shop/job").ip("10.0.0.1").phase("Succeeded")).pod(pod("dev/curl").ip("10.0.0.1"));
    assert_eq!(world.ingress(QUESTION), "not-isolated");
}

#[test]
fn terminating_pods_count() {
    let world = isolated().pod(pod("shop/web").ip("10.0.0.1").terminating());
    assert_eq!(world.ingress(QUESTION), "denied by shop/deny");
}

#[test]
fn two_live_claimants_leave_the_subject_undecidable() {
    let world = isolated().pod(pod("shop/web").ip("10.0.0.1")).pod(pod("dev/curl").ip("10.0.0.1"));
    let side = "undecidable: several live pods claim the address 10.0.0.1: dev/curl, shop/web";
    assert_eq!(world.ingress(QUESTION), side);
    assert_eq!(world.cluster.owner("10.0.0.1".parse().unwrap()), Owner::Contested);
}

#[test]
fn a_contested_peer_is_decided_where_all_claimants_are_alike() {
    let contested = |peer| {
        world()
            .namespace("shop", "")
            .namespace("dev", "team=dev")
            .pod(pod("shop/web").ip("10.0.0.9").label("app=web"))
            .pod(pod("dev/a").ip("10.0.0.1"))
            .pod(pod("shop/b").ip("10.0.0.1"))
            .policy("shop/p", json!({"ingress": [{"from": [peer]}]}))
            .ingress("10.0.0.1 -> shop/web on 80/tcp")
    };
    assert_eq!(contested(json!({"namespaceSelector": {}})), "admitted by shop/p[0]");
    assert_eq!(contested(json!({"ipBlock": {"cidr": "10.0.0.1/32"}})), "admitted by shop/p[0]");
    assert_eq!(contested(json!({"podSelector": {"matchLabels": {"no": "one"}}})), "denied by shop/p");
    let side = contested(json!({"podSelector": {}}));
    assert_eq!(side, "undecidable: several live pods claim the address 10.0.0.1: dev/a, shop/b");
}

#[test]
fn a_claim_that_ends_leaves_the_other() {
    let mut world = isolated().pod(pod("shop/web").ip("10.0.0.1")).pod(pod("dev/curl").ip("10.0.0.1"));
    let key = pod("dev/curl").build().key();
    world.cluster.delete(&key);
    assert_eq!(world.ingress(QUESTION), "denied by shop/deny");
}

#[test]
fn a_mapped_address_is_its_ipv4_address() {
    let world = isolated().pod(pod("shop/web").ip("::ffff:10.0.0.1"));
    assert_eq!(world.ingress(QUESTION), "denied by shop/deny");
    assert_eq!(world.ingress("198.51.100.1 -> ::ffff:10.0.0.1 on 80/tcp"), "denied by shop/deny");
    let end = world.cluster.end("::ffff:10.0.0.1".parse().unwrap(), Some(80));
    assert_eq!(end.ip().to_string(), "10.0.0.1");

    let by_block =
        world.policy("shop/p", json!({"ingress": [{"from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}]}));
    assert_eq!(by_block.ingress("::ffff:192.0.2.7 -> 10.0.0.1 on 80/tcp"), "admitted by shop/p[0]");
}

#[test]
fn a_pod_is_found_by_each_of_its_addresses() {
    let world = isolated().pod(pod("shop/web").ip("10.0.0.1").ip("fd00::1"));
    assert_eq!(world.ingress("2001:db8::9 -> fd00::1 on 80/tcp"), "denied by shop/deny");
    assert_eq!(world.ingress(QUESTION), "denied by shop/deny");
}

#[test]
fn a_pod_comes_before_a_node_and_a_node_before_a_service() {
    let ip = "10.0.0.1".parse().unwrap();
    let service = world().service("shop/web", json!({"clusterIP": "10.0.0.1", "ports": [{"port": 80}]}));
    assert!(matches!(service.cluster.owner(ip), Owner::Service(owner) if owner.name == "web"));
    let node = service.node("n1", &["10.0.0.1"]);
    assert_eq!(node.cluster.owner(ip), Owner::Node { name: "n1", pod: None });
    let pod = node.pod(pod("shop/web").ip("10.0.0.1"));
    assert!(matches!(pod.cluster.owner(ip), Owner::Pod(owner) if &*owner.name == "web"));
    assert_eq!(world().cluster.owner(ip), Owner::External);
}

#[test]
fn an_address_that_two_nodes_report_is_contested() {
    let world = world().node("n1", &["192.0.2.1"]).node("old", &["192.0.2.1"]);
    assert_eq!(world.cluster.owner("192.0.2.1".parse().unwrap()), Owner::Contested);
    let world = world.pod(pod("shop/web").ip("10.0.0.1").on("n1")).policy("shop/deny", json!({}));
    let question = "192.0.2.1 -> shop/web on 80/tcp";
    assert_eq!(world.ingress(question), "undecidable: several nodes claim the address 192.0.2.1");
    let open = world.policy("shop/open", json!({"ingress": [{}]}));
    assert_eq!(open.ingress(question), "admitted by shop/open[0]");
}

#[test]
fn ends_say_who_holds_the_address() {
    let world = world()
        .node("n1", &["192.0.2.1", "192.0.2.9"])
        .pod(pod("shop/web").ip("10.0.0.1").on("n1").label("app=web"))
        .pod(pod("kube-system/proxy").ip("192.0.2.1").on("n1").host_network())
        .service("shop/web", json!({"clusterIP": "10.96.0.1", "ports": [{"port": 80}]}));
    let end = |ip: &str, port| serde_json::to_value(world.cluster.end(ip.parse().unwrap(), port)).unwrap();
    assert_eq!(
        end("10.0.0.1", Some(80)),
        json!({"kind": "pod", "namespace": "shop", "pod": "web", "workload": {"kind": "Pod", "name": "web"},
            "ip": "10.0.0.1", "port": 80, "node": "n1"})
    );
    let web = world.cluster.end("10.0.0.1".parse().unwrap(), None);
    let Who::Pod(web) = web.who() else { panic!("a pod end") };
    assert_eq!(web.labels.get("app").map(String::as_str), Some("web"));
    let node = end("192.0.2.1", None);
    assert_eq!((&node["kind"], &node["node"], &node["pod"]), (&json!("node"), &json!("n1"), &json!("proxy")));
    assert_eq!(end("192.0.2.9", None)["pod"], json!(null));
    assert_eq!(end("10.96.0.1", Some(80))["kind"], json!("service"));
    assert_eq!(end("198.51.100.1", Some(80)), json!({"kind": "external", "ip": "198.51.100.1", "port": 80}));
}

#[test]
fn of_two_host_network_pods_on_one_address_none_is_named() {
    let world = world()
        .pod(pod("kube-system/a").ip("192.0.2.1").on("n1").host_network())
        .pod(pod("kube-system/b").ip("192.0.2.1").on("n1").host_network());
    assert_eq!(world.cluster.owner("192.0.2.1".parse().unwrap()), Owner::Node { name: "n1", pod: None });
}
