//! The pod that somebody may have meant.

use crate::Cluster;

/// How many names on each side of the one that was asked for are looked at: a bad question must
/// not cost more than a good one by the size of the cluster.
const REACH: usize = 128;

/// The Kubernetes API allows no longer name.
const LONGEST_NAME: usize = 253;

/// Two names that begin alike, as pods of one workload do.
const KIN: f64 = 0.75;

/// A third of the letters wrong is a slip in a short name; more is another name.
const SLIP: f64 = 0.66;

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
        let alike = likeness(name, candidate);
        if alike >= SLIP && best.is_none_or(|(most, _)| alike > most) {
            best = Some((alike, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// From 0 to 1.
fn likeness(one: &str, other: &str) -> f64 {
    let kin = strsim::jaro_winkler(one, other);
    if kin >= KIN {
        return kin;
    }
    let longest = one.chars().count().max(other.chars().count()).max(1);
    1.0 - strsim::osa_distance(one, other) as f64 / longest as f64
}
