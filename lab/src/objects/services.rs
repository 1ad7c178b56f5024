//! Services and the endpoint slices that a cluster would keep for them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::{metadata, owner_references, uid};
use crate::cluster::{Cluster, Service};
use crate::spec::{Labels, Target};

pub(super) fn service(service: &Service) -> Value {
    let spec = &service.spec;
    let ports: Vec<Value> = spec
        .ports
        .iter()
        .map(|port| {
            let target = match &port.target {
                Target::Number(number) => json!(number),
                Target::Name(name) => json!(name),
            };
            let mut value = json!({
                "name": port.name(), "port": port.port, "protocol": port.protocol.as_str(), "targetPort": target,
            });
            if let Some(node_port) = port.node_port {
                value["nodePort"] = json!(node_port);
            }
            value
        })
        .collect();
    let ips: Vec<String> = if spec.headless {
        vec!["None".to_owned()]
    } else {
        service.addresses.iter().map(IpAddr::to_string).collect()
    };
    let kind = if spec.ports.iter().any(|port| port.node_port.is_some()) { "NodePort" } else { "ClusterIP" };
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": metadata("Service", Some(&spec.namespace), &spec.name, &Labels::new()),
        "spec": {
            "type": kind, "clusterIP": ips.first(), "clusterIPs": ips, "ipFamilies": ["IPv4", "IPv6"],
            "ipFamilyPolicy": "PreferDualStack", "selector": spec.selector, "ports": ports,
        },
        "status": {"loadBalancer": {}},
    })
}

pub(super) fn endpoint_slices(cluster: &Cluster, service: &Service) -> Vec<Value> {
    let spec = &service.spec;
    let families = [("IPv4", true), ("IPv6", false)];
    let slice = |(family, is_v4): (&str, bool)| {
        let endpoints: Vec<Value> = cluster
            .backends(service)
            .filter_map(|pod| {
                let address = pod.addresses.iter().find(|address| address.is_ipv4() == is_v4)?;
                let (namespace, name) = (&pod.spec.namespace, &pod.spec.name);
                Some(json!({
                    "addresses": [address],
                    "conditions": {"ready": true, "serving": true, "terminating": false},
                    "nodeName": pod.node,
                    "targetRef": {"kind": "Pod", "namespace": namespace, "name": name,
                                  "uid": uid("Pod", Some(namespace), name)},
                }))
            })
            .collect();
        let ports: Vec<Value> = spec
            .ports
            .iter()
            .filter_map(|port| {
                let number =
                    cluster.backends(service).find_map(|pod| pod.resolve(&port.target, port.protocol))?;
                Some(json!({"name": port.name(), "port": number, "protocol": port.protocol.as_str()}))
            })
            .collect();
        let name = format!("{}-{}", spec.name, family.to_ascii_lowercase());
        let labels = BTreeMap::from([("kubernetes.io/service-name".to_owned(), spec.name.clone())]);
        let mut metadata = metadata("EndpointSlice", Some(&spec.namespace), &name, &labels);
        metadata.insert(
            "ownerReferences".to_owned(),
            owner_references(&spec.namespace, "v1", "Service", &spec.name),
        );
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata,
            "addressType": family, "endpoints": endpoints, "ports": ports,
        })
    };
    families.map(slice).into()
}
