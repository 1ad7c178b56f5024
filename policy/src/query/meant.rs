//! The pod that somebody may have meant.

use crate::{
    Cluster,
    nearest::{LONGEST, nearest},
};

/// How many names on each side of the one that was asked for are looked at: a bad question must
/// not cost more than a good one by the size of the cluster.
const REACH: usize = 128;

/// The pod, or else the namespace, that comes nearest to a name nobody has.
pub(super) fn nearest_pod(cluster: &Cluster, namespace: &str, name: &str) -> Option<String> {
    if namespace.len() > LONGEST || name.len() > LONGEST {
        return None;
    }
    let beside = cluster.pod_names_around(namespace, name, REACH);
    if let Some(name) = nearest(name, beside.map(|other| (other, other))) {
        return Some(format!("{namespace}/{name}"));
    }
    let elsewhere = || {
        let namespaces = cluster.namespaces_around(namespace, REACH);
        namespaces.filter(|other| cluster.pod(other, name).is_some())
    };
    let home = nearest(namespace, elsewhere().map(|other| (other, other))).or_else(|| elsewhere().next());
    home.map(|namespace| format!("{namespace}/{name}"))
}
