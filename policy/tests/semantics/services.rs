//! Service addresses as destinations (N31, N36, M5).

use crate::world::{World, labelled, object, pod, world};
use k8s_openapi::api::core::v1::Service;
use portolan_policy::{Cluster, Protocol};
use serde_json::{Value, json};

const DIAL: &str = "dev/curl -> 10.96.0.1 on 80/tcp";

/// A service on 10.96.0.1:80 whose pods listen on 8080.
fn shop() -> World {
    world()
        .namespace("shop", "")
        .namespace("dev", "team=dev")
        .pod(pod("shop/web-1").ip("10.0.0.1").label("app=web").label("n=1"))
        .pod(pod("shop/web-2").ip("10.0.0.2").label("app=web").label("n=2"))
        .pod(pod("dev/curl").ip("10.0.1.1"))
        .service("shop/web", json!({"clusterIP": "10.96.0.1", "ports": [{"port": 80, "nodePort": 30080}]}))
        .endpoints("shop/web", 8080, &["10.0.0.1", "10.0.0.2"])
}

#[test]
fn the_policies_see_the_backends_and_their_port() {
    let by_port =
        |port: u16| shop().policy("shop/p", json!({"ingress": [{"ports": [{"port": port}]}]})).ingress(DIAL);
    assert_eq!(by_port(8080), "admitted by shop/p[0]");
    assert_eq!(by_port(80), "denied by shop/p");
}

#[test]
fn egress_through_a_service_needs_the_pods_to_be_admitted() {
    let to = |peer| {
        shop()
            .policy(
                "dev/p",
                json!({"policyTypes": ["Egress"], "egress": [{"to": [peer], "ports": [{"port": 8080}]}]}),
            )
            .egress(DIAL)
    };
    let web = json!({"namespaceSelector": labelled("kubernetes.io/metadata.name=shop"), "podSelector": labelled("app=web")});
    assert_eq!(to(web), "admitted by dev/p[0]");
    assert_eq!(to(json!({"ipBlock": {"cidr": "10.96.0.0/16"}})), "denied by dev/p");
    assert_eq!(to(json!({"ipBlock": {"cidr": "10.0.0.0/24"}})), "admitted by dev/p[0]");
}

#[test]
fn backends_that_differ_leave_the_side_undecidable() {
    let world = shop().policy("shop/one", json!({"podSelector": labelled("n=1")}));
    let side = "undecidable: backend not chosen: the endpoints of service shop/web differ";
    assert_eq!(world.ingress(DIAL), side);
    assert_eq!(world.egress(DIAL), "not-isolated");
    assert_eq!(world.decide(DIAL).admits(), None);
}

#[test]
fn backends_that_agree_name_the_policies_of_all() {
    let world = shop()
        .policy("shop/one", json!({"podSelector": labelled("n=1")}))
        .policy("shop/two", json!({"podSelector": labelled("n=2")}));
    assert_eq!(world.ingress(DIAL), "denied by shop/one, shop/two");
}

#[test]
fn a_service_without_ready_endpoints_is_a_plain_address() {
    let not_ready = json!([{"addresses": ["10.0.0.1"], "conditions": {"ready": false}}]);
    for world in [shop().endpoints("shop/web", 8080, &[]), shop().slice("shop/web", "main", 8080, &not_ready)]
    {
        let world = world.policy("shop/deny", json!({})).policy(
            "dev/p",
            json!({"policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": {"cidr": "10.96.0.0/16"}}]}]}),
        );
        assert_eq!(world.egress(DIAL), "admitted by dev/p[0]");
        assert_eq!(world.ingress(DIAL), "not-applicable");
    }
}

#[test]
fn an_endpoint_that_does_not_say_is_ready_and_slices_add_up() {
    let world = shop()
        .slice("shop/web", "main", 8080, &json!([{"addresses": ["10.0.0.1"]}]))
        .slice("shop/web", "more", 8080, &json!([{"addresses": ["10.0.0.2"], "conditions": {}}]))
        .policy("shop/one", json!({"podSelector": labelled("n=1")}))
        .policy("shop/two", json!({"podSelector": labelled("n=2")}));
    assert_eq!(world.ingress(DIAL), "denied by shop/one, shop/two");
}

#[test]
fn a_port_that_the_service_does_not_have_leads_to_no_backend() {
    let world = shop().policy("shop/deny", json!({}));
    assert_eq!(world.ingress("dev/curl -> 10.96.0.1 on 81/tcp"), "not-applicable");
    assert_eq!(world.ingress("dev/curl -> 10.96.0.1 on 80/udp"), "not-applicable");
    assert_eq!(world.ingress("dev/curl -> 10.96.0.1 on icmp"), "not-applicable");
}

#[test]
fn a_backend_that_is_no_pod_is_a_plain_address() {
    let world = shop().endpoints("shop/web", 6443, &["192.0.2.7"]).policy(
        "dev/p",
        json!({"policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": {"cidr": "192.0.2.7/32"}}], "ports": [{"port": 6443}]}]}),
    );
    assert_eq!(world.egress(DIAL), "admitted by dev/p[0]");
    assert_eq!(world.ingress(DIAL), "not-applicable");
}

