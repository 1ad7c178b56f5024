//! Reads and writes, one request at a time.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Error, ResourceExt};
use serde_json::{Value, json};

use crate::world::{World, pod};

fn refused<T: std::fmt::Debug>(result: kube::Result<T>) -> (u16, String) {
    match result.unwrap_err() {
        Error::Api(status) => (status.code, status.message),
        other => panic!("no answer of the API: {other:?}"),
    }
}

#[tokio::test]
async fn a_client_creates_reads_replaces_and_deletes() {
    let world = World::new();
    let pods = world.pods();
    let made =
        pods.create(&PostParams::default(), &serde_json::from_value(pod("web")).unwrap()).await.unwrap();
    assert!(made.uid().is_some());
    assert_eq!(
        made.status.as_ref().unwrap().phase.as_deref(),
        Some("Pending"),
        "clients do not write the status"
    );

    let mut changed = pods.get("web").await.unwrap();
    changed.labels_mut().insert("tier".to_owned(), "front".to_owned());
    let replaced = pods.replace("web", &PostParams::default(), &changed).await.unwrap();
    assert_ne!(replaced.resource_version(), made.resource_version());
    assert_eq!(refused(pods.replace("web", &PostParams::default(), &changed).await).0, 409);

    pods.delete("web", &DeleteParams::default()).await.unwrap();
    assert_eq!(refused(pods.get("web").await), (404, "pods \"web\" not found".to_owned()));
}

#[tokio::test]
async fn patches_change_spec_and_status_apart() {
    let world = World::new();
    world.add("web");
    let pods = world.pods();
    let change = json!({"metadata": {"labels": {"a": "b"}}, "status": {"phase": "Failed"}});
    let patched = pods.patch("web", &PatchParams::default(), &Patch::Merge(&change)).await.unwrap();
    assert_eq!(patched.labels().get("a").map(String::as_str), Some("b"));
    assert_eq!(patched.status.unwrap().phase.as_deref(), Some("Running"));

    let patched = pods.patch_status("web", &PatchParams::default(), &Patch::Merge(&change)).await.unwrap();
    assert_eq!(patched.status.unwrap().phase.as_deref(), Some("Failed"));

    let sidecar = json!({"spec": {"containers": [{"name": "proxy", "image": "p"}]}});
    let patched = pods.patch("web", &PatchParams::default(), &Patch::Strategic(&sidecar)).await.unwrap();
    let names: Vec<String> =
        patched.spec.unwrap().containers.into_iter().map(|container| container.name).collect();
    assert_eq!(names, ["main", "proxy"]);
}

#[tokio::test]
async fn server_side_apply_creates_merges_and_names_conflicts() {
    let world = World::new();
    let deployments: Api<Deployment> = Api::namespaced(world.client(), "shop");
    let config = |replicas: u32| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "w"}]}}},
        })
    };
    let apply = |manager: &str, replicas| {
        let (deployments, manager) = (deployments.clone(), manager.to_owned());
        async move {
            deployments.patch("web", &PatchParams::apply(&manager), &Patch::Apply(config(replicas))).await
        }
    };
    let first = apply("one", 1).await.unwrap();
    let again = apply("one", 1).await.unwrap();
    assert_eq!(again.resource_version(), first.resource_version(), "an apply without effect changes nothing");
    let (code, message) = refused(apply("two", 2).await);
    assert_eq!(code, 409);
    assert!(message.contains("conflict with \"one\"") && message.contains(".spec.replicas"), "{message}");
    let forced =
        deployments.patch("web", &PatchParams::apply("two").force(), &Patch::Apply(config(2))).await.unwrap();
    assert_eq!(forced.spec.unwrap().replicas, Some(2));
}

#[tokio::test]
async fn a_policy_is_defaulted_and_a_wrong_one_refused_with_its_field() {
    let world = World::new();
    let policies: Api<NetworkPolicy> = Api::namespaced(world.client(), "shop");
    let policy = |name: &str, port: i32| -> NetworkPolicy {
        serde_json::from_value(json!({"metadata": {"name": name}, "spec": {
            "podSelector": {}, "ingress": [{"ports": [{"port": port}]}]}}))
        .unwrap()
    };
    let made = policies.create(&PostParams::default(), &policy("good", 80)).await.unwrap();
    let spec = made.spec.unwrap();
    assert_eq!(spec.policy_types, Some(vec!["Ingress".to_owned()]));
    assert_eq!(spec.ingress.unwrap()[0].ports.as_ref().unwrap()[0].protocol.as_deref(), Some("TCP"));
    let (code, message) = refused(policies.create(&PostParams::default(), &policy("bad", 70_000)).await);
    assert_eq!(code, 422);
    assert!(message.contains("spec.ingress[0].ports[0].port: Invalid value: 70000"), "{message}");
}

