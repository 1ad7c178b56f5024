//! Services that are asked about by name.

use crate::cluster_of;
use portolan_policy::{Explanation, Protocol, Query};

/// A pod, and two services at one address: of one the endpoint is ready, of the other none is.
const TWO_SERVICES: &str = "
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: web, labels: {app: web}}
spec: {containers: []}
status: {phase: Running, podIPs: [{ip: 10.0.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: db, labels: {app: db}}
spec: {containers: []}
status: {phase: Running, podIPs: [{ip: 10.0.0.2}]}
---
apiVersion: v1
kind: Service
metadata: {namespace: shop, name: db}
spec: {clusterIP: 10.96.0.7, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {namespace: shop, name: late}
spec: {clusterIP: 10.96.0.8, ports: [{port: 80}, {port: 53, protocol: UDP}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: shop, name: db-1, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: '', port: 5432}]
endpoints: [{addresses: [10.0.0.2]}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: shop, name: late-1, labels: {kubernetes.io/service-name: late}}
addressType: IPv4
ports: [{name: '', port: 8080}]
endpoints: [{addresses: [10.0.0.2], conditions: {ready: false}}]
";

fn explain(manifests: &str, service: &str, protocol: Protocol) -> Explanation {
    let query = Query {
        from: "shop/web".parse().unwrap(),
        to: service.parse().unwrap(),
        port: None,
        protocol,
        family: None,
    };
    query.explain(&cluster_of(manifests)).unwrap()
}

#[test]
fn why_a_service_leads_nowhere_without_a_port_is_told() {
    let why = |service, protocol| explain(TWO_SERVICES, service, protocol).unserved.unwrap_or_default();
    assert_eq!(why("svc:shop/db", Protocol::Tcp), "");
    assert_eq!(why("svc:shop/db", Protocol::Udp), "service shop/db has no UDP port, only 80/TCP");
    assert_eq!(why("svc:shop/db", Protocol::Icmp), "ICMP leads to no endpoint of service shop/db");
    assert_eq!(
        why("svc:shop/late", Protocol::Tcp),
        "no ready endpoint of service shop/late is known for TCP"
    );
}

#[test]
fn an_address_of_two_services_leads_somewhere_where_one_of_them_does() {
    let both = TWO_SERVICES.replace("10.96.0.8, ports: [{port: 80}", "10.96.0.7, ports: [{port: 443}");
    let both = both.replace("ready: false", "ready: true");
    assert_ne!(both, TWO_SERVICES);
    assert_eq!(explain(&both, "10.96.0.7", Protocol::Tcp).unserved, None);
}
