//! What goes wrong on purpose, and that a kube client gets over it.

use std::time::{Duration, Instant};

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::core::DeserializeGuard;
use kube::runtime::watcher;
use kube::{Api, Error};
use portolan_lab::apiserver::{Failure, Target, Verb};
use serde_json::{Value, json};

use crate::world::{Mirror, World, both_ways, eventually, soon};

fn pods() -> Target {
    Target::kind("pods").unwrap()
}

#[tokio::test]
async fn a_reflector_survives_closed_and_broken_watches() {
    for (way, config) in both_ways() {
        let world = World::new();
        world.add("a");
        let mirror = Mirror::start(&world, config);
        mirror.shows(&["a"]).await;
        world.watched_by(1).await;
        world.store.faults().close_watches(Target::all());
        world.add("b");
        mirror.shows(&["a", "b"]).await;
        world.watched_by(1).await;
        world.store.faults().break_watches(pods());
        world.remove("a");
        mirror.shows(&["b"]).await;
        world.watched_by(1).await;
        world.store.faults().break_next_event("pods").unwrap();
        world.add("c");
        mirror.shows(&["b", "c"]).await;
        assert_eq!(world.store.faults().waiting(), 0, "{way}");
    }
}

#[tokio::test]
async fn deletes_that_were_missed_are_found_out_after_410() {
    for (way, config) in both_ways() {
        let world = World::new();
        world.add("a");
        world.add("b");
        let mirror = Mirror::start(&world, config);
        mirror.shows(&["a", "b"]).await;
        world.watched_by(1).await;
        world.store.faults().swallow_deletes(1);
        world.remove("a");
        world.add("c");
        mirror.shows(&["a", "b", "c"]).await;
        world.store.faults().expire_watches(Target::all());
        mirror.shows(&["b", "c"]).await;
        assert_eq!(mirror.names(), ["b", "c"], "{way}");
    }
}

