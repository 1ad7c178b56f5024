//! The watches against an API server: what they tell of kinds that a cluster need not have.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use portolan_agent::{
    cluster::{News, watch},
    metrics::Metrics,
};
use portolan_lab::apiserver::{Failure, Running, Store, Target, spawn};
use portolan_policy::{Change, ObjectKind};
use serde_json::{Value, json};
use std::{collections::BTreeSet, net::TcpListener, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc::{self, Receiver},
    time::timeout,
};
use tokio_util::task::TaskTracker;

const LOOK_AGAIN: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(20);

const CUSTOM: [ObjectKind; 3] = [
    ObjectKind::ClusterNetworkPolicy,
    ObjectKind::AdminNetworkPolicy,
    ObjectKind::BaselineAdminNetworkPolicy,
];

/// A server, and what the watches tell of it.
struct Watching {
    store: Store,
    news: Receiver<News>,
    awaited: BTreeSet<ObjectKind>,
    metrics: Arc<Metrics>,
    _server: Running,
}

fn watching(store: Store) -> Watching {
    watching_with(store, LOOK_AGAIN)
}

fn watching_with(store: Store, look_again: Duration) -> Watching {
    let server = spawn(TcpListener::bind("127.0.0.1:0").unwrap(), store.clone()).unwrap();
    let client = kube::Client::try_from(kube::Config::new(server.url().parse().unwrap())).unwrap();
    let (out, news) = mpsc::channel(64);
    let metrics = Arc::new(Metrics::default());
    let awaited = watch(&client, &out, &metrics, &TaskTracker::new(), look_again);
    Watching { store, news, awaited, metrics, _server: server }
}

impl Watching {
    async fn next(&mut self) -> News {
        let news = timeout(PATIENCE, self.news.recv()).await.expect("something is told").unwrap();
        if let News::Synced(kind) = &news {
            self.awaited.remove(kind);
        }
        news
    }

    /// Waits until every kind is synced.
    async fn synced(&mut self) {
        while !self.awaited.is_empty() {
            self.next().await;
        }
    }

    /// The next change of a custom kind: `+` or `-`, and its name.
    async fn change(&mut self) -> String {
        loop {
            let (sign, key) = match self.next().await {
                News::Change { change: Change::Apply(object), .. } => ('+', object.key()),
                News::Change { change: Change::Delete(key), .. } => ('-', key),
                _ => continue,
            };
            if CUSTOM.contains(&key.kind) {
                return format!("{sign}{key}");
            }
        }
    }

    /// How many watches failed, of all kinds.
    fn failures(&self) -> u64 {
        let count = |kind: ObjectKind| {
            let by_kind = portolan_agent::metrics::ByKind { kind: kind.as_str() };
            self.metrics.watch_failures.get_or_create(&by_kind).get()
        };
        ObjectKind::ALL.into_iter().map(count).sum()
    }
}

/// A server without the custom kinds.
fn without_custom_kinds() -> Store {
    let store = Store::new();
    withdraw(&store);
    store
}

fn withdraw(store: &Store) {
    for kind in CUSTOM {
        let target = Target::kind(&kind.as_str().to_lowercase()).unwrap();
        store.faults().fail_next(target, u32::MAX, Failure::NoSuchKind);
    }
}

fn cluster_policy() -> Value {
    json!({
        "apiVersion": "policy.networking.k8s.io/v1alpha2",
        "kind": "ClusterNetworkPolicy",
        "metadata": {"name": "closed"},
        "spec": {"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}},
    })
}

fn admin_policy(name: &str) -> Value {
    json!({
        "apiVersion": "policy.networking.k8s.io/v1alpha1",
        "kind": "AdminNetworkPolicy",
        "metadata": {"name": name},
        "spec": {"priority": 1, "subject": {"namespaces": {}}},
    })
}

fn baseline_policy() -> Value {
    json!({
        "apiVersion": "policy.networking.k8s.io/v1alpha1",
        "kind": "BaselineAdminNetworkPolicy",
        "metadata": {"name": "default"},
        "spec": {"subject": {"namespaces": {}}},
    })
}

#[tokio::test]
async fn every_kind_is_watched_the_custom_ones_too() {
    let mut watching = watching(Store::new());
    assert_eq!(watching.awaited, BTreeSet::from(ObjectKind::ALL));
    watching.synced().await;
    watching.store.create(cluster_policy()).unwrap();
    assert_eq!(watching.change().await, "+ClusterNetworkPolicy closed");
    watching.store.create(admin_policy("a")).unwrap();
    assert_eq!(watching.change().await, "+AdminNetworkPolicy a");
    watching.store.create(baseline_policy()).unwrap();
    assert_eq!(watching.change().await, "+BaselineAdminNetworkPolicy default");
    watching.store.delete("cnp", "", "closed").unwrap();
    assert_eq!(watching.change().await, "-ClusterNetworkPolicy closed");
}

#[tokio::test]
async fn a_server_without_the_custom_kinds_is_not_waited_for() {
    let mut watching = watching_with(without_custom_kinds(), PATIENCE * 10);
    watching.synced().await;
    assert_eq!(watching.failures(), 0);
}

#[tokio::test]
async fn a_kind_that_comes_later_is_found() {
    let mut watching = watching(without_custom_kinds());
    watching.synced().await;
    tokio::time::sleep(LOOK_AGAIN * 2).await;
    watching.store.create(cluster_policy()).unwrap();
    watching.store.faults().clear();
    assert_eq!(watching.change().await, "+ClusterNetworkPolicy closed");
    watching.store.delete("cnp", "", "closed").unwrap();
    assert_eq!(watching.change().await, "-ClusterNetworkPolicy closed");
    assert_eq!(watching.failures(), 0, "to be without a kind is no failure");
}

#[tokio::test]
async fn a_kind_that_goes_takes_its_objects_with_it() {
    let store = Store::new();
    store.create(cluster_policy()).unwrap();
    let mut watching = watching(store);
    assert_eq!(watching.change().await, "+ClusterNetworkPolicy closed");
    watching.synced().await;
    withdraw(&watching.store);
    watching.store.faults().close_watches(Target::all());
    assert_eq!(watching.change().await, "-ClusterNetworkPolicy closed");
}

#[tokio::test]
async fn a_kind_that_is_away_for_a_moment_keeps_its_objects() {
    let store = Store::new();
    store.create(cluster_policy()).unwrap();
    let mut watching = watching(store);
    watching.synced().await;
    let cnp = Target::kind("cnp").unwrap();
    watching.store.faults().fail_next(cnp, 1, Failure::NoSuchKind);
    watching.store.faults().close_watches(cnp);
    watching.store.create(admin_policy("later")).unwrap();
    assert_eq!(watching.change().await, "+AdminNetworkPolicy later");
    // The kind is listed again, and brings nothing that was not known.
    let listed = watching.next().await;
    assert!(matches!(listed, News::Synced(ObjectKind::ClusterNetworkPolicy)), "{listed:?}");
    watching.store.delete("cnp", "", "closed").unwrap();
    assert_eq!(watching.change().await, "-ClusterNetworkPolicy closed");
}

#[tokio::test]
async fn a_kind_that_every_server_has_is_not_given_up() {
    let store = Store::new();
    store.faults().fail_next(Target::kind("pods").unwrap(), 2, Failure::NoSuchKind);
    let mut watching = watching(store);
    while watching.awaited.len() > 1 {
        watching.next().await;
    }
    assert_eq!(watching.awaited, BTreeSet::from([ObjectKind::Pod]), "awaited until the server has them");
    watching.synced().await;
    assert_eq!(watching.failures(), 2);
}