#[test]
fn a_pod_that_reaches_itself_through_a_service_is_undecidable_once_isolated() {
    let alone = shop().endpoints("shop/web", 8080, &["10.0.0.1"]);
    let dial = "shop/web-1 -> 10.96.0.1 on 80/tcp";
    assert_eq!(alone.ingress(dial), "not-isolated");
    assert_eq!(alone.egress(dial), "not-isolated");
    let isolated = alone.policy("shop/deny", json!({}));
    let side = isolated.ingress(dial);
    assert!(side.starts_with("undecidable: hairpin: whether shop/web-1 may reach itself"), "{side}");
    assert_eq!(isolated.egress(dial), "not-isolated");
}

#[test]
fn node_ports_lead_to_the_backends_on_node_addresses_only() {
    let world = shop().node("n1", &["192.0.2.1"]).policy("shop/deny", json!({}));
    assert_eq!(world.ingress("dev/curl -> 192.0.2.1 on 30080/tcp"), "denied by shop/deny");
    assert_eq!(world.ingress("dev/curl -> 192.0.2.1 on 30081/tcp"), "not-applicable");
    assert_eq!(world.ingress("dev/curl -> 198.51.100.1 on 30080/tcp"), "not-applicable");
}

#[test]
fn a_service_is_found_at_every_address_that_leads_to_it() {
    let service = object::<Service>(json!({
        "metadata": {"namespace": "shop", "name": "all"},
        "spec": {
            "clusterIP": "10.96.0.9",
            "clusterIPs": ["10.96.0.9", "fd96::9"],
            "externalIPs": ["203.0.113.9"],
            "ports": [{"port": 53, "protocol": "UDP", "nodePort": 30053}],
        },
        "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.10"}, {"hostname": "lb.example"}]}},
    }));
    let world = world().node("n1", &["192.0.2.1"]).with(service);
    let at = |ip: &str, port, protocol| {
        let found = world.cluster.service_at(ip.parse().unwrap(), port, protocol);
        found.map(|service| format!("{}/{}@{}:{}", service.namespace, service.name, service.ip, service.port))
    };
    for ip in ["10.96.0.9", "fd96::9", "203.0.113.9", "203.0.113.10"] {
        assert_eq!(at(ip, 53, Protocol::Udp), Some(format!("shop/all@{ip}:53")));
        assert_eq!(at(ip, 53, Protocol::Tcp), None);
        assert_eq!(at(ip, 30053, Protocol::Udp), None);
    }
    assert_eq!(at("192.0.2.1", 30053, Protocol::Udp), Some("shop/all@192.0.2.1:30053".to_owned()));
    assert_eq!(at("192.0.2.1", 53, Protocol::Udp), None);
    assert_eq!(at("198.51.100.1", 30053, Protocol::Udp), None);
}

#[test]
fn a_deleted_service_leads_nowhere() {
    let mut world = shop().node("n1", &["192.0.2.1"]);
    let key = portolan_policy::ObjectKey::namespaced(portolan_policy::ObjectKind::Service, "shop", "web");
    world.cluster.delete(&key);
    assert_eq!(world.cluster.service_at("10.96.0.1".parse().unwrap(), 80, Protocol::Tcp), None);
    assert_eq!(world.cluster.service_at("192.0.2.1".parse().unwrap(), 30080, Protocol::Tcp), None);
}

#[test]
fn a_headless_service_has_no_address() {
    let world = world().service("shop/db", json!({"clusterIP": "None", "ports": [{"port": 5432}]}));
    assert_eq!(world.cluster.service_at("0.0.0.0".parse().unwrap(), 5432, Protocol::Tcp), None);
}

#[test]
fn no_proxy_serves_an_external_address_of_a_service_without_a_cluster_ip() {
    let external = |spec: Value| world().service("shop/db", spec).cluster;
    let at =
        |cluster: Cluster| cluster.service_at("192.0.2.7".parse().unwrap(), 5432, Protocol::Tcp).is_some();
    let ports = json!([{"port": 5432}]);
    assert!(at(external(json!({"clusterIP": "10.96.0.7", "externalIPs": ["192.0.2.7"], "ports": ports}))));
    assert!(!at(external(json!({"clusterIP": "None", "externalIPs": ["192.0.2.7"], "ports": ports}))));
    assert!(!at(external(json!({"type": "ExternalName", "externalIPs": ["192.0.2.7"], "ports": ports}))));
}

#[test]
fn named_service_ports_lead_to_the_endpoint_ports_of_that_name() {
    let slice = |world: World| {
        world.with(object::<k8s_openapi::api::discovery::v1::EndpointSlice>(json!({
            "metadata": {"namespace": "shop", "name": "x", "labels": {"kubernetes.io/service-name": "two"}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080}, {"name": "admin", "port": 9090}],
            "endpoints": [{"addresses": ["10.0.0.1"]}],
        })))
    };
    let ports = json!([{"name": "http", "port": 80}, {"name": "admin", "port": 90}]);
    let world = slice(shop().service("shop/two", json!({"clusterIP": "10.96.0.2", "ports": ports})))
        .policy("shop/p", json!({"ingress": [{"ports": [{"port": 9090}]}]}));
    assert_eq!(world.ingress("dev/curl -> 10.96.0.2 on 90/tcp"), "admitted by shop/p[0]");
    assert_eq!(world.ingress("dev/curl -> 10.96.0.2 on 80/tcp"), "denied by shop/p");
}

