//! Versions in time, and what counts as a change.

use super::*;
use crate::{Owner, parse_manifest};

const START: Timestamp = Timestamp::UNIX_EPOCH;

fn seconds(seconds: i64) -> Timestamp {
    START + SignedDuration::from_secs(seconds)
}

fn object(yaml: &str) -> Object {
    let mut manifest = parse_manifest(yaml);
    assert!(manifest.errors.is_empty(), "{:?}", manifest.errors);
    assert_eq!(manifest.objects.len(), 1, "one object: {yaml}");
    manifest.objects.remove(0)
}

fn pod(name: &str, ip: &str, app: &str) -> Object {
    object(&format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{namespace: shop, name: {name}, labels: {{app: {app}}}}}, \
         spec: {{nodeName: n1, containers: []}}, status: {{podIPs: [{{ip: {ip}}}]}}}}"
    ))
}

fn policy(namespace: &str) -> Object {
    object(&format!(
        "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, \
         metadata: {{namespace: {namespace}, name: lock}}, spec: {{podSelector: {{}}}}}}"
    ))
}

fn namespace(name: &str, team: &str) -> Object {
    object(&format!(
        "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {{team: {team}}}}}}}"
    ))
}

fn begun(objects: impl IntoIterator<Item = Object>) -> History {
    let mut history = History::default();
    for object in objects {
        history.apply(START, Change::Apply(object)).unwrap();
    }
    history.begin();
    history
}

fn apply(history: &mut History, at: i64, object: Object) {
    history.apply(seconds(at), Change::Apply(object)).unwrap();
}

fn app(cluster: &Cluster, pod: &str) -> Option<String> {
    cluster.pod("shop", pod)?.labels().get("app").cloned()
}

/// The pod's end of a flow.
fn end(history: &History, pod: &str) -> End {
    let pod = history.latest().pod("shop", pod).expect("the pod is there");
    history.latest().end(pod.ips[0], Some(80))
}

fn changed(history: &History, at: i64, pod: &str) -> bool {
    let outside = Who::External { ip: "192.0.2.1".parse().unwrap() }.at(None);
    let pod = end(history, pod);
    let (one, other) = (
        history.changed_near(seconds(at), [&pod, &outside]),
        history.changed_near(seconds(at), [&outside, &pod]),
    );
    assert_eq!(one, other, "both ends count the same");
    one
}

#[test]
fn a_moment_is_seen_as_it_was() {
    let mut history = begun([pod("web", "10.0.0.2", "old")]);
    apply(&mut history, 100, pod("web", "10.0.0.2", "new"));
    apply(&mut history, 200, pod("web", "10.0.0.2", "newer"));
    for (at, expected) in
        [(0, "old"), (99, "old"), (100, "new"), (199, "new"), (200, "newer"), (999, "newer")]
    {
        assert_eq!(app(history.at(seconds(at)), "web").as_deref(), Some(expected), "at {at} s");
    }
    assert_eq!(app(history.latest(), "web").as_deref(), Some("newer"));
}

#[test]
fn a_deleted_pod_is_still_there_in_its_time() {
    let mut history = begun([pod("web", "10.0.0.2", "web")]);
    history.apply(seconds(100), Change::Delete(pod("web", "10.0.0.2", "web").key())).unwrap();
    assert!(app(history.at(seconds(99)), "web").is_some());
    assert_eq!(app(history.at(seconds(100)), "web"), None);
}

#[test]
fn what_is_there_at_the_start_was_there_before_it_and_is_no_change() {
    let history = begun([namespace("shop", "a"), policy("shop"), pod("web", "10.0.0.2", "web")]);
    assert!(app(history.at(seconds(-1_000_000)), "web").is_some());
    assert!(!changed(&history, 0, "web"));
}

#[test]
fn a_pod_a_policy_and_a_namespace_change_what_is_near_them_in_time_and_place() {
    let changes = [
        ("its pod", pod("web", "10.0.0.2", "new"), true),
        ("another pod", pod("other", "10.0.0.9", "web"), false),
        ("a policy of its namespace", policy("shop"), true),
        ("a policy of another namespace", policy("bank"), false),
        ("its namespace", namespace("shop", "new"), true),
        ("another namespace", namespace("bank", "new"), false),
    ];
    for (what, object, expected) in changes {
        let mut history = begun([namespace("shop", "a"), pod("web", "10.0.0.2", "web")]);
        apply(&mut history, 100, object);
        for (at, near) in [(94, false), (95, true), (100, true), (105, true), (106, false)] {
            assert_eq!(changed(&history, at, "web"), near && expected, "{what}, seen at {at} s");
        }
    }
}

#[test]
fn a_policy_that_goes_is_a_change_too() {
    let mut history = begun([pod("web", "10.0.0.2", "web"), policy("shop")]);
    history.apply(seconds(100), Change::Delete(policy("shop").key())).unwrap();
    assert!(changed(&history, 101, "web"));
}

