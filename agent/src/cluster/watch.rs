//! The Kubernetes API, watched: every object that the policies need, as changes.
//!
//! A malformed object costs itself only: it is named in the log and counted, and what was known of
//! it before stays.

use crate::{
    capture::chain,
    history::Change,
    metrics::{ByKind, Metrics},
};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::{
    apps::v1::ReplicaSet,
    batch::v1::Job,
    core::v1::{Namespace, Node, Pod, Service},
    discovery::v1::EndpointSlice,
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    core::DeserializeGuard,
    runtime::{WatchStreamExt as _, watcher},
};
use portolan_policy::{Object, ObjectKey, ObjectKind};
use serde::de::DeserializeOwned;
use std::{
    collections::{HashMap, HashSet},
    fmt::Debug,
    sync::Arc,
};
use tokio::sync::mpsc::Sender;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

/// What a watch tells.
#[derive(Debug)]
pub enum News {
    /// The cluster changed.
    Change(Change),
    /// All objects of a kind have been told.
    Synced(ObjectKind),
}

/// Starts a watch for every kind; each goes on until the receiver is gone.
pub fn watch(client: &Client, out: &Sender<News>, metrics: &Arc<Metrics>, tasks: &TaskTracker) {
    let follow = Follow { client, out, metrics, tasks };
    follow.kind::<Namespace>(ObjectKind::Namespace, |object| Object::Namespace(Box::new(object)));
    follow.kind::<Node>(ObjectKind::Node, |object| Object::Node(Box::new(object)));
    follow.kind::<Pod>(ObjectKind::Pod, |object| Object::Pod(Box::new(object)));
    follow.kind::<Service>(ObjectKind::Service, |object| Object::Service(Box::new(object)));
    follow.kind::<EndpointSlice>(ObjectKind::EndpointSlice, |object| Object::EndpointSlice(Box::new(object)));
    follow.kind::<NetworkPolicy>(ObjectKind::NetworkPolicy, |object| Object::NetworkPolicy(Box::new(object)));
    follow.kind::<ReplicaSet>(ObjectKind::ReplicaSet, |object| Object::ReplicaSet(Box::new(object)));
    follow.kind::<Job>(ObjectKind::Job, |object| Object::Job(Box::new(object)));
}

struct Follow<'a> {
    client: &'a Client,
    out: &'a Sender<News>,
    metrics: &'a Arc<Metrics>,
    tasks: &'a TaskTracker,
}

impl Follow<'_> {
    fn kind<K>(&self, kind: ObjectKind, wrap: fn(K) -> Object)
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    {
        let watched = Watched {
            kind,
            wrap,
            out: self.out.clone(),
            metrics: Arc::clone(self.metrics),
            known: HashMap::new(),
            listed: None,
        };
        self.tasks.spawn(watched.run(Api::all(self.client.clone())));
    }
}

/// One kind under watch.
struct Watched<K> {
    kind: ObjectKind,
    wrap: fn(K) -> Object,
    out: Sender<News>,
    metrics: Arc<Metrics>,
    /// What was told, with its resource version: a list that repeats it brings no change.
    known: HashMap<ObjectKey, Option<String>>,
    /// What the list under way has named so far.
    listed: Option<HashSet<ObjectKey>>,
}

/// The receiver is gone: the agent stops.
struct Stopped;

type Guarded<K> = DeserializeGuard<K>;

impl<K> Watched<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    async fn run(mut self, api: Api<Guarded<K>>) {
        let mut streaming = true;
        loop {
            let config = watcher::Config::default();
            let config = if streaming { config.streaming_lists() } else { config };
            let mut events = watcher(api.clone(), config).default_backoff().boxed();
            loop {
                match events.try_next().await {
                    Ok(Some(event)) => {
                        if self.on_event(event).await.is_err() {
                            return;
                        }
                    }
                    Ok(None) => return,
                    Err(error) if streaming && is_refused(&error) => {
                        info!(
                            kind = self.kind.as_str(),
                            "This server has no streaming lists: listing in pages."
                        );
                        streaming = false;
                        break;
                    }
                    Err(error) => self.failed(&error),
                }
                if self.out.is_closed() {
                    return;
                }
            }
        }
    }

    async fn on_event(&mut self, event: watcher::Event<Guarded<K>>) -> Result<(), Stopped> {
        match event {
            watcher::Event::Init => {
                self.listed = Some(HashSet::new());
                Ok(())
            }
            watcher::Event::InitApply(object) | watcher::Event::Apply(object) => self.apply(object).await,
            watcher::Event::Delete(object) => self.delete(self.key(&object)).await,
            watcher::Event::InitDone => self.listed().await,
        }
    }

    async fn apply(&mut self, object: Guarded<K>) -> Result<(), Stopped> {
        let key = self.key(&object);
        if let Some(listed) = &mut self.listed {
            listed.insert(key.clone());
        }
        let version = object.resource_version();
        match object.0 {
            Ok(_) if version.is_some() && self.known.get(&key) == Some(&version) => Ok(()),
            Ok(object) => {
                self.known.insert(key, version);
                self.tell(News::Change(Change::Apply((self.wrap)(object)))).await
            }
            Err(invalid) => {
                self.metrics.invalid_objects.get_or_create(&ByKind { kind: self.kind.as_str() }).inc();
                warn!(object = %key, error = %invalid.error,
                    "An object cannot be understood: what was known of it before stays in force here.");
                Ok(())
            }
        }
    }

    async fn delete(&mut self, key: ObjectKey) -> Result<(), Stopped> {
        self.known.remove(&key);
        self.tell(News::Change(Change::Delete(key))).await
    }

    /// The list is complete: what it did not name is gone.
    async fn listed(&mut self) -> Result<(), Stopped> {
        let listed = self.listed.take().unwrap_or_default();
        let gone: Vec<ObjectKey> = self.known.keys().filter(|key| !listed.contains(key)).cloned().collect();
        for key in gone {
            self.delete(key).await?;
        }
        self.tell(News::Synced(self.kind)).await
    }

    fn key(&self, object: &Guarded<K>) -> ObjectKey {
        match object.namespace() {
            Some(namespace) => ObjectKey::namespaced(self.kind, &namespace, &object.name_any()),
            None => ObjectKey::cluster_scoped(self.kind, &object.name_any()),
        }
    }

    async fn tell(&self, news: News) -> Result<(), Stopped> {
        self.out.send(news).await.map_err(|_closed| Stopped)
    }

    fn failed(&self, error: &watcher::Error) {
        self.metrics.watch_failures.get_or_create(&ByKind { kind: self.kind.as_str() }).inc();
        warn!(kind = self.kind.as_str(), error = %chain(error),
            "A watch failed and is started again; the state of these objects may be behind.");
    }
}

/// A server without streaming lists calls the request invalid.
fn is_refused(error: &watcher::Error) -> bool {
    const BAD_REQUEST: u16 = 400;
    const UNPROCESSABLE: u16 = 422;
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => {
            [BAD_REQUEST, UNPROCESSABLE].contains(&status.code)
        }
        _ => false,
    }
}
