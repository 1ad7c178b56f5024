//! The pod that somebody may have meant.

use crate::Cluster;

/// How many names on each side of the one that was asked for are looked at: a bad question must
/// not cost more than a good one by the size of the cluster.
const REACH: usize = 256;

/// The Kubernetes API allows no longer name.
const LONGEST_NAME: usize = 253;

/// What is less alike is another name, not a slip.
const ALIKE: f64 = 0.75;

/// The pod, or else the namespace, that comes nearest to a name nobody has.
pub(super) fn nearest_pod(cluster: &Cluster, namespace: &str, name: &str) -> Option<String> {
    if namespace.len() > LONGEST_NAME || name.len() > LONGEST_NAME {
        return None;
    }
    let beside = nearest(name, cluster.pod_names_around(namespace, name, REACH));
    if let Some(name) = beside {
        return Some(format!("{namespace}/{name}"));
    }
    let elsewhere = cluster.namespaces_around(namespace, REACH);
    let home = nearest(namespace, elsewhere.filter(|other| cluster.pod(other, name).is_some()));
    let home = home.or_else(|| {
        cluster.namespaces_around(namespace, REACH).find(|other| cluster.pod(other, name).is_some())
    });
    home.map(|namespace| format!("{namespace}/{name}"))
}

/// The most alike, the first of several.
fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut best = None;
    for candidate in candidates {
        let alike = strsim::jaro_winkler(name, candidate);
        if alike >= ALIKE && best.is_none_or(|(most, _)| alike > most) {
            best = Some((alike, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}
