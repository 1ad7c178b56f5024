//! Which kind an object is of; for one that is of none, which was perhaps meant.

use crate::{
    ObjectKind,
    shown::{quote, short},
};

/// Letters that may be wrong in a word.
const SLIPS: usize = 2;

/// Words that are long enough for a slip not to make another one.
const LONG: usize = 9;

/// The workloads of which only the pod templates are read, with their `apiVersion`.
const WORKLOADS: [(&str, &str); 4] = [
    ("Deployment", "apps/v1"),
    ("StatefulSet", "apps/v1"),
    ("DaemonSet", "apps/v1"),
    ("CronJob", "batch/v1"),
];

/// What Portolan has a kind for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Part of a cluster state.
    Object(ObjectKind),
    /// Its pod template tells of pods to come.
    Workload,
}

/// The kind of an object; `None` for one that Portolan does not need.
///
/// Other groups have kinds of the same names that are something else, so a slip is told only in the
/// groups of Kubernetes.
pub(super) fn find(kind: &str, api_version: &str) -> Result<Option<Kind>, String> {
    let exact = known().find(|(name, _)| *name == kind);
    let meant = exact.or_else(|| meant(kind)).filter(|(_, wanted)| is_of_kubernetes(api_version, wanted));
    let Some((name, wanted)) = meant else { return Ok(None) };
    match (exact.is_some(), api_version == wanted) {
        (true, true) => Ok(Some(ObjectKind::from_name(name).map_or(Kind::Workload, Kind::Object))),
        (true, false) => Err(format!("apiVersion {} is not read; write {wanted}", short(api_version))),
        (false, true) => Err(format!("there is no kind {}; write `kind: {name}`", quote(kind))),
        (false, false) => {
            Err(format!("there is no kind {}; write `kind: {name}` and `apiVersion: {wanted}`", quote(kind)))
        }
    }
}

/// Every kind with its `apiVersion`.
fn known() -> impl Iterator<Item = (&'static str, &'static str)> {
    ObjectKind::ALL.into_iter().map(|kind| (kind.as_str(), kind.api_version())).chain(WORKLOADS)
}

/// The kind in other letters, in the plural, or, for a long one, with a slip.
fn meant(kind: &str) -> Option<(&'static str, &'static str)> {
    // The longest kind has 26 letters; nothing much longer is compared.
    let word = Some(kind).filter(|kind| kind.len() <= 64)?.to_lowercase();
    known().find(|(name, _)| is_meant(&word, &name.to_lowercase()))
}

fn is_meant(word: &str, name: &str) -> bool {
    match name.strip_suffix("policy") {
        Some(stem) => is_near(word, name) || is_near(word, &format!("{stem}policies")),
        None if name.len() >= LONG => is_near(word, name),
        // Short names of other kinds are too much alike for slips: Job and Node, Pod and Port.
        None => word == name || word.strip_suffix('s') == Some(name),
    }
}

/// Whether the group is one of Kubernetes, or that of the kind with a slip; a group of others has a
/// domain of its own.
fn is_of_kubernetes(api_version: &str, wanted: &str) -> bool {
    let given = group(api_version);
    !given.contains('.') || given.ends_with(".k8s.io") || is_near(given, group(wanted))
}

fn group(api_version: &str) -> &str {
    api_version.rsplit_once('/').map_or("", |(group, _)| group)
}

fn is_near(word: &str, known: &str) -> bool {
    word.len().abs_diff(known.len()) <= SLIPS && strsim::osa_distance(word, known) <= SLIPS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_or_version_that_is_nearly_right_is_named() {
        let policy = "write `kind: NetworkPolicy`";
        let v1 = "networking.k8s.io/v1";
        let v1alpha2 = "policy.networking.k8s.io/v1alpha2";
        for (api_version, kind, problem) in [
            (v1, "Networkpolicy", format!("there is no kind `Networkpolicy`; {policy}")),
            (v1, "networkpolicies", format!("there is no kind `networkpolicies`; {policy}")),
            (v1, "NetworkPolcy", format!("there is no kind `NetworkPolcy`; {policy}")),
            (
                "v1",
                "netWorkPolicy",
                format!("there is no kind `netWorkPolicy`; {policy} and `apiVersion: {v1}`"),
            ),
            (
                v1alpha2,
                "ClusterNetworkpolicy",
                "there is no kind `ClusterNetworkpolicy`; write `kind: ClusterNetworkPolicy`".to_owned(),
            ),
            ("v1", "pods", "there is no kind `pods`; write `kind: Pod`".to_owned()),
            ("v1", "NetworkPolicy", format!("apiVersion v1 is not read; write {v1}")),
            (
                "networking.k8s.io",
                "NetworkPolicy",
                format!("apiVersion networking.k8s.io is not read; write {v1}"),
            ),
            (
                "networking.k8.io/v1",
                "NetworkPolicy",
                format!("apiVersion networking.k8.io/v1 is not read; write {v1}"),
            ),
            (v1, "ClusterNetworkPolicy", format!("apiVersion {v1} is not read; write {v1alpha2}")),
            ("apps/v1", "Deploymnet", "there is no kind `Deploymnet`; write `kind: Deployment`".to_owned()),
            ("batch/v1", "cronjobs", "there is no kind `cronjobs`; write `kind: CronJob`".to_owned()),
            ("apps/v1beta1", "Deployment", "apiVersion apps/v1beta1 is not read; write apps/v1".to_owned()),
            (
                "extensions/v1beta1",
                "DaemonSets",
                "there is no kind `DaemonSets`; write `kind: DaemonSet` and `apiVersion: apps/v1`".to_owned(),
            ),
        ] {
            assert_eq!(find(kind, api_version), Err(problem));
        }
    }

    #[test]
    fn kinds_of_others_are_no_slips() {
        for (api_version, kind) in [
            ("networking.k8s.aws/v1alpha1", "ClusterNetworkPolicy"),
            ("crd.projectcalico.org/v1", "NetworkPolicy"),
            ("crd.antrea.io/v1beta1", "networkpolicy"),
            ("networking.k8s.io/v1", "Ingress"),
            ("networking.k8s.io/v1", "IngressClass"),
            ("policy/v1", "PodDisruptionBudget"),
            ("v1", "ServiceAccount"),
            ("v1", "Endpoints"),
            ("v1", "PodTemplate"),
            ("batch.volcano.sh/v1alpha1", "Job"),
            ("apps.kruise.io/v1beta1", "StatefulSet"),
            ("apps/v1", "ControllerRevision"),
            ("v1", "ReplicationController"),
            ("example.com/v1", "Deployment"),
        ] {
            assert_eq!(find(kind, api_version), Ok(None), "{kind} ({api_version})");
        }
    }

    #[test]
    fn every_kind_is_found_in_its_own_version() {
        for kind in ObjectKind::ALL {
            assert_eq!(find(kind.as_str(), kind.api_version()), Ok(Some(Kind::Object(kind))));
        }
        for (kind, api_version) in WORKLOADS {
            assert_eq!(find(kind, api_version), Ok(Some(Kind::Workload)));
        }
    }
}
