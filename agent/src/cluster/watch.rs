//! The Kubernetes API, watched: every object that the policies need, as changes.
//!
//! A malformed object costs itself only: it is named in the log and counted, and what was known of
//! it before stays. A server need not have the cluster-wide policy kinds: one that it does not have
//! counts as synced without objects, and is looked for again from time to time.

use crate::{
    capture::chain,
    metrics::{ByKind, Metrics},
};
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
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
use portolan_policy::{
    Change, Object, ObjectKey, ObjectKind,
    api::{
        v1alpha1::{AdminNetworkPolicy, BaselineAdminNetworkPolicy},
        v1alpha2::ClusterNetworkPolicy,
    },
};
use serde::de::DeserializeOwned;
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt::Debug,
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc::Sender;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

/// A kind that the server does not have is looked for again after this long.
pub const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// What a watch tells.
#[derive(Debug)]
pub enum News {
    /// The cluster changed.
    Change {
        /// When it was heard of: it may wait before it is taken in.
        at: Timestamp,
        /// How.
        change: Change,
    },
    /// All objects of a kind have been told.
    Synced(ObjectKind),
}

fn change(change: Change) -> News {
    News::Change { at: Timestamp::now(), change }
}

/// Starts a watch for every kind; each goes on until the receiver is gone.
///
/// Gives the kinds, each of which will be told to be synced. One that the server does not have is
/// looked for again after `look_again`.
pub fn watch(
    client: &Client,
    out: &Sender<News>,
    metrics: &Arc<Metrics>,
    tasks: &TaskTracker,
    look_again: Duration,
) -> BTreeSet<ObjectKind> {
    let mut follow = Follow { client, out, metrics, tasks, look_again, kinds: BTreeSet::new() };
    follow.kind::<Namespace>(ObjectKind::Namespace);
    follow.kind::<Node>(ObjectKind::Node);
    follow.kind::<Pod>(ObjectKind::Pod);
    follow.kind::<Service>(ObjectKind::Service);
    follow.kind::<EndpointSlice>(ObjectKind::EndpointSlice);
    follow.kind::<NetworkPolicy>(ObjectKind::NetworkPolicy);
    follow.kind::<ClusterNetworkPolicy>(ObjectKind::ClusterNetworkPolicy);
    follow.kind::<AdminNetworkPolicy>(ObjectKind::AdminNetworkPolicy);
    follow.kind::<BaselineAdminNetworkPolicy>(ObjectKind::BaselineAdminNetworkPolicy);
    follow.kind::<ReplicaSet>(ObjectKind::ReplicaSet);
    follow.kind::<Job>(ObjectKind::Job);
    follow.kinds
}

struct Follow<'a> {
    client: &'a Client,
    out: &'a Sender<News>,
    metrics: &'a Arc<Metrics>,
    tasks: &'a TaskTracker,
    look_again: Duration,
    kinds: BTreeSet<ObjectKind>,
}

impl Follow<'_> {
    fn kind<K>(&mut self, kind: ObjectKind)
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
        Object: From<K>,
    {
        self.kinds.insert(kind);
        let watched = Watched {
            kind,
            out: self.out.clone(),
            metrics: Arc::clone(self.metrics),
            look_again: self.look_again,
            known: HashMap::new(),
            listed: None,
            absences: 0,
        };
        self.tasks.spawn(watched.run::<K>(Api::all(self.client.clone())));
    }
}

/// One kind under watch.
struct Watched {
    kind: ObjectKind,
    out: Sender<News>,
    metrics: Arc<Metrics>,
    look_again: Duration,
    /// What was told, with its resource version: a list that repeats it brings no change.
    known: HashMap<ObjectKey, Option<String>>,
    /// What the list under way has named so far.
    listed: Option<HashSet<ObjectKey>>,
    /// How often in a row the server did not have the kind.
    absences: u32,
}

/// The receiver is gone: the agent stops.
struct Stopped;

type Guarded<K> = DeserializeGuard<K>;

/// Why a watch is begun anew.
enum Anew {
    /// The server has no streaming lists.
    InPages,
    /// The server does not have the kind, which is no fault.
    Later,
}