/// One object of each kind, and the same one changed.
fn changes_of_each_kind() -> Vec<[Object; 2]> {
    let wide = |version: &str, kind: &str, spec: &str| {
        object(&format!(
            "{{apiVersion: policy.networking.k8s.io/{version}, kind: {kind}, metadata: {{name: default}}, \
             spec: {{subject: {{namespaces: {{}}}}, {spec}}}}}"
        ))
    };
    let of_owner = |api_version: &str, kind: &str, owner: &str| {
        object(&format!(
            "{{apiVersion: {api_version}, kind: {kind}, metadata: {{namespace: shop, name: web-1, ownerReferences: \
             [{{apiVersion: apps/v1, kind: Deployment, name: {owner}, uid: u, controller: true}}]}}}}"
        ))
    };
    let node = |ip: &str| {
        object(&format!(
            "{{apiVersion: v1, kind: Node, metadata: {{name: n1}}, \
             status: {{addresses: [{{type: InternalIP, address: {ip}}}]}}}}"
        ))
    };
    let service = |port: u16| {
        object(&format!(
            "{{apiVersion: v1, kind: Service, metadata: {{namespace: shop, name: web}}, \
             spec: {{clusterIP: 10.96.0.1, ports: [{{port: {port}}}]}}}}"
        ))
    };
    let slice = |ip: &str| {
        object(&format!(
            "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {{namespace: shop, name: web-1, \
             labels: {{kubernetes.io/service-name: web}}}}, addressType: IPv4, endpoints: [{{addresses: [{ip}]}}]}}"
        ))
    };
    let egress = |namespace: &str| {
        object(&format!(
            "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, \
             metadata: {{namespace: {namespace}, name: lock}}, spec: {{policyTypes: [Egress]}}}}"
        ))
    };
    let (cluster, admin, baseline) =
        ("ClusterNetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy");
    vec![
        [pod("web", "10.0.0.2", "web"), pod("web", "10.0.0.2", "new")],
        [namespace("shop", "a"), namespace("shop", "b")],
        [node("192.0.2.1"), node("192.0.2.2")],
        [service(80), service(81)],
        [slice("10.0.0.2"), slice("10.0.0.3")],
        [policy("shop"), egress("shop")],
        [
            wide("v1alpha2", cluster, "tier: Admin, priority: 1"),
            wide("v1alpha2", cluster, "tier: Admin, priority: 2"),
        ],
        [wide("v1alpha1", admin, "priority: 1"), wide("v1alpha1", admin, "priority: 2")],
        [wide("v1alpha1", baseline, "ingress: []"), wide("v1alpha1", baseline, "egress: []")],
        [of_owner("apps/v1", "ReplicaSet", "web"), of_owner("apps/v1", "ReplicaSet", "api")],
        [of_owner("batch/v1", "Job", "web"), of_owner("batch/v1", "Job", "api")],
    ]
}

#[test]
fn an_object_that_is_told_again_is_neither_change_nor_version() {
    let pairs = changes_of_each_kind();
    assert_eq!(pairs.len(), ObjectKind::ALL.len());
    let objects: Vec<Object> = pairs.into_iter().map(|[object, _]| object).collect();
    let mut history = begun(objects.clone());
    for object in objects {
        let mut annotated = object.clone();
        annotate(&mut annotated);
        for told in [object, annotated] {
            apply(&mut history, 100, told);
        }
    }
    assert!(!changed(&history, 100, "web"));
    assert_eq!(history.versions.len(), 1);
}

/// Says something that no policy sees.
fn annotate(object: &mut Object) {
    let note = Some([("note".to_owned(), "again".to_owned())].into());
    match object {
        Object::Pod(pod) => pod.metadata.annotations = note,
        Object::Service(service) => service.metadata.annotations = note,
        Object::NetworkPolicy(policy) => policy.metadata.annotations = note,
        Object::ClusterNetworkPolicy(policy) => policy.metadata.annotations = note,
        _ => {}
    }
}

#[test]
fn an_object_of_any_kind_that_changes_or_goes_is_a_version() {
    for [before, after] in changes_of_each_kind() {
        let (kind, key) = (before.kind(), before.key());
        let mut history = begun([before]);
        apply(&mut history, 100, after);
        assert_eq!(history.versions.len(), 2, "{kind} changed");
        history.apply(seconds(200), Change::Delete(key.clone())).unwrap();
        assert_eq!(history.versions.len(), 3, "{kind} went");
        history.apply(seconds(300), Change::Delete(key)).unwrap();
        assert_eq!(history.versions.len(), 3, "{kind} was gone already");
    }
}

#[test]
fn addresses_of_a_node_that_are_told_again_are_no_version() {
    let mut history = begun([]);
    let tell = |history: &mut History, at, ips: &[&str]| {
        let addresses = ips.iter().map(|ip| ip.parse().unwrap()).collect();
        history.apply(seconds(at), Change::NodeAddresses { node: "n1".to_owned(), addresses }).unwrap();
        history.versions.len()
    };
    assert_eq!(tell(&mut history, 10, &[]), 1);
    assert_eq!(tell(&mut history, 20, &["10.0.0.254"]), 2);
    assert_eq!(tell(&mut history, 30, &["::ffff:10.0.0.254"]), 2);
    assert_eq!(tell(&mut history, 40, &[]), 3);
}