#[tokio::test]
async fn a_version_from_before_the_history_is_told_as_an_error_event() {
    let world = World::new();
    world.add("a");
    let old = world.store.revision();
    world.add("b");
    world.store.faults().forget_history();
    let mut events = Box::pin(world.pods().watch(&WatchParams::default(), &old.to_string()).await.unwrap());
    match soon("the error", events.try_next()).await.unwrap() {
        Some(WatchEvent::Error(status)) => {
            assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
        }
        other => panic!("{other:?}"),
    }
    assert!(soon("the end", events.try_next()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_watch_that_falls_behind_a_short_history_gets_410() {
    let store = portolan_lab::apiserver::Store::with_options(portolan_lab::apiserver::StoreOptions {
        history: 3,
        ..Default::default()
    });
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = portolan_lab::apiserver::spawn(listener, store.clone()).unwrap();
    let world = World { store, server };
    let old = world.store.revision();
    for name in ["a", "b", "c", "d"] {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        world.store.apply(namespace).unwrap();
    }
    let (code, _, error) =
        world.raw(&format!("GET /api/v1/namespaces?watch=1&resourceVersion={old}"), "", "");
    // The body is chunked: one line, then the end. Only the code can be read without decoding it.
    assert_eq!((code, error), (200, Value::Null));
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(world.client());
    let mut events = Box::pin(namespaces.watch(&WatchParams::default(), &old.to_string()).await.unwrap());
    let first = soon("the error", events.try_next()).await.unwrap();
    assert!(matches!(&first, Some(WatchEvent::Error(status)) if status.code == 410), "{first:?}");
}

#[tokio::test]
async fn requests_fail_as_told_and_then_work_again() {
    let world = World::new();
    let cases = [
        (Failure::Gone, 410),
        (Failure::Forbidden, 403),
        (Failure::TooManyRequests { retry_after: 3 }, 429),
        (Failure::Internal, 500),
    ];
    for (failure, code) in cases {
        world.store.faults().fail_next(pods().only(Verb::List), 1, failure);
        match world.pods().list(&ListParams::default()).await {
            Err(Error::Api(status)) => assert_eq!(status.code, code, "{failure:?}"),
            other => panic!("{failure:?}: {other:?}"),
        }
        assert!(world.pods().list(&ListParams::default()).await.is_ok(), "{failure:?} is spent");
    }
    world.store.faults().fail_next(Target::all(), 1, Failure::TooManyRequests { retry_after: 3 });
    let (_, head, status) = world.raw("GET /api/v1/pods", "", "");
    assert!(head.contains("retry-after: 3"), "{head}");
    assert_eq!(status["details"]["retryAfterSeconds"], 3);
}

#[tokio::test]
async fn a_reflector_comes_up_through_failures() {
    for (way, config) in both_ways() {
        let world = World::new();
        world.add("a");
        for failure in [Failure::Internal, Failure::Forbidden, Failure::TooManyRequests { retry_after: 1 }] {
            world.store.faults().fail_next(pods(), 2, failure);
        }
        let mirror = Mirror::start(&world, config);
        mirror.shows(&["a"]).await;
        assert_eq!(world.store.faults().waiting(), 0, "{way}");
    }
}

#[tokio::test]
async fn malformed_lines_and_objects_do_not_stop_a_reflector() {
    let world = World::new();
    world.add("a");
    let mirror = Mirror::start(&world, watcher::Config::default());
    mirror.shows(&["a"]).await;
    let malformed = json!({"type": "MODIFIED", "object": {"metadata": {"name": "a"}, "spec": "nonsense"}});
    for line in [malformed.to_string(), "{not json".to_owned(), String::new()] {
        world.watched_by(1).await;
        world.store.faults().send_line("pods", &line).unwrap();
    }
    world.add("b");
    mirror.shows(&["a", "b"]).await;
}

#[tokio::test]
async fn a_malformed_object_in_a_list_can_be_told_from_the_others() {
    let world = World::new();
    world.add("a");
    let guarded: Api<DeserializeGuard<Pod>> = Api::namespaced(world.client(), "shop");
    let odd = json!({"metadata": {"name": "odd", "namespace": "shop"}, "spec": {"containers": "none"}});
    world.store.faults().add_to_next_list("pods", odd.clone()).unwrap();
    let list = guarded.list(&ListParams::default()).await.unwrap();
    assert_eq!(list.items.iter().filter(|pod| pod.0.is_err()).count(), 1);
    assert_eq!(list.items.len(), 2);
    assert_eq!(
        guarded.list(&ListParams::default()).await.unwrap().items.len(),
        1,
        "only the next list shows it"
    );
    world.store.insert_raw("pods", "shop", "odd", odd).unwrap();
    assert!(world.pods().list(&ListParams::default()).await.is_err());
}

#[tokio::test]
async fn events_can_come_twice() {
    let world = World::new();
    world.store.faults().duplicate_events(true);
    let start = world.store.revision().to_string();
    let mut events = Box::pin(world.pods().watch(&WatchParams::default(), &start).await.unwrap());
    world.add("a");
    for _ in 0..2 {
        let event = soon("the event", events.try_next()).await.unwrap();
        assert!(matches!(&event, Some(WatchEvent::Added(_))), "{event:?}");
    }
}

#[tokio::test]
async fn answers_can_be_slow() {
    let world = World::new();
    let delay = Duration::from_millis(300);
    world.store.faults().delay(pods(), delay);
    let begun = Instant::now();
    world.pods().list(&ListParams::default()).await.unwrap();
    assert!(begun.elapsed() >= delay, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn streaming_lists_can_be_refused() {
    let world = World::new();
    world.store.faults().refuse_streaming_lists(true);
    let mut events = Box::pin(watcher(world.pods(), watcher::Config::default().streaming_lists()));
    let error = soon("the refusal", async {
        loop {
            if let Err(error) = events.try_next().await {
                return error;
            }
        }
    })
    .await;
    let watcher::Error::WatchStartFailed(Error::Api(status)) = &error else { panic!("{error:?}") };
    assert_eq!(status.code, 422);
    assert!(status.message.contains("WatchList"), "{}", status.message);
}

#[tokio::test]
async fn a_fault_for_open_watches_does_not_hit_later_ones() {
    let world = World::new();
    let start = world.store.revision().to_string();
    world.store.faults().close_watches(Target::all());
    world.store.faults().send_line("pods", "{}").unwrap();
    world.add("a");
    let mut events = Box::pin(world.pods().watch(&WatchParams::default(), &start).await.unwrap());
    let event = soon("the event", events.try_next()).await.unwrap();
    assert!(matches!(&event, Some(WatchEvent::Added(_))), "{event:?}");
    eventually("the watch is still open", || world.store.open_watches("pods") == Ok(1)).await;
}