#[tokio::test]
async fn pages_show_one_version_and_an_old_page_is_gone() {
    let world = World::new();
    for name in ["a", "b", "c", "d", "e"] {
        world.add(name);
    }
    let pods = world.pods();
    let names =
        |page: &kube::api::ObjectList<Pod>| page.iter().map(ResourceExt::name_any).collect::<Vec<_>>();
    let first = pods.list(&ListParams::default().limit(2)).await.unwrap();
    assert_eq!((names(&first), first.metadata.remaining_item_count), (vec!["a".into(), "b".into()], Some(3)));
    let token = first.metadata.continue_.clone().unwrap();
    world.remove("d");
    world.add("bb");
    let rest = pods.list(&ListParams::default().continue_token(&token)).await.unwrap();
    assert_eq!(names(&rest), ["c", "d", "e"]);
    assert_eq!(rest.metadata.resource_version, first.metadata.resource_version);
    world.store.faults().forget_history();
    assert_eq!(refused(pods.list(&ListParams::default().continue_token(&token)).await).0, 410);
}

#[tokio::test]
async fn selectors_narrow_lists() {
    let world = World::new();
    for name in ["a", "b", "c"] {
        world.add(name);
    }
    world
        .store
        .patch("pod", "shop", "c", json!({"spec": {"nodeName": "n2"}, "status": {"phase": "Failed"}}))
        .unwrap();
    let all: Api<Pod> = Api::all(world.client());
    let cases = [
        (ListParams::default().labels("app in (a,c)"), vec!["a", "c"]),
        (ListParams::default().labels("app!=a"), vec!["b", "c"]),
        (ListParams::default().fields("spec.nodeName=n2"), vec!["c"]),
        (ListParams::default().fields("status.phase!=Failed,metadata.namespace=shop"), vec!["a", "b"]),
    ];
    for (params, expected) in cases {
        let names: Vec<String> = all.list(&params).await.unwrap().iter().map(ResourceExt::name_any).collect();
        assert_eq!(names, expected, "{params:?}");
    }
    assert_eq!(refused(all.list(&ListParams::default().fields("spec.foo=1")).await).0, 400);
}

#[tokio::test]
async fn a_namespace_is_labelled_and_takes_its_content_along() {
    let world = World::new();
    world.add("web");
    let namespaces: Api<Namespace> = Api::all(world.client());
    let shop = namespaces.get("shop").await.unwrap();
    assert_eq!(shop.labels().get("kubernetes.io/metadata.name").map(String::as_str), Some("shop"));
    namespaces.delete("shop", &DeleteParams::default()).await.unwrap();
    assert_eq!(refused(world.pods().get("web").await).0, 404);
    assert_eq!(refused(world.pods().create(&PostParams::default(), &Pod::default()).await).0, 422);
    let web = serde_json::from_value(pod("web")).unwrap();
    assert_eq!(
        refused(world.pods().create(&PostParams::default(), &web).await),
        (404, "namespaces \"shop\" not found".to_owned())
    );
}

#[tokio::test]
async fn many_are_deleted_at_once() {
    let world = World::new();
    for name in ["a", "b", "c"] {
        world.add(name);
    }
    let params = ListParams::default().labels("app!=b");
    world.pods().delete_collection(&DeleteParams::default(), &params).await.unwrap();
    let left: Vec<String> =
        world.pods().list(&ListParams::default()).await.unwrap().iter().map(ResourceExt::name_any).collect();
    assert_eq!(left, ["b"]);
}

