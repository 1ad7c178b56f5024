//! Which kind an object is of; for one that is of none, which was perhaps meant.

use crate::{
    ObjectKind,
    shown::{quote, short},
};

/// Letters that may be wrong in a word.
const SLIPS: usize = 2;

/// The kind of an object; `None` for one that Portolan does not need.
///
/// Other groups have kinds of the same names that are something else, so a slip is told only in the
/// groups of Kubernetes.
pub(super) fn find(kind: &str, api_version: &str) -> Result<Option<ObjectKind>, String> {
    let exact = ObjectKind::from_name(kind);
    let Some(known) = exact.or_else(|| meant(kind)).filter(|known| is_of_kubernetes(api_version, *known))
    else {
        return Ok(None);
    };
    let wanted = known.api_version();
    match (exact.is_some(), api_version == wanted) {
        (true, true) => Ok(Some(known)),
        (true, false) => Err(format!("apiVersion {} is not read; write {wanted}", short(api_version))),
        (false, true) => Err(format!("there is no kind {}; write `kind: {known}`", quote(kind))),
        (false, false) => {
            Err(format!("there is no kind {}; write `kind: {known}` and `apiVersion: {wanted}`", quote(kind)))
        }
    }
}

/// The kind in other letters, in the plural, or, for a policy, with a slip.
fn meant(kind: &str) -> Option<ObjectKind> {
    // The longest kind has 26 letters; nothing much longer is compared.
    let word = Some(kind).filter(|kind| kind.len() <= 64)?.to_lowercase();
    ObjectKind::ALL.into_iter().find(|known| is_meant(&word, *known))
}

fn is_meant(word: &str, known: ObjectKind) -> bool {
    let name = known.as_str().to_lowercase();
    match name.strip_suffix("policy") {
        // Short names of other kinds are too much alike for slips: Job and Node, Pod and Port.
        None => word == name || word == format!("{name}s"),
        Some(stem) => is_near(word, &name) || is_near(word, &format!("{stem}policies")),
    }
}

/// Whether the group is one of Kubernetes, or that of the kind with a slip; a group of others has a
/// domain of its own.
fn is_of_kubernetes(api_version: &str, known: ObjectKind) -> bool {
    let given = group(api_version);
    !given.contains('.') || given.ends_with(".k8s.io") || is_near(given, group(known.api_version()))
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
            ("batch/v1", "CronJob"),
            ("batch.volcano.sh/v1alpha1", "Job"),
            ("apps/v1", "StatefulSet"),
        ] {
            assert_eq!(find(kind, api_version), Ok(None), "{kind} ({api_version})");
        }
    }

    #[test]
    fn every_kind_is_found_in_its_own_version() {
        for kind in ObjectKind::ALL {
            assert_eq!(find(kind.as_str(), kind.api_version()), Ok(Some(kind)));
        }
    }
}
