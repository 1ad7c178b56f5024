//! All objects together: typed, linked, and the same every time.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;
use crate::cluster::Service;
use crate::spec::ServiceSpec;

fn shop() -> Cluster {
    let mut cluster = Cluster::default();
    cluster.namespaces.insert("shop".to_owned(), Labels::new());
    cluster.nodes.push(Node { name: "n1".to_owned(), index: 1, addresses: addresses::node(1) });
    let pods = [
        PodSpec::new("shop/web-1").label("app", "web").owner("Deployment", "web"),
        PodSpec::new("shop/web-2").label("app", "web").owner("Deployment", "web"),
        PodSpec::new("shop/db-0").label("app", "db").owner("StatefulSet", "db").phase("Failed"),
        PodSpec::new("shop/sweep-x").label("app", "sweep").owner("CronJob", "sweep"),
    ];
    for (offset, spec) in pods.into_iter().enumerate() {
        let spec = spec.port("http", 8080, "TCP");
        let addresses = addresses::pod(1, offset as u16 + 2).unwrap().both().to_vec();
        cluster.pods.insert(spec.key(), Pod { spec, node: "n1".to_owned(), addresses });
    }
    for name in ["web", "db"] {
        let spec = ServiceSpec::new(&format!("shop/{name}")).port(80, "http", "TCP").selects([("app", name)]);
        let addresses = addresses::service(1).both().to_vec();
        cluster.services.insert(spec.key(), Service { spec, addresses });
    }
    cluster
}

/// Reads an object by its Kubernetes type and fails on any field that the type does not know.
fn typed<T: DeserializeOwned + Serialize>(object: &Value) {
    let read: T = serde_json::from_value(object.clone()).unwrap();
    let again = serde_json::to_value(&read).unwrap();
    for (key, value) in object.as_object().unwrap() {
        // Times are written in another precision, empty lists are left out.
        if ["spec", "kind", "apiVersion"].contains(&key.as_str()) {
            assert_eq!(value, &again[key], "{key} of {object}");
        }
    }
}

#[test]
fn every_object_is_one_of_its_kubernetes_type() {
    let mut kinds = BTreeSet::new();
    for object in all(&shop()) {
        let kind = object["kind"].as_str().unwrap().to_owned();
        match kind.as_str() {
            "Namespace" => typed::<core::Namespace>(&object),
            "Node" => typed::<core::Node>(&object),
            "Pod" => typed::<core::Pod>(&object),
            "Service" => typed::<core::Service>(&object),
            "EndpointSlice" => typed::<EndpointSlice>(&object),
            "Deployment" => typed::<Deployment>(&object),
            "ReplicaSet" => typed::<ReplicaSet>(&object),
            "StatefulSet" => typed::<StatefulSet>(&object),
            "CronJob" => typed::<CronJob>(&object),
            "Job" => typed::<Job>(&object),
            other => panic!("unexpected {other}"),
        }
        kinds.insert(kind);
    }
    assert_eq!(kinds.len(), 10);
}

#[test]
fn owners_lead_from_the_pod_to_the_workload() {
    let objects = all(&shop());
    let find = |kind: &str, name: &str| {
        let found = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
        objects.iter().find(found).unwrap_or_else(|| panic!("no {kind} {name}"))
    };
    let pod = find("Pod", "web-1");
    let owner = &pod["metadata"]["ownerReferences"][0];
    assert_eq!(owner["kind"], "ReplicaSet");
    let set = find("ReplicaSet", owner["name"].as_str().unwrap());
    assert_eq!(owner["uid"], set["metadata"]["uid"]);
    let deployment = find("Deployment", "web");
    assert_eq!(set["metadata"]["ownerReferences"][0]["uid"], deployment["metadata"]["uid"]);
    assert_eq!(deployment["spec"]["replicas"], 2);
    assert_eq!(
        pod["metadata"]["labels"]["pod-template-hash"],
        set["metadata"]["labels"]["pod-template-hash"]
    );
    assert_eq!(find("Pod", "sweep-x")["metadata"]["ownerReferences"][0]["kind"], "Job");
}

#[test]
fn a_service_counts_only_pods_that_run() {
    let objects = all(&shop());
    let endpoints = |service: &str| -> usize {
        let name = format!("{service}-ipv6");
        let slice = objects.iter().find(|object| object["metadata"]["name"] == *name).unwrap();
        slice["endpoints"].as_array().unwrap().len()
    };
    assert_eq!((endpoints("web"), endpoints("db")), (2, 0));
}

#[test]
fn the_same_cluster_gives_the_same_manifests_and_they_can_be_read_again() {
    let text = to_yaml(&all(&shop())).unwrap();
    assert_eq!(text, to_yaml(&all(&shop())).unwrap());
    let read: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    assert_eq!(read, all(&shop()));
}

#[test]
fn identifiers_are_distinct_and_look_like_uuids() {
    let objects = all(&shop());
    let with_uid: Vec<&Value> = objects.iter().filter(|object| object["kind"] != "Namespace").collect();
    let uids: BTreeSet<&str> =
        with_uid.iter().map(|object| object["metadata"]["uid"].as_str().unwrap()).collect();
    assert_eq!(uids.len(), with_uid.len());
    for uid in uids {
        let lengths: Vec<usize> = uid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{uid}");
    }
}