const NO_PORT: &str = "dev/curl -> 10.96.0.1 on tcp";

/// The same with a second port, 90, that leads to 9090.
fn with_two_ports() -> World {
    let ports = json!([{"name": "http", "port": 80}, {"name": "admin", "port": 90}]);
    let slice = json!({
        "metadata": {"namespace": "shop", "name": "web-main", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}, {"name": "admin", "port": 9090}],
        "endpoints": [{"addresses": ["10.0.0.1", "10.0.0.2"]}],
    });
    shop()
        .service("shop/web", json!({"clusterIP": "10.96.0.1", "ports": ports}))
        .with(object::<k8s_openapi::api::discovery::v1::EndpointSlice>(slice))
}

#[test]
fn without_a_port_a_service_stands_for_the_backends_of_its_ports() {
    let by_port = |port: u16| shop().policy("shop/p", json!({"ingress": [{"ports": [{"port": port}]}]}));
    assert_eq!(by_port(8080).ingress(NO_PORT), "admitted by shop/p[0]");
    assert_eq!(by_port(80).ingress(NO_PORT), "denied by shop/p");
}

#[test]
fn without_a_port_the_ports_of_a_service_have_to_agree() {
    let admitting = |ports| with_two_ports().policy("shop/p", json!({"ingress": [{"ports": ports}]}));
    let one = admitting(json!([{"port": 8080}]));
    assert_eq!(one.ingress(NO_PORT), "undecidable: the destination port is not known");
    assert_eq!(one.egress(NO_PORT), "not-isolated");
    assert_eq!(one.decide(NO_PORT).admits(), None);
    assert_eq!(admitting(json!([{"port": 8080}, {"port": 9090}])).ingress(NO_PORT), "admitted by shop/p[0]");
    assert_eq!(admitting(json!([{"port": 80}])).ingress(NO_PORT), "denied by shop/p");
    assert_eq!(with_two_ports().ingress(NO_PORT), "not-isolated");
}

#[test]
fn without_a_port_the_port_is_missing_only_where_it_matters() {
    let on_8080 = json!({"podSelector": labelled("n=1"), "ingress": [{"ports": [{"port": 8080}]}]});
    let differ = "undecidable: backend not chosen: the endpoints of service shop/web differ";
    let none = json!({"podSelector": labelled("n=1")});
    assert_eq!(shop().policy("shop/one", none.clone()).ingress(NO_PORT), differ);
    assert_eq!(with_two_ports().policy("shop/one", none).ingress(NO_PORT), differ);
    // 80 is open everywhere, 90 on one of the two.
    let both = format!("{differ}; the destination port is not known");
    assert_eq!(with_two_ports().policy("shop/one", on_8080).ingress(NO_PORT), both);
}

#[test]
fn without_a_port_only_the_ports_of_the_protocol_come_into_question() {
    let ports = json!([{"port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}]);
    let world = shop()
        .service("shop/web", json!({"clusterIP": "10.96.0.1", "ports": ports}))
        .policy("shop/p", json!({"ingress": [{"ports": [{"port": 8080}]}]}));
    assert_eq!(world.ingress(NO_PORT), "admitted by shop/p[0]");
    assert_eq!(world.ingress("dev/curl -> 10.96.0.1 on udp"), "not-applicable");
    assert_eq!(world.ingress("dev/curl -> 10.96.0.1 on sctp"), "not-applicable");
    assert_eq!(world.ingress("dev/curl -> 10.96.0.1 on icmp"), "not-applicable");
}

#[test]
fn without_a_port_all_services_at_an_address_come_into_question() {
    let world = shop()
        .service("shop/web", json!({"externalIPs": ["203.0.113.5"], "ports": [{"port": 80}]}))
        .service("dev/curl", json!({"externalIPs": ["203.0.113.5"], "ports": [{"port": 90}]}))
        .endpoints("dev/curl", 9090, &["10.0.1.1"])
        .pod(pod("dev/other").ip("10.0.1.2"));
    let question = "dev/other -> 203.0.113.5 on tcp";
    let one = world.policy("shop/deny", json!({}));
    assert_eq!(one.ingress(question), "undecidable: the destination port is not known");
    let both = one.policy("dev/deny", json!({}));
    assert_eq!(both.ingress(question), "denied by dev/deny, shop/deny");
}

#[test]
fn without_a_port_an_address_that_a_node_holds_is_the_nodes() {
    let world = shop().node("n1", &["192.0.2.1"]).policy("shop/deny", json!({}));
    assert_eq!(world.ingress("dev/curl -> 192.0.2.1 on tcp"), "not-applicable");
}
