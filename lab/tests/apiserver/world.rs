//! A server with a client on it, and the words that the tests speak.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::reflector;
use kube::runtime::utils::Backoff;
use kube::runtime::{WatchStreamExt, reflector as reflect, watcher};
use kube::{Api, Client, Config, ResourceExt};
use portolan_lab::apiserver::{Running, Store, spawn};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A store, its server, and the namespace `shop`.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) server: Running,
}

impl World {
    pub(crate) fn new() -> Self {
        let store = Store::new();
        store.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})).unwrap();
        let server = spawn(TcpListener::bind("127.0.0.1:0").unwrap(), store.clone()).unwrap();
        Self { store, server }
    }

    /// A kube client that does not try again by itself.
    pub(crate) fn client(&self) -> Client {
        let mut config = Config::new(self.server.url().parse().unwrap());
        config.default_retry = false;
        Client::try_from(config).unwrap()
    }

    pub(crate) fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client(), "shop")
    }

    pub(crate) fn add(&self, name: &str) {
        self.store.apply(pod(name)).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        self.store.delete("pod", "shop", name).unwrap();
    }

    /// Waits until this many watches on pods are open.
    pub(crate) async fn watched_by(&self, count: usize) {
        eventually("watches are open", || self.store.open_watches("pods") == Ok(count)).await;
    }

    /// One request without any client library: code, head and body.
    pub(crate) fn raw(&self, request: &str, headers: &str, body: &str) -> (u16, String, Value) {
        let mut stream = TcpStream::connect(self.server.address()).unwrap();
        let length = body.len();
        let text = format!(
            "{request} HTTP/1.1\r\nhost: lab\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        );
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        (code, head.to_owned(), serde_json::from_str(body).unwrap_or(Value::Null))
    }
}

pub(crate) fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}},
        "spec": {"nodeName": "n1", "containers": [{"name": "main", "image": "x"}]},
        "status": {"phase": "Running", "podIP": "10.0.0.1"},
    })
}

/// Waits for a predicate, or fails saying what for.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "gave up waiting until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits for something that must come.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("gave up waiting for {what}"))
}

/// A back-off for impatient tests.
struct Quick;

impl Iterator for Quick {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(Duration::from_millis(10))
    }
}

impl Backoff for Quick {
    fn reset(&mut self) {}
}

/// A reflector over the pods of `shop`, as the product runs them.
pub(crate) struct Mirror {
    pods: reflector::Store<Pod>,
    task: JoinHandle<()>,
}

impl Mirror {
    pub(crate) fn start(world: &World, config: watcher::Config) -> Self {
        let (pods, writer) = reflector::store();
        let stream = reflect(writer, watcher(world.pods(), config).backoff(Quick));
        let task = tokio::spawn(stream.for_each(|_| async {}));
        Self { pods, task }
    }

    /// Names of the mirrored pods, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.pods.state().iter().map(|pod| pod.name_any()).collect();
        names.sort();
        names
    }

    /// Waits until the mirror shows exactly these pods.
    pub(crate) async fn shows(&self, wanted: &[&str]) {
        let deadline = Instant::now() + PATIENCE;
        while self.names() != wanted {
            assert!(Instant::now() < deadline, "the mirror shows {:?}, not {wanted:?}", self.names());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Both ways of kube to get the initial state.
pub(crate) fn both_ways() -> [(&'static str, watcher::Config); 2] {
    [
        ("list, then watch", watcher::Config::default()),
        ("streaming list", watcher::Config::default().streaming_lists()),
    ]
}
