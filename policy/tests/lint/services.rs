//! Ports and addresses of services in rules.

use crate::world::{World, select, world};
use serde_json::{Value, json};

fn service(world: World, name: &str, spec: Value) -> World {
    let metadata = json!({"namespace": "shop", "name": name});
    world.with(json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}))
}

/// Web pods behind a service that leads 80 to `target`.
fn shop(target: &Value) -> World {
    let ports = json!([{"name": "http", "containerPort": 8080}]);
    let world = world().namespace("shop", "").pod_with("shop/web", "app=web", json!({}), ports);
    let world = world.pod("shop/api", "app=api");
    let port = json!({"port": 80, "targetPort": target});
    let spec = json!({"clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10"], "externalIPs": ["192.0.2.7"],
        "selector": {"app": "web"}, "ports": [port]});
    service(world, "web", spec)
}

fn ingress(world: World, selector: &str, ports: Value) -> World {
    world.policy("shop/p", json!({"podSelector": select(selector), "ingress": [{"ports": ports}]}))
}

fn egress(world: World, to: Value, ports: Value) -> World {
    let rule = json!({"to": [to], "ports": ports});
    world.policy("shop/p", json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [rule]}))
}

#[test]
fn a_port_of_a_service_that_its_pods_do_not_have() {
    let told = "80/TCP is the port of Service shop/web, which leads to 8080/TCP of pods such as shop/web; rules are asked \
                about the port of the pod, and this one does not match 8080/TCP; write 8080";
    for target in [json!(8080), json!("http")] {
        ingress(shop(&target), "app=web", json!([{"port": 80, "protocol": "TCP"}]))
            .has("service-port", &format!("NetworkPolicy shop/p: spec.ingress[0].ports[0].port: {told}"));
        egress(shop(&target), json!({"podSelector": select("app=web")}), json!([{"port": 80}]))
            .has("service-port", &format!("NetworkPolicy shop/p: spec.egress[0].ports[0].port: {told}"));
    }
}

#[test]
fn ports_that_the_pods_have_or_that_no_service_leads_elsewhere() {
    let web = || shop(&json!(8080));
    ingress(web(), "app=web", json!([{"port": 8080}])).has_no("service-port");
    ingress(web(), "app=web", json!([{"port": 80}, {"port": 8080}])).has_no("service-port");
    ingress(web(), "app=web", json!([{"port": 80}, {"port": "http"}])).has_no("service-port");
    ingress(web(), "app=web", json!([{"port": 80, "endPort": 90}])).has_no("service-port");
    ingress(web(), "app=web", json!([{"port": 80, "protocol": "UDP"}])).has_no("service-port");
    ingress(web(), "app=api", json!([{"port": 80}])).has_no("service-port");
    ingress(shop(&json!(80)), "app=web", json!([{"port": 80}])).has_no("service-port");
    ingress(shop(&json!("gone")), "app=web", json!([{"port": 80}])).has_no("service-port");
    egress(web(), json!({"ipBlock": {"cidr": "10.0.0.0/8"}}), json!([{"port": 80}])).has_no("service-port");
    // Somebody among the pods does listen there.
    let port = json!([{"containerPort": 80}]);
    let both = web().pod_with("shop/old", "app=web", json!({}), port);
    ingress(both, "app=web", json!([{"port": 80}])).has_no("service-port");
    // Another service leads there.
    let spec = json!({"clusterIP": "10.96.0.11", "selector": {"app": "web"}, "ports": [{"port": 80}]});
    ingress(service(web(), "same", spec), "app=web", json!([{"port": 80}])).has_no("service-port");
}

#[test]
fn a_headless_service_translates_nothing() {
    let spec =
        json!({"clusterIP": "None", "selector": {"app": "api"}, "ports": [{"port": 80, "targetPort": 8080}]});
    let world = service(world().pod("shop/api", "app=api"), "api", spec);
    ingress(world, "app=api", json!([{"port": 80}])).has_no("service-port");
}

#[test]
fn a_block_that_is_the_address_of_a_service() {
    let to = |cidr: &str| egress(shop(&json!(8080)), json!({"ipBlock": {"cidr": cidr}}), json!([]));
    to("10.96.0.10/32").has(
        "service-address",
        "NetworkPolicy shop/p: spec.egress[0].to[0].ipBlock: 10.96.0.10 is the address of Service shop/web; rules are \
         asked about the address that it leads to, so this may match nothing; select the pods behind it",
    );
    for cidr in ["10.96.0.11/32", "10.96.0.0/16", "192.0.2.7/32", "fd00::1/128"] {
        to(cidr).has_no("service-address");
    }
}

#[test]
fn a_network_of_a_cluster_wide_policy_that_is_the_address_of_a_service() {
    let to = |network: &str| {
        let egress = json!([{"action": "Accept", "to": [{"networks": ["192.0.2.0/24", network]}]}]);
        let spec = json!({"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}, "egress": egress});
        shop(&json!(8080)).cluster_policy("c", spec)
    };
    to("10.96.0.10/32").has(
        "service-address",
        "ClusterNetworkPolicy c: spec.egress[0].to[0].networks[1]: 10.96.0.10 is the address of Service shop/web",
    );
    to("10.96.0.12/32").has_no("service-address");
}