#[test]
fn the_addresses_of_a_node_are_a_version_and_no_change_of_any_pod() {
    let mut history = begun([pod("web", "10.0.0.2", "web")]);
    let bridge: IpAddr = "10.0.0.254".parse().unwrap();
    let change = Change::NodeAddresses { node: "n1".to_owned(), addresses: vec![bridge] };
    history.apply(seconds(100), change).unwrap();
    assert_eq!(history.at(seconds(99)).owner(bridge), Owner::External);
    assert!(matches!(history.at(seconds(100)).owner(bridge), Owner::Node { name: "n1", .. }));
    assert!(!changed(&history, 100, "web"));
}

#[test]
fn an_invalid_object_is_named_and_changes_nothing() {
    let mut history = begun([pod("web", "10.0.0.2", "web")]);
    let error = history.apply(seconds(100), Change::Apply(pod("web", "not-an-ip", "new"))).unwrap_err();
    assert!(error.to_string().contains("shop/web"), "{error}");
    assert_eq!(app(history.latest(), "web").as_deref(), Some("web"));
    assert!(!changed(&history, 100, "web"));
}

#[test]
fn an_hour_is_kept_and_what_was_in_force_before_them_stands_for_the_rest() {
    const STEP: i64 = 12 * 60;
    let mut history = begun([pod("web", "10.0.0.2", "start")]);
    for step in 1..=60 {
        apply(&mut history, step * STEP, pod("web", "10.0.0.2", &format!("step-{step}")));
    }
    let step = |step: i64| app(history.at(seconds(step * STEP + 1)), "web");
    assert_eq!(step(60).as_deref(), Some("step-60"));
    assert_eq!(step(55).as_deref(), Some("step-55"), "an hour back");
    assert!(history.versions.len() <= 7, "{} versions", history.versions.len());
    assert_eq!(step(1).as_deref(), Some("step-54"), "the oldest that is kept");
    assert!(history.knows(seconds(55 * STEP)) && !history.knows(seconds(STEP)), "and it is said which");
}

#[test]
fn a_storm_of_changes_is_kept_within_bounds() {
    let mut history = begun([]);
    for index in 0..MOST + 500 {
        let ip = format!("10.{}.{}.{}", index >> 16, index >> 8 & 255, index & 255);
        apply(&mut history, 1, pod(&format!("pod-{index}"), &ip, "web"));
    }
    assert_eq!(history.versions.len(), MOST);
    apply(&mut history, 5000, pod("late", "10.200.0.1", "web"));
    assert_eq!(history.versions.len(), 2, "the storm is long over");
    assert_eq!(history.changes.len(), 1, "and so are its changes");
}

#[test]
fn a_clock_that_is_set_back_does_not_disorder_the_versions() {
    let mut history = begun([pod("web", "10.0.0.2", "start")]);
    apply(&mut history, 100, pod("web", "10.0.0.2", "first"));
    apply(&mut history, 40, pod("web", "10.0.0.2", "second"));
    apply(&mut history, 200, pod("web", "10.0.0.2", "third"));
    for (at, expected) in [(99, "start"), (100, "second"), (199, "second"), (200, "third")] {
        assert_eq!(app(history.at(seconds(at)), "web").as_deref(), Some(expected), "at {at} s");
    }
}

#[test]
fn a_cluster_wide_policy_is_a_change_for_every_pod() {
    for (kind, version) in [
        ("ClusterNetworkPolicy", "v1alpha2"),
        ("AdminNetworkPolicy", "v1alpha1"),
        ("BaselineAdminNetworkPolicy", "v1alpha1"),
    ] {
        let policy = object(&format!(
            "{{apiVersion: policy.networking.k8s.io/{version}, kind: {kind}, metadata: {{name: default}}, \
             spec: {{tier: Admin, priority: 1, subject: {{namespaces: {{}}}}}}}}"
        ));
        let key = policy.key();
        let mut history = begun([pod("web", "10.0.0.2", "web")]);
        assert!(!changed(&history, 100, "web"), "{kind}");
        apply(&mut history, 100, policy);
        assert!(changed(&history, 100, "web"), "{kind}");
        assert!(!changed(&history, 110, "web"), "{kind}");
        history.apply(seconds(200), Change::Delete(key)).unwrap();
        assert!(changed(&history, 201, "web"), "{kind}");
    }
}

#[test]
fn a_version_has_a_number_of_its_own_that_it_keeps() {
    let mut history = History::default();
    let mut numbers = vec![history.latest_version().number];
    history.apply(seconds(0), Change::Apply(pod("web", "10.0.0.2", "start"))).unwrap();
    numbers.push(history.latest_version().number);
    history.begin();
    for step in 1..=60 {
        apply(&mut history, step * 120, pod("web", "10.0.0.2", &format!("step-{step}")));
        numbers.push(history.latest_version().number);
        assert_eq!(history.version_at(seconds(step * 120)).number, history.latest_version().number);
    }
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    let kept = |step: i64| history.version_at(seconds(step * 120)).number == numbers[step as usize + 1];
    assert!(kept(60) && kept(40), "also when others were forgotten");
    assert!(!history.knows(seconds(120)), "as the first were");
}
