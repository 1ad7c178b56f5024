//! The pod, or the service, that somebody may have meant.

use crate::{
    Cluster,
    nearest::{LONGEST, nearest},
};

/// How many names on each side of the one that was asked for are looked at: a bad question must
/// not cost more than a good one by the size of the cluster.
const REACH: usize = 128;

/// The pod, or else one of that name elsewhere, that comes nearest to a name nobody has.
pub(super) fn nearest_pod(cluster: &Cluster, namespace: &str, name: &str) -> Option<String> {
    let beside = cluster.pod_names_around(namespace, name, REACH);
    nearest_of(cluster, (namespace, name), beside, |other| cluster.pod(other, name).is_some())
}

/// The same for services.
pub(super) fn nearest_service(cluster: &Cluster, namespace: &str, name: &str) -> Option<String> {
    let beside = cluster.service_names_around(namespace, name, REACH);
    nearest_of(cluster, (namespace, name), beside, |other| cluster.service(other, name).is_some())
}

/// Among the names beside it, then among the namespaces that hold one of this name.
fn nearest_of<'a>(
    cluster: &'a Cluster,
    (namespace, name): (&str, &str),
    beside: impl Iterator<Item = &'a str>,
    is_in: impl Fn(&str) -> bool,
) -> Option<String> {
    if namespace.len() > LONGEST || name.len() > LONGEST {
        return None;
    }
    if let Some(name) = nearest(name, beside.map(|other| (other, other))) {
        return Some(format!("{namespace}/{name}"));
    }
    let elsewhere = || cluster.namespaces_around(namespace, REACH).filter(|other| is_in(other));
    let home = nearest(namespace, elsewhere().map(|other| (other, other))).or_else(|| elsewhere().next());
    home.map(|namespace| format!("{namespace}/{name}"))
}