impl Watched {
    async fn run<K>(mut self, api: Api<Guarded<K>>)
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
        Object: From<K>,
    {
        let mut streaming = true;
        while let Ok(anew) = self.follow(&api, streaming).await {
            match anew {
                Anew::InPages => {
                    info!(kind = self.kind.as_str(), "This server has no streaming lists: listing in pages.");
                    streaming = false;
                }
                Anew::Later if self.absent().await.is_err() => return,
                Anew::Later => {}
            }
        }
    }

    /// Follows one watch until it must be begun anew.
    async fn follow<K>(&mut self, api: &Api<Guarded<K>>, streaming: bool) -> Result<Anew, Stopped>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
        Object: From<K>,
    {
        let config = watcher::Config::default();
        let config = if streaming { config.streaming_lists() } else { config };
        let mut events = watcher(api.clone(), config).default_backoff().boxed();
        loop {
            match events.try_next().await {
                Ok(Some(event)) => self.on_event(event).await?,
                Ok(None) => return Err(Stopped),
                Err(error) if streaming && is_refused(&error) => return Ok(Anew::InPages),
                Err(error) if is_optional(self.kind) && is_absent(&error) => return Ok(Anew::Later),
                Err(error) => self.failed(&error),
            }
            if self.out.is_closed() {
                return Err(Stopped);
            }
        }
    }

    /// The server does not have the kind: it has no objects, and may come.
    ///
    /// A server that was started again may not know its custom kinds at once, so objects that are
    /// known are given up at the second look only.
    async fn absent(&mut self) -> Result<(), Stopped> {
        if self.absences == 0 {
            info!(
                kind = self.kind.as_str(),
                "This server does not have the kind: looking again from time to time."
            );
        }
        if self.absences > 0 || self.known.is_empty() {
            self.listed = None;
            self.listed().await?;
        }
        self.absences += 1;
        tokio::select! {
            () = tokio::time::sleep(self.look_again) => Ok(()),
            () = self.out.closed() => Err(Stopped),
        }
    }

    async fn on_event<K>(&mut self, event: watcher::Event<Guarded<K>>) -> Result<(), Stopped>
    where
        K: Resource<DynamicType = ()>,
        Object: From<K>,
    {
        match event {
            watcher::Event::Init => {
                self.listed = Some(HashSet::new());
                Ok(())
            }
            watcher::Event::InitApply(object) | watcher::Event::Apply(object) => self.apply(object).await,
            watcher::Event::Delete(object) => self.delete(self.key(&object)).await,
            watcher::Event::InitDone => {
                if std::mem::take(&mut self.absences) > 0 {
                    info!(kind = self.kind.as_str(), "The server has the kind now.");
                }
                self.listed().await
            }
        }
    }

    async fn apply<K>(&mut self, object: Guarded<K>) -> Result<(), Stopped>
    where
        K: Resource<DynamicType = ()>,
        Object: From<K>,
    {
        let key = self.key(&object);
        if let Some(listed) = &mut self.listed {
            listed.insert(key.clone());
        }
        let version = object.resource_version();
        match object.0 {
            Ok(_) if version.is_some() && self.known.get(&key) == Some(&version) => Ok(()),
            Ok(object) => {
                self.known.insert(key, version);
                self.tell(change(Change::Apply(object.into()))).await
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
        self.tell(change(Change::Delete(key))).await
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

    fn key<K: Resource<DynamicType = ()>>(&self, object: &Guarded<K>) -> ObjectKey {
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

/// The kinds that are custom resources, which a cluster may be without.
const fn is_optional(kind: ObjectKind) -> bool {
    matches!(
        kind,
        ObjectKind::ClusterNetworkPolicy
            | ObjectKind::AdminNetworkPolicy
            | ObjectKind::BaselineAdminNetworkPolicy
    )
}

/// A server without streaming lists calls the request invalid.
fn is_refused(error: &watcher::Error) -> bool {
    const BAD_REQUEST: u16 = 400;
    const UNPROCESSABLE: u16 = 422;
    status(error).is_some_and(|code| [BAD_REQUEST, UNPROCESSABLE].contains(&code))
}

/// A server that does not have a kind finds nothing where its objects would be.
fn is_absent(error: &watcher::Error) -> bool {
    const NOT_FOUND: u16 = 404;
    status(error) == Some(NOT_FOUND)
}

/// How the server refused a list or a watch.
fn status(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => Some(status.code),
        _ => None,
    }
}
