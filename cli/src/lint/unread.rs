//! Kinds that are not read though they say who there is or what is admitted, so that findings about that
//! are not certain.

use super::Entry;
use portolan_policy::{IgnoredKind, Severity};
use std::collections::BTreeSet;

/// One entry for the kinds that have pods, and one for the policies of others.
pub(super) fn entries(unread: &[IgnoredKind]) -> impl Iterator<Item = Entry> {
    let pods = named(unread, |kind| kind.has_pods).map(|kinds| {
        format!(
            "{kinds}: the pods of these kinds are not known, so what is said of policies, peers and ports that \
             match nobody may be wrong; add the Pods themselves"
        )
    });
    let policies = named(unread, is_policy).map(|kinds| {
        format!(
            "{kinds}: policies of these kinds are not judged, so what is said of isolation and of what is \
             admitted may be wrong; Portolan reads NetworkPolicy, ClusterNetworkPolicy, AdminNetworkPolicy and \
             BaselineAdminNetworkPolicy"
        )
    });
    pods.into_iter().chain(policies).map(|message| Entry::Text {
        code: "unread-kinds",
        severity: Severity::Info,
        message,
        file: None,
    })
}

fn is_policy(kind: &IgnoredKind) -> bool {
    kind.kind.to_lowercase().contains("networkpolic")
}

/// Each kind once; nothing where there is none.
fn named(unread: &[IgnoredKind], is_meant: impl Fn(&IgnoredKind) -> bool) -> Option<String> {
    let kinds = unread.iter().filter(|kind| is_meant(kind));
    let kinds: BTreeSet<String> = kinds.map(|kind| format!("{} ({})", kind.kind, kind.api_version)).collect();
    let kinds: Vec<String> = kinds.into_iter().collect();
    (!kinds.is_empty()).then(|| kinds.join(", "))
}