#[test]
fn refusals_are_real_status_objects() {
    let world = World::new();
    let protobuf = "application/vnd.kubernetes.protobuf";
    let pods = "/api/v1/namespaces/shop/pods";
    let cases = [
        ("an unknown path", world.raw("GET /api/v1/gateways", "", ""), 404, "NotFound"),
        ("a method out of place", world.raw(&format!("PUT {pods}"), "", "{}"), 405, "MethodNotAllowed"),
        (
            "protobuf alone",
            world.raw(&format!("GET {pods}"), &format!("accept: {protobuf}\r\n"), ""),
            406,
            "NotAcceptable",
        ),
        (
            "a protobuf body",
            world.raw(&format!("POST {pods}"), &format!("content-type: {protobuf}\r\n"), "k8s"),
            415,
            "UnsupportedMediaType",
        ),
        ("no object", world.raw(&format!("POST {pods}"), "", "nonsense"), 400, "BadRequest"),
        ("an object without a name", world.raw(&format!("POST {pods}"), "", "{}"), 422, "Invalid"),
        (
            "another kind",
            world.raw(&format!("POST {pods}"), "", r#"{"kind":"Node","metadata":{"name":"a"}}"#),
            400,
            "BadRequest",
        ),
        (
            "a version from the future",
            world.raw(&format!("GET {pods}?resourceVersion=999999"), "", ""),
            504,
            "Timeout",
        ),
        ("no version", world.raw(&format!("GET {pods}?resourceVersion=new"), "", ""), 400, "BadRequest"),
    ];
    for (what, (code, _, status), expected, reason) in cases {
        assert_eq!(code, expected, "{what}: {status}");
        assert_eq!((&status["kind"], &status["status"]), (&json!("Status"), &json!("Failure")), "{what}");
        assert_eq!((&status["code"], &status["reason"]), (&json!(expected), &json!(reason)), "{what}");
    }
}

#[test]
fn unknown_fields_are_refused_or_warned_of() {
    let world = World::new();
    let body = json!({"metadata": {"name": "a"}, "data": {}, "dta": {}}).to_string();
    let path = "POST /api/v1/namespaces/shop/configmaps?fieldValidation";
    let (code, _, status) = world.raw(&format!("{path}=Strict"), "", &body);
    assert_eq!(code, 400);
    assert!(status["message"].as_str().unwrap().contains("unknown field \"dta\""), "{status}");
    let (code, head, _) = world.raw(&format!("{path}=Warn"), "", &body);
    assert_eq!(code, 201);
    assert!(head.contains(r#"warning: 299 - "unknown field \"dta\"""#), "{head}");
}

#[test]
fn tables_and_metadata_are_shown_on_request() {
    let world = World::new();
    world.add("web");
    let pods = "GET /api/v1/namespaces/shop/pods";
    let (_, _, table) = world.raw(pods, "accept: application/json;as=Table;v=v1;g=meta.k8s.io\r\n", "");
    assert_eq!(table["kind"], "Table");
    assert_eq!(table["rows"][0]["cells"][0], "web");
    assert_eq!(table["rows"][0]["object"]["metadata"]["namespace"], "shop");
    let accept = "accept: application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1\r\n";
    let (_, _, list) = world.raw(pods, accept, "");
    assert_eq!(list["kind"], "PartialObjectMetadataList");
    assert_eq!(
        (&list["items"][0]["metadata"]["name"], &list["items"][0]["spec"]),
        (&json!("web"), &Value::Null)
    );
}

#[test]
fn items_of_built_in_lists_do_not_repeat_their_kind() {
    let world = World::new();
    let anp = json!({"apiVersion": "policy.networking.k8s.io/v1alpha1", "kind": "AdminNetworkPolicy",
        "metadata": {"name": "top"}, "spec": {"priority": 1}});
    world.store.apply(anp).unwrap();
    world.add("web");
    let (_, _, pods) = world.raw("GET /api/v1/pods", "", "");
    assert_eq!((&pods["kind"], &pods["items"][0]["kind"]), (&json!("PodList"), &Value::Null));
    let (_, _, anps) = world.raw("GET /apis/policy.networking.k8s.io/v1alpha1/adminnetworkpolicies", "", "");
    assert_eq!(anps["items"][0]["kind"], "AdminNetworkPolicy");
}

#[test]
fn one_store_can_be_served_twice() {
    let world = World::new();
    let second = portolan_lab::apiserver::spawn(
        std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
        world.store.clone(),
    )
    .unwrap();
    world.add("web");
    let other = World { store: world.store.clone(), server: second };
    let (code, _, found) = other.raw("GET /api/v1/namespaces/shop/pods/web", "", "");
    assert_eq!((code, &found["metadata"]["name"]), (200, &json!("web")));
}
