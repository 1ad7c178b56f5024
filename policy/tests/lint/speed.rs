//! Ten thousand policies and a hundred thousand pods are looked at in seconds.

use crate::world::select;
use portolan_policy::{Object, lint, parse_manifest};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const NAMESPACES: usize = 500;
const POLICIES: usize = 20;
const PODS: usize = 200;
const WORKLOADS: usize = 25;

fn objects() -> Vec<Object> {
    let mut items: Vec<Value> = Vec::new();
    for namespace in 0..NAMESPACES {
        let name = format!("ns-{namespace}");
        let labels = json!({"team": format!("t{}", namespace % 50)});
        items.push(
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}),
        );
        items.extend((0..PODS).map(|pod| {
            let at = namespace * PODS + pod;
            let ip = format!("10.{}.{}.{}", at / 65_536, at / 256 % 256, at % 256);
            let labels = json!({"app": format!("app-{}", pod % WORKLOADS)});
            json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"namespace": name, "name": format!("p{pod}"), "labels": labels},
                "spec": {"containers": [{"name": "main", "ports": [{"name": "http", "containerPort": 80}]}]},
                "status": {"podIPs": [{"ip": ip}]}})
        }));
        items.extend((0..POLICIES).map(|policy| {
            let from = json!([
                {"podSelector": select(&format!("app=app-{policy}"))},
                {"namespaceSelector": select(&format!("team=t{policy}")), "podSelector": select("app=missing")},
                {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
            ]);
            let spec = json!({"podSelector": select(&format!("app=app-{}", policy * 2)),
                "ingress": [{"from": from, "ports": [{"port": 80}, {"port": "http"}]}]});
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                "metadata": {"namespace": name, "name": format!("np{policy}")}, "spec": spec})
        }));
    }
    parse_manifest(&json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()).objects
}

/// The limit is that of an unoptimised build on a busy machine; a pass over all pods for each policy
/// would take a hundred times as long.
#[test]
fn a_big_cluster_takes_seconds() {
    let objects = objects();
    assert_eq!(objects.len(), NAMESPACES * (1 + PODS + POLICIES));
    let start = Instant::now();
    let findings = lint(&objects);
    let took = start.elapsed();
    println!("{} findings in {took:?}", findings.len());
    assert!(findings.len() > 10_000, "{}", findings.len());
    assert!(took < Duration::from_mins(2), "{took:?}");
}
