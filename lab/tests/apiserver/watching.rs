//! Watches as kube opens them.

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{PartialObjectMeta, WatchEvent, WatchParams};
use kube::runtime::watcher;
use kube::runtime::watcher::Event;
use kube::{Api, ResourceExt};
use portolan_lab::apiserver::{Failure, Target, Verb};
use serde_json::json;

use crate::world::{Mirror, World, both_ways, soon};

fn told(event: &Event<Pod>) -> String {
    match event {
        Event::Init => "init".to_owned(),
        Event::InitApply(pod) => format!("initially {}", pod.name_any()),
        Event::InitDone => "init done".to_owned(),
        Event::Apply(pod) => format!("apply {}", pod.name_any()),
        Event::Delete(pod) => format!("delete {}", pod.name_any()),
    }
}

#[tokio::test]
async fn a_watcher_sees_the_state_and_then_every_change_once() {
    for (way, config) in both_ways() {
        let world = World::new();
        world.add("a");
        world.add("b");
        let mut events = Box::pin(watcher(world.pods(), config));
        let mut seen = Vec::new();
        while seen.last().is_none_or(|last| last != "init done") {
            seen.push(told(&soon("the initial state", events.try_next()).await.unwrap().unwrap()));
        }
        world.add("c");
        world.store.patch("pod", "shop", "a", json!({"metadata": {"labels": {"x": "y"}}})).unwrap();
        world.remove("b");
        for _ in 0..3 {
            seen.push(told(&soon("a change", events.try_next()).await.unwrap().unwrap()));
        }
        assert_eq!(
            seen,
            ["init", "initially a", "initially b", "init done", "apply c", "apply a", "delete b"],
            "{way}"
        );
    }
}

#[tokio::test]
async fn a_streaming_list_needs_no_list() {
    let world = World::new();
    world.add("a");
    let never = Target::kind("pods").unwrap().only(Verb::List);
    world.store.faults().fail_next(never, 1, Failure::Internal);
    let mirror = Mirror::start(&world, watcher::Config::default().streaming_lists());
    mirror.shows(&["a"]).await;
    assert_eq!(world.store.faults().waiting(), 1, "nothing was listed");
}

#[tokio::test]
async fn objects_leave_a_watch_when_they_no_longer_match() {
    let world = World::new();
    world.add("a");
    world.add("b");
    let mirror = Mirror::start(&world, watcher::Config::default().fields("spec.nodeName=n1"));
    mirror.shows(&["a", "b"]).await;
    world.watched_by(1).await;
    world.store.patch("pod", "shop", "a", json!({"spec": {"nodeName": "n2"}})).unwrap();
    mirror.shows(&["b"]).await;
    world.store.patch("pod", "shop", "a", json!({"spec": {"nodeName": "n1"}})).unwrap();
    mirror.shows(&["a", "b"]).await;
}

#[tokio::test]
async fn other_namespaces_and_kinds_do_not_disturb_a_watch() {
    let world = World::new();
    world.add("a");
    let mirror = Mirror::start(&world, watcher::Config::default());
    mirror.shows(&["a"]).await;
    world.watched_by(1).await;
    let mut elsewhere = crate::world::pod("b");
    elsewhere["metadata"]["namespace"] = json!("default");
    world.store.apply(elsewhere).unwrap();
    world.add("c");
    mirror.shows(&["a", "c"]).await;
}

#[tokio::test]
async fn a_watch_that_times_out_ends_with_a_bookmark_at_the_newest_version() {
    let world = World::new();
    world.add("a");
    let start = world.store.revision().to_string();
    let params = WatchParams::default().timeout(1);
    let mut events = Box::pin(world.pods().watch(&params, &start).await.unwrap());
    world
        .store
        .apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}}))
        .unwrap();
    let newest = world.store.revision().to_string();
    let mut bookmarks = Vec::new();
    while let Some(event) = soon("the end of the watch", events.try_next()).await.unwrap() {
        match event {
            WatchEvent::Bookmark(bookmark) => bookmarks.push(bookmark.metadata.resource_version),
            other => panic!("nothing happened to pods, yet {other:?}"),
        }
    }
    assert_eq!(bookmarks, [newest]);
}

#[tokio::test]
async fn metadata_alone_can_be_watched() {
    for (way, config) in both_ways() {
        let world = World::new();
        world.add("a");
        let pods: Api<PartialObjectMeta<Pod>> = Api::namespaced(world.client(), "shop");
        let stream = watcher(pods, config);
        let mut names = Box::pin(stream.filter_map(|event| async move {
            match event.unwrap() {
                Event::InitApply(object) | Event::Apply(object) => Some(object.name_any()),
                _ => None,
            }
        }));
        assert_eq!(soon("the pod", names.next()).await.as_deref(), Some("a"), "{way}");
        world.add("b");
        assert_eq!(soon("the next pod", names.next()).await.as_deref(), Some("b"), "{way}");
    }
}

#[tokio::test]
async fn a_closed_client_closes_its_watch() {
    let world = World::new();
    let mirror = Mirror::start(&world, watcher::Config::default());
    world.watched_by(1).await;
    drop(mirror);
    world.watched_by(0).await;
    assert_eq!(world.store.open_watches("pods"), Ok(0));
}

#[tokio::test]
async fn a_stopping_server_ends_its_watches() {
    let world = World::new();
    let mut events = Box::pin(world.pods().watch(&WatchParams::default(), "0").await.unwrap());
    world.watched_by(1).await;
    let World { store, server } = world;
    tokio::task::spawn_blocking(move || server.stop()).await.unwrap().unwrap();
    let rest = soon("the end of the watch", events.try_next()).await;
    assert!(!matches!(rest, Ok(Some(_))), "{rest:?}");
    assert_eq!(store.open_watches("pods"), Ok(0));
}
