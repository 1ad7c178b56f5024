//! The defaults that a real server writes into objects, as far as clients of a lab look at them.

use serde_json::{Map, Value, json};

use super::kinds::KindRef;

/// Fills in what is absent.
pub(super) fn fill(kind: KindRef, object: &mut Value) {
    match kind.kind {
        "Namespace" => namespace(object),
        "NetworkPolicy" => network_policy(object),
        "Pod" => pod(object),
        "Service" => service(object),
        "EndpointSlice" => endpoint_slice(object),
        "Deployment" | "ReplicaSet" | "StatefulSet" => {
            set(object.get_mut("spec"), "replicas", || json!(1));
            container_ports(object.pointer_mut("/spec/template/spec"));
        }
        "DaemonSet" | "Job" => container_ports(object.pointer_mut("/spec/template/spec")),
        "CronJob" => container_ports(object.pointer_mut("/spec/jobTemplate/spec/template/spec")),
        _ => {}
    }
}

fn set(object: Option<&mut Value>, field: &str, value: impl FnOnce() -> Value) {
    if let Some(map) = object.and_then(Value::as_object_mut) {
        map.entry(field).or_insert_with(value);
    }
}

fn each<'a>(object: Option<&'a mut Value>, field: &str) -> impl Iterator<Item = &'a mut Value> {
    object.and_then(|object| object.get_mut(field)).and_then(Value::as_array_mut).into_iter().flatten()
}

fn namespace(object: &mut Value) {
    let name = object["metadata"]["name"].clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        let labels = metadata.entry("labels").or_insert_with(|| json!({}));
        if let Some(labels) = labels.as_object_mut() {
            labels.insert("kubernetes.io/metadata.name".to_owned(), name);
        }
    }
    fill_status(object, "phase", "Active");
}

fn fill_status(object: &mut Value, field: &str, value: &str) {
    set(Some(object), "status", || json!({}));
    set(object.get_mut("status"), field, || json!(value));
}

/// `policyTypes` follows the rules that are there; empty lists are as good as absent and go away.
fn network_policy(object: &mut Value) {
    set(Some(object), "spec", || json!({}));
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    spec.entry("podSelector").or_insert_with(|| json!({}));
    if is_empty_list(spec, "policyTypes") {
        let types =
            if is_empty_list(spec, "egress") { json!(["Ingress"]) } else { json!(["Ingress", "Egress"]) };
        spec.insert("policyTypes".to_owned(), types);
    }
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        if is_empty_list(spec, direction) {
            spec.remove(direction);
        }
        for rule in spec.get_mut(direction).and_then(Value::as_array_mut).into_iter().flatten() {
            for port in each(Some(&mut *rule), "ports") {
                set(Some(port), "protocol", || json!("TCP"));
            }
            if let Some(rule) = rule.as_object_mut() {
                rule.retain(|field, value| {
                    !(matches!(value, Value::Array(items) if items.is_empty())
                        && (field == peers || field == "ports"))
                });
            }
        }
    }
}

fn is_empty_list(map: &Map<String, Value>, field: &str) -> bool {
    map.get(field).and_then(Value::as_array).is_none_or(Vec::is_empty)
}

fn pod(object: &mut Value) {
    let spec = object.get_mut("spec");
    set(spec, "restartPolicy", || json!("Always"));
    set(object.get_mut("spec"), "dnsPolicy", || json!("ClusterFirst"));
    set(object.get_mut("spec"), "terminationGracePeriodSeconds", || json!(30));
    container_ports(object.get_mut("spec"));
    fill_status(object, "phase", "Pending");
}

fn container_ports(mut pod_spec: Option<&mut Value>) {
    for list in ["containers", "initContainers"] {
        for container in each(pod_spec.as_deref_mut(), list) {
            for port in each(Some(container), "ports") {
                set(Some(port), "protocol", || json!("TCP"));
            }
        }
    }
}

fn service(object: &mut Value) {
    set(Some(object), "spec", || json!({}));
    set(object.get_mut("spec"), "type", || json!("ClusterIP"));
    set(object.get_mut("spec"), "sessionAffinity", || json!("None"));
    for port in each(object.get_mut("spec"), "ports") {
        let number = port.get("port").cloned();
        set(Some(&mut *port), "protocol", || json!("TCP"));
        if let Some(number) = number {
            set(Some(port), "targetPort", || number);
        }
    }
    set(Some(&mut *object), "status", || json!({"loadBalancer": {}}));
}

fn endpoint_slice(object: &mut Value) {
    for port in each(Some(object), "ports") {
        set(Some(&mut *port), "protocol", || json!("TCP"));
        set(Some(port), "name", || json!(""));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(kind: &str, mut object: Value) -> Value {
        fill(KindRef::by_name(kind).unwrap(), &mut object);
        object
    }

    #[test]
    fn policy_types_follow_the_rules() {
        let rule = json!([{"to": [{"podSelector": {}}]}]);
        let cases = [
            (json!({}), json!(["Ingress"])),
            (json!({"egress": []}), json!(["Ingress"])),
            (json!({"egress": rule}), json!(["Ingress", "Egress"])),
            (json!({"ingress": []}), json!(["Ingress"])),
            (json!({"policyTypes": ["Egress"]}), json!(["Egress"])),
        ];
        for (spec, expected) in cases {
            let policy = filled("netpol", json!({"spec": spec}));
            assert_eq!(policy["spec"]["policyTypes"], expected, "{spec}");
        }
    }

    #[test]
    fn policy_ports_are_tcp_and_empty_lists_go_away() {
        let policy = filled(
            "netpol",
            json!({"spec": {"podSelector": {}, "egress": [], "ingress": [{"ports": [{"port": 80}], "from": []}]}}),
        );
        assert_eq!(
            policy["spec"],
            json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": 80, "protocol": "TCP"}]}]})
        );
    }

    #[test]
    fn a_namespace_carries_its_name_as_a_label() {
        let namespace = filled("ns", json!({"metadata": {"name": "shop", "labels": {"team": "a"}}}));
        assert_eq!(
            namespace["metadata"]["labels"],
            json!({"team": "a", "kubernetes.io/metadata.name": "shop"})
        );
        assert_eq!(namespace["status"]["phase"], "Active");
    }

    #[test]
    fn a_service_port_targets_itself() {
        let service = filled("svc", json!({"spec": {"ports": [{"port": 80}]}}));
        assert_eq!(service["spec"]["ports"][0], json!({"port": 80, "protocol": "TCP", "targetPort": 80}));
    }
}
