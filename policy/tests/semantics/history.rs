//! Versions in time: each answers as it did then, whatever changed since (M3, W6).

use crate::world::{PodBuilder, labelled, object, pod, policy, say};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Namespace;
use portolan_policy::{
    Change, Connection, History, Object, ObjectKey, ObjectKind, Protocol, api::v1alpha2::ClusterNetworkPolicy,
};
use serde_json::{Value, json};

fn seconds(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

fn web() -> PodBuilder {
    pod("shop/web").ip("10.0.0.1").on("n1")
}

fn curl() -> PodBuilder {
    pod("dev/curl").ip("10.0.0.2").on("n2")
}

fn dev(label: &str) -> Object {
    object::<Namespace>(json!({"metadata": {"name": "dev", "labels": labelled(label)["matchLabels"]}}))
}

/// Admits the namespaces of a team, and curls from anywhere.
fn guard() -> Object {
    let team = json!({"namespaceSelector": labelled("team=dev")});
    let curls = json!({"namespaceSelector": {}, "podSelector": labelled("app=curl")});
    policy("shop/guard", json!({"ingress": [{"from": [team]}, {"from": [curls]}]}))
}

fn lock() -> Object {
    let everybody = json!({"namespaces": {}});
    let rule = json!({"action": "Deny", "from": [everybody]});
    let spec: Value = json!({"tier": "Admin", "priority": 1, "subject": everybody, "ingress": [rule]});
    object::<ClusterNetworkPolicy>(json!({"metadata": {"name": "lock"}, "spec": spec}))
}

/// What the ingress side of the pod said to a call at this time.
fn ingress(history: &History, at: i64) -> String {
    let connection = Connection {
        source: [10, 0, 0, 2].into(),
        destination: [10, 0, 0, 1].into(),
        port: Some(80),
        protocol: Protocol::Tcp,
    };
    say(&history.at(seconds(at)).decide(&connection).ingress)
}

#[test]
fn an_older_version_answers_as_it_did_then_whatever_changed_since() {
    let mut history = History::default();
    for object in [dev("team=dev"), web().build(), curl().build(), guard()] {
        history.apply(seconds(0), Change::Apply(object)).unwrap();
    }
    history.begin();
    let mut then = vec![(-1, "admitted by shop/guard[0]"), (9, "admitted by shop/guard[0]")];
    let changes = [
        (10, "a namespace is relabelled", Change::Apply(dev("team=ops")), "denied by shop/guard"),
        (
            20,
            "a pod is relabelled",
            Change::Apply(curl().label("app=curl").build()),
            "admitted by shop/guard[1]",
        ),
        (30, "a cluster-wide policy is new", Change::Apply(lock()), "denied by lock"),
        (40, "it is gone", Change::Delete(lock().key()), "admitted by shop/guard[1]"),
        (50, "a policy is replaced", Change::Apply(policy("shop/guard", json!({}))), "denied by shop/guard"),
        (60, "it is gone", Change::Delete(guard().key()), "not-isolated"),
        (
            70,
            "a pod is gone",
            Change::Delete(ObjectKey::namespaced(ObjectKind::Pod, "shop", "web")),
            "not-applicable",
        ),
    ];
    for (at, what, change, expected) in changes {
        history.apply(seconds(at), change).unwrap();
        then.extend([(at, expected), (at + 9, expected)]);
        for (at, expected) in &then {
            assert_eq!(ingress(&history, *at), *expected, "at {at} s, after {what}");
        }
    }
}
