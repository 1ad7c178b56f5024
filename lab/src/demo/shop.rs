//! The cluster of the demo: who lives where, and who listens.

use crate::error::Result;
use crate::lab::Lab;
use crate::server::Server;
use crate::spec::{PodSpec, ServiceSpec};

/// The policies, as files that a person can read beside a tutorial.
const POLICIES: [&str; 7] = [
    include_str!("../../demo/shop.yaml"),
    include_str!("../../demo/hello.yaml"),
    include_str!("../../demo/vault.yaml"),
    include_str!("../../demo/selectors.yaml"),
    include_str!("../../demo/ranges.yaml"),
    include_str!("../../demo/edge.yaml"),
    include_str!("../../demo/legacy.yaml"),
];

/// A part of the outside network that the gateway admits, and one that it does not.
pub(super) const PARTNER: &str = "203.0.113.10";
pub(super) const STRANGER: &str = "203.0.113.70";
pub(super) const PARTNER_V6: &str = "fd00:203:113::10";
pub(super) const STRANGER_V6: &str = "fd00:203:113:0:f::70";

/// Makes nodes, pods, services and policies.
pub(super) fn build(lab: &mut Lab) -> Result<()> {
    lab.node("n1")?;
    lab.node("n2")?;
    for outside in [STRANGER, STRANGER_V6] {
        lab.external_address(outside.parse().expect("the demo's addresses are addresses"))?;
    }
    lab.namespace("monitoring", [("team", "ops")]);
    lab.namespace("dev", [("team", "dev")]);
    for pod in pods() {
        lab.pod(pod)?;
    }
    for service in services() {
        lab.service(service)?;
    }
    for policies in POLICIES {
        lab.add_policy_yaml(policies)?;
    }
    Ok(())
}

/// Starts the servers. Who is not named here refuses.
pub(super) fn serve(lab: &Lab) -> Result<Vec<Server>> {
    Ok(vec![
        lab.serve_dns("kube-system/coredns-a")?,
        lab.serve_dns("kube-system/coredns-b")?,
        lab.serve_tcp("shop/frontend-a", 8080)?,
        lab.serve_tcp("shop/frontend-b", 8080)?,
        lab.serve_tcp("shop/api-a", 8080)?,
        lab.serve_tcp("shop/database-0", 5432)?,
        lab.serve_tcp("hello/frontend", 80)?,
        lab.serve_tcp("hello/frontend", 443)?,
        lab.serve_udp_silent("hello/backend", 514)?,
        lab.serve_tcp("vault/server", 8200)?,
        lab.serve_udp("vault/server", 8125)?,
        lab.serve_tcp("selectors/both", 9100)?,
        lab.serve_tcp("selectors/either", 9100)?,
        lab.serve_tcp("ranges/app", 32000)?,
        lab.serve_tcp("ranges/app", 32768)?,
        lab.serve_tcp("ranges/app", 32769)?,
        lab.serve_tcp("edge/gateway", 443)?,
        lab.serve_tcp("legacy/app", 8080)?,
        lab.serve_udp_silent("legacy/app", 8125)?,
        lab.serve_tcp_deaf("dev/queue", 9000, 0)?,
        lab.serve_tcp("external", 25)?,
        lab.serve_tcp("external", 443)?,
    ])
}

fn pods() -> Vec<PodSpec> {
    let pod =
        |name: &str, node: &str, label: (&str, &str)| PodSpec::new(name).node(node).label(label.0, label.1);
    let dns = |name: &str, node: &str| {
        let pod = pod(name, node, ("k8s-app", "kube-dns")).owner("Deployment", "coredns");
        pod.port("dns", 53, "UDP").port("dns-tcp", 53, "TCP")
    };
    let tier = |name: &str, node: &str, tier: &str, app: &str| {
        pod(name, node, ("tier", tier)).label("app", app).port("http", 8080, "TCP").owner("Deployment", app)
    };
    vec![
        dns("kube-system/coredns-a", "n1"),
        dns("kube-system/coredns-b", "n2"),
        pod("shop/client-a", "n1", ("app", "client")).owner("Deployment", "client"),
        tier("shop/frontend-a", "n1", "web", "frontend"),
        tier("shop/frontend-b", "n2", "web", "frontend"),
        tier("shop/api-a", "n2", "app", "api"),
        pod("shop/database-0", "n1", ("tier", "database")).owner("StatefulSet", "database"),
        pod("hello/frontend", "n1", ("app", "frontend")),
        pod("hello/backend", "n2", ("app", "backend")),
        pod("hello/visitor", "n2", ("app", "visitor")),
        pod("vault/server", "n1", ("app", "vault")).owner("StatefulSet", "server"),
        pod("vault/agent", "n2", ("app", "vault-agent")).owner("DaemonSet", "agent"),
        pod("monitoring/scraper", "n1", ("role", "scraper")),
        pod("monitoring/stranger", "n1", ("role", "viewer")),
        pod("selectors/both", "n2", ("app", "both")),
        pod("selectors/either", "n2", ("app", "either")),
        pod("selectors/scraper", "n2", ("role", "scraper")),
        pod("ranges/app", "n1", ("app", "ranges")),
        pod("edge/gateway", "n2", ("app", "gateway")),
        pod("legacy/app", "n1", ("app", "legacy")).owner("Deployment", "app"),
        pod("dev/scraper", "n2", ("role", "scraper")),
        pod("dev/queue", "n1", ("app", "queue")),
    ]
}

fn services() -> Vec<ServiceSpec> {
    vec![
        ServiceSpec::new("kube-system/kube-dns").port(53, 53, "UDP").selects([("k8s-app", "kube-dns")]),
        ServiceSpec::new("shop/frontend").port(80, "http", "TCP").selects([("app", "frontend")]),
        ServiceSpec::new("shop/api").port(80, 8080, "TCP").selects([("app", "api")]),
        ServiceSpec::new("shop/database").port(5432, 5432, "TCP").selects([("tier", "database")]),
        ServiceSpec::new("vault/server").port(8200, 8200, "TCP").selects([("app", "vault")]),
        ServiceSpec::new("legacy/app").port(80, 8080, "TCP").selects([("app", "legacy")]),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::apiserver::Store;

    #[test]
    fn the_api_server_takes_every_policy() {
        let store = Store::new();
        for namespace in ["shop", "hello", "vault", "selectors", "ranges", "edge", "legacy"] {
            let object =
                serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            store.apply(object).unwrap();
        }
        for policies in POLICIES {
            let objects: Vec<Value> = serde_saphyr::from_multiple(policies).unwrap();
            for object in objects {
                store.apply(object).unwrap();
            }
        }
        assert_eq!(store.list("networkpolicies", None).unwrap().len(), 13);
    }

    #[test]
    fn pods_and_services_have_names_of_their_own() {
        let mut names: Vec<String> = pods().iter().map(PodSpec::key).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
