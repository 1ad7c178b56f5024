//! Metadata of any kind, pods and services.

use crate::{each_has_its_problem, none_has_a_problem, object, problems};
use portolan_policy::{Object, parse_manifest};
use serde_json::{Value, json};

fn pod(port: &Value) -> Object {
    object("v1", "Pod", "web", &json!({"containers": [{"name": "main", "ports": [port]}]}))
}

fn service(port: &Value) -> Object {
    object("v1", "Service", "web", &json!({"ports": [port]}))
}

fn described(kind: &str, metadata: &Value) -> Object {
    let api_version = if kind == "NetworkPolicy" { "networking.k8s.io/v1" } else { "v1" };
    let value = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata});
    parse_manifest(&value.to_string()).objects.remove(0)
}

#[test]
fn container_ports() {
    let at = "spec.containers[0].ports[0]";
    let cases = [
        (json!({"containerPort": 0}), "containerPort: 0 is no port"),
        (json!({"containerPort": 70000, "name": "http"}), "containerPort: 70000 is no port"),
        (json!({"containerPort": 80, "protocol": "udp"}), "protocol: no protocol: `udp`; write UDP"),
        (json!({"containerPort": 80, "name": "my_http"}), "name: port name `my_http` has characters"),
    ];
    for (part, expected) in cases {
        each_has_its_problem(&[(part, &format!("{at}.{expected}"))], pod);
    }
    none_has_a_problem(&[json!({"containerPort": 80, "name": "http", "protocol": "SCTP"})], pod);
}

#[test]
fn service_ports() {
    each_has_its_problem(
        &[
            (json!({"port": 0}), "spec.ports[0].port: 0 is no port"),
            (json!({"port": 80, "nodePort": 70000}), "spec.ports[0].nodePort: 70000 is no port"),
            (json!({"port": 80, "protocol": "HTTP"}), "spec.ports[0].protocol: no protocol: `HTTP`"),
        ],
        service,
    );
    none_has_a_problem(&[json!({"port": 80}), json!({"port": 80, "nodePort": 0})], service);
}

#[test]
fn names_and_labels() {
    let cases = [
        ("Pod", json!({"name": "Web"}), "metadata.name: name `Web` has characters"),
        ("Namespace", json!({"name": "a.b"}), "metadata.name: name `a.b` has characters"),
        ("NetworkPolicy", json!({"name": "a", "namespace": "b.c"}), "metadata.namespace: namespace `b.c`"),
        ("Node", json!({"name": "n", "namespace": "x"}), "metadata.namespace: namespace `x` on a Node"),
        (
            "Namespace",
            json!({"name": "a", "labels": {"b/": "c"}}),
            "metadata.labels[b/]: label key `b/` has no name",
        ),
        (
            "Pod",
            json!({"name": "a", "labels": {"b": "-"}}),
            "metadata.labels[b]: label value `-` does not begin",
        ),
    ];
    for (kind, metadata, expected) in cases {
        each_has_its_problem(&[(metadata, expected)], |metadata| described(kind, metadata));
    }
    assert_eq!(
        problems(&described("Pod", &json!({"name": "a.b", "labels": {"app": ""}}))),
        Vec::<String>::new()
    );
}
