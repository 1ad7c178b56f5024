//! The cluster as it was: a version for every change, for up to an hour back (M3).
//!
//! ```text
//! Change, with its time -> [ current ] -> versions by time -> at(time)      -> the cluster as it was
//!                                      -> scopes by time   -> changed_near -> whether verdicts settle
//! ```
//!
//! Reads no clock: every time is an argument. A version costs what the change touched.

use crate::{Cluster, End, InvalidObject, Object, ObjectKey, ObjectKind, Who};
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
};

/// How far back decisions can be taken.
const KEPT: SignedDuration = SignedDuration::from_hours(1);

/// How many versions are kept at the most, whatever their age: the bound on memory. A version that
/// one pod made costs about 30 KiB in a cluster of 10 000 pods and 67 KiB in one of 100 000, so all
/// of them 60 and 134 MiB (docs/decisions/0004-history-by-persistent-maps.md); one that a policy or
/// namespace of many pods made costs more.
const MOST: usize = 2048;

/// Mismatches this close to a change are settling.
const SETTLING: SignedDuration = SignedDuration::from_secs(5);

/// One change of the cluster.
#[derive(Debug)]
pub enum Change {
    /// An object was added or modified.
    Apply(Object),
    /// An object is gone.
    Delete(ObjectKey),
    /// The addresses that a node has beside those of its object.
    NodeAddresses {
        /// The node.
        node: String,
        /// Its addresses.
        addresses: Vec<IpAddr>,
    },
}

/// What a change touches, as far as verdicts go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Scope {
    Pod(String, String),
    Namespace(String),
    /// Every pod.
    Cluster,
}

/// The cluster as it was at one moment, with the number of its version.
#[derive(Clone, Copy, Debug)]
pub struct Version<'a> {
    /// The same number of the same history is the same cluster.
    pub number: u64,
    /// The cluster.
    pub cluster: &'a Cluster,
}

/// The versions of the cluster: what the policies said at a moment not long ago.
///
/// Those of the last hour are kept, 2048 at the most: about 60 MiB in a cluster of 10 000 pods. They
/// are bounded by number, not by bytes: versions share all that did not change, so none of them has
/// a size of its own.
///
/// ```
/// use jiff::{SignedDuration, Timestamp};
/// use portolan_policy::{Change, Connection, History, Protocol, parse_manifest};
///
/// let objects = |text: &str| parse_manifest(text).objects.into_iter().map(Change::Apply);
/// let start: Timestamp = "2026-11-21T12:00:00Z".parse()?;
/// let later = start + SignedDuration::from_secs(60);
///
/// let mut history = History::default();
/// for change in objects(
///     "{apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: db}, status: {podIPs: [{ip: 10.0.0.2}]}}",
/// ) {
///     history.apply(start, change)?;
/// }
/// history.begin(); // what came so far was there before; now come changes
/// for change in objects(
///     "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {namespace: shop, name: deny-all}}",
/// ) {
///     history.apply(later, change)?;
/// }
///
/// let connection = Connection {
///     source: [198, 51, 100, 7].into(),
///     destination: [10, 0, 0, 2].into(),
///     port: Some(5432),
///     protocol: Protocol::Tcp,
/// };
/// assert!(history.knows(start));
/// assert_eq!(history.at(start).evaluate(&connection).admits(), Some(true));
/// assert_eq!(history.at(later).evaluate(&connection).admits(), Some(false));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct History {
    current: Cluster,
    versions: VecDeque<(Timestamp, Cluster)>,
    /// The number of the first of them.
    first: u64,
    changes: HashMap<Scope, Timestamp>,
    began: bool,
}

impl Default for History {
    fn default() -> Self {
        Self {
            current: Cluster::default(),
            versions: VecDeque::from([(Timestamp::MIN, Cluster::default())]),
            first: 0,
            changes: HashMap::new(),
            began: false,
        }
    }
}

