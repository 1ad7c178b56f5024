//! Which warnings concern a question: those that do come first, of the others no more than a few.

use portolan_policy::{Cluster, Owner, Place, Query};
use std::collections::BTreeSet;

/// How many warnings that concern neither end are told.
const MOST_OTHERS: usize = 5;

/// A warning of something in the manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Warning {
    /// The only namespace whose pods it may concern, where there is one.
    pub(super) namespace: Option<String>,
    pub(super) text: String,
}

/// The namespaces of both ends; `None` where one of them may be anybody's.
pub(super) fn namespaces(cluster: &Cluster, query: &Query) -> Option<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for place in [&query.from, &query.to] {
        let namespace = match place {
            Place::Pod { namespace, .. } | Place::Service { namespace, .. } => namespace,
            Place::Ip(ip) => match cluster.owner(*ip) {
                Owner::Pod(pod) => pod.namespace(),
                Owner::Service(service) => &service.namespace,
                Owner::Node { .. } | Owner::External => continue,
                Owner::Contested => return None,
            },
        };
        found.insert(namespace.to_owned());
    }
    Some(found)
}

/// The warnings to tell, those that concern these namespaces first, and how many are left untold.
pub(super) fn order(warnings: Vec<Warning>, namespaces: &BTreeSet<String>) -> Vec<String> {
    let concerns =
        |warning: &Warning| warning.namespace.as_ref().is_none_or(|namespace| namespaces.contains(namespace));
    let (ours, others): (Vec<_>, Vec<_>) = warnings.into_iter().partition(concerns);
    let untold = others.len().saturating_sub(MOST_OTHERS);
    let more = (untold > 0).then(|| {
        format!("warning: {untold} more about policies of other namespaces; `portolan lint` tells them all")
    });
    let told = ours.into_iter().chain(others.into_iter().take(MOST_OTHERS)).map(|warning| warning.text);
    told.chain(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_of_other_namespaces_come_last_and_are_counted_beyond_a_few() {
        let warning = |namespace: Option<&str>, text: &str| Warning {
            namespace: namespace.map(str::to_owned),
            text: text.to_owned(),
        };
        let mut warnings: Vec<Warning> = (0..7).map(|at| warning(Some("other"), &format!("o{at}"))).collect();
        warnings.extend([warning(Some("shop"), "ours"), warning(None, "of the cluster")]);
        let namespaces = BTreeSet::from(["shop".to_owned()]);
        let told = order(warnings.clone(), &namespaces);
        assert_eq!(told[..7], ["ours", "of the cluster", "o0", "o1", "o2", "o3", "o4"]);
        assert_eq!(
            told[7..],
            ["warning: 2 more about policies of other namespaces; `portolan lint` tells them all"]
        );
        let few = order(warnings.split_off(2), &namespaces);
        assert_eq!(few.len(), 7, "{few:?}");
    }
}
