//! The labels by which a workload's pods are told from those of the others.

use crate::{Cluster, Pod, nearest::LONGEST};
use std::collections::BTreeMap;

/// What changes with each rollout or differs from pod to pod.
const PASSING: [&str; 11] = [
    "app.kubernetes.io/version",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
    "batch.kubernetes.io/job-name",
    "controller-revision-hash",
    "controller-uid",
    "helm.sh/chart",
    "job-name",
    "pod-template-hash",
    "statefulset.kubernetes.io/pod-name",
];

/// The keys that people name workloads by, the best first.
const NAMING: [&str; 6] = [
    "app.kubernetes.io/name",
    "app",
    "k8s-app",
    "name",
    "app.kubernetes.io/component",
    "app.kubernetes.io/instance",
];

/// The API takes no longer value, so no policy can ask for one.
const LONGEST_VALUE: usize = 63;

/// Labels to tell a workload by.
pub(super) struct Chosen<'a> {
    pub(super) labels: BTreeMap<&'a str, &'a str>,
    /// Whether pods of another workload of the namespace have them all.
    pub(super) is_shared: bool,
}

/// The fewest labels that no pod of another workload of the namespace has, else all that last;
/// `None` where none last.
pub(super) fn distinguishing<'a>(cluster: &'a Cluster, pod: &'a Pod) -> Option<Chosen<'a>> {
    let own = cluster.workload(pod);
    let beside = cluster.live_pods().map(|(other, _)| other);
    let others: Vec<&Pod> = beside
        .filter(|other| other.namespace() == pod.namespace() && cluster.workload(other) != own)
        .collect();
    let lasting = lasting(pod);
    let alone = lasting.iter().find(|label| !others.iter().any(|other| has(other, label)));
    let chosen = alone.map_or_else(|| together(&lasting, &others), |label| vec![*label]);
    let is_shared = others.iter().any(|other| chosen.iter().all(|label| has(other, label)));
    (!chosen.is_empty()).then(|| Chosen { labels: chosen.into_iter().collect(), is_shared })
}

/// The labels that last, the best to name a workload by first.
fn lasting(pod: &Pod) -> Vec<(&str, &str)> {
    let labels = pod.labels().iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let mut lasting: Vec<_> = labels
        .filter(|(key, value)| !PASSING.contains(key) && key.len() <= LONGEST && value.len() <= LONGEST_VALUE)
        .collect();
    lasting
        .sort_by_key(|(key, _)| (NAMING.iter().position(|name| name == key).unwrap_or(NAMING.len()), *key));
    lasting
}

/// All labels of a pod that last.
pub(super) fn all_lasting(pod: &Pod) -> BTreeMap<&str, &str> {
    lasting(pod).into_iter().collect()
}

/// Whether a pod has all of these labels.
pub(super) fn has_all(pod: &Pod, labels: &BTreeMap<&str, &str>) -> bool {
    labels.iter().all(|(key, value)| has(pod, &(key, value)))
}

/// Takes in label after label as long as each tells more pods apart.
fn together<'a>(lasting: &[(&'a str, &'a str)], others: &[&Pod]) -> Vec<(&'a str, &'a str)> {
    let mut others = others.to_vec();
    let mut chosen = Vec::new();
    for label in lasting {
        let left: Vec<&Pod> = others.iter().copied().filter(|other| has(other, label)).collect();
        if left.len() < others.len() {
            chosen.push(*label);
            others = left;
        }
    }
    if others.is_empty() { chosen } else { lasting.to_vec() }
}

fn has(pod: &Pod, (key, value): &(&str, &str)) -> bool {
    pod.labels().get(*key).is_some_and(|other| other == value)
}