impl History {
    /// Takes in a change. Until [`Self::begin`] objects are the state at start, not changes; what
    /// changes nothing that policies see, such as an object that is told again, is no change.
    pub fn apply(&mut self, now: Timestamp, change: Change) -> Result<(), InvalidObject> {
        let scope = scope(&change);
        let is_new = match change {
            Change::Apply(object) => self.current.take(object)?,
            Change::Delete(key) => self.current.remove(&key),
            Change::NodeAddresses { node, addresses } => self.current.take_node_addresses(&node, addresses),
        };
        if !self.began {
            self.versions = VecDeque::from([(Timestamp::MIN, self.current.clone())]);
            self.first += 1;
            return Ok(());
        }
        if !is_new {
            return Ok(());
        }
        // The clock may be set back; versions stay in the order that they came in.
        let now = self.versions.back().map_or(now, |(last, _)| now.max(*last));
        if let Some(scope) = scope {
            self.changes.insert(scope, now);
        }
        self.versions.push_back((now, self.current.clone()));
        self.forget(now);
        Ok(())
    }

    /// The state is complete: what comes from now on are changes.
    pub fn begin(&mut self) {
        self.began = true;
    }

    /// The cluster as it was at this time; the oldest that is kept when it is longer ago.
    pub fn at(&self, time: Timestamp) -> &Cluster {
        self.version_at(time).cluster
    }

    /// The same, with its number: whoever keeps an answer knows by it what the answer holds for.
    pub fn version_at(&self, time: Timestamp) -> Version<'_> {
        let after = self.versions.partition_point(|(since, _)| *since <= time);
        self.version(after.saturating_sub(1))
    }

    /// The cluster as it is, with the number of its version.
    pub fn latest_version(&self) -> Version<'_> {
        self.version(self.versions.len().saturating_sub(1))
    }

    fn version(&self, index: usize) -> Version<'_> {
        let cluster = self.versions.get(index).map_or(&self.current, |(_, cluster)| cluster);
        Version { number: self.first + index as u64, cluster }
    }

    /// Whether what was in force at this time is still known.
    pub fn knows(&self, time: Timestamp) -> bool {
        self.versions.front().is_some_and(|(since, _)| *since <= time)
    }

    /// The cluster as it is.
    pub const fn latest(&self) -> &Cluster {
        &self.current
    }

    /// Whether a change that matters to these ends came within seconds of this time.
    pub fn changed_near(&self, time: Timestamp, ends: [&End; 2]) -> bool {
        if self.is_quiet(time) {
            return false;
        }
        let near = |scope: &Scope| {
            self.changes.get(scope).is_some_and(|changed| changed.duration_since(time).abs() <= SETTLING)
        };
        ends.into_iter().any(|end| match end.who() {
            Who::Pod(pod) => {
                near(&Scope::Pod(pod.namespace.clone(), pod.pod.clone()))
                    || near(&Scope::Namespace(pod.namespace.clone()))
                    || near(&Scope::Cluster)
            }
            Who::Node { .. } | Who::Service { .. } | Who::External { .. } => false,
        })
    }

    /// Whether there was no change at all within seconds of this time, as far as the versions tell.
    fn is_quiet(&self, time: Timestamp) -> bool {
        let (Ok(begin), Ok(end)) = (time.checked_sub(SETTLING), time.checked_add(SETTLING)) else {
            return false;
        };
        let first_after = self.versions.partition_point(|(since, _)| *since < begin);
        self.knows(begin) && self.versions.get(first_after).is_none_or(|(since, _)| *since > end)
    }

    fn forget(&mut self, now: Timestamp) {
        let is_old = |time: Timestamp| now.duration_since(time) > KEPT;
        // The version before the first that is young enough was still in force then.
        while self.versions.len() > MOST || self.versions.get(1).is_some_and(|(next, _)| is_old(*next)) {
            self.versions.pop_front();
            self.first += 1;
        }
        if self.changes.len() > MOST {
            self.changes.retain(|_, time| !is_old(*time));
        }
    }
}

fn scope(change: &Change) -> Option<Scope> {
    let key = match change {
        Change::Apply(object) => object.key(),
        Change::Delete(key) => key.clone(),
        Change::NodeAddresses { .. } => return None,
    };
    let namespace = key.namespace.clone().unwrap_or_default();
    match key.kind {
        ObjectKind::Pod => Some(Scope::Pod(namespace, key.name)),
        ObjectKind::NetworkPolicy => Some(Scope::Namespace(namespace)),
        ObjectKind::Namespace => Some(Scope::Namespace(key.name)),
        ObjectKind::ClusterNetworkPolicy
        | ObjectKind::AdminNetworkPolicy
        | ObjectKind::BaselineAdminNetworkPolicy => Some(Scope::Cluster),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
