//! Collects findings and puts them in order.

use super::{Code, Finding, Severity};
use crate::{ObjectKey, ObjectKind, PolicyId, PolicyKind};
use std::collections::HashSet;

/// The findings so far.
#[derive(Default)]
pub(super) struct Findings {
    found: Vec<Finding>,
    silenced: HashSet<(Code, At)>,
}

/// What a finding is about: an object, and perhaps a field of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct At {
    pub(super) object: ObjectKey,
    pub(super) field: Option<String>,
}

impl At {
    /// A field of the object.
    pub(super) fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}

impl From<ObjectKey> for At {
    fn from(object: ObjectKey) -> Self {
        Self { object, field: None }
    }
}

impl From<&PolicyId> for At {
    fn from(policy: &PolicyId) -> Self {
        let kind = match policy.kind {
            PolicyKind::NetworkPolicy => ObjectKind::NetworkPolicy,
            PolicyKind::ClusterNetworkPolicy => ObjectKind::ClusterNetworkPolicy,
            PolicyKind::AdminNetworkPolicy => ObjectKind::AdminNetworkPolicy,
            PolicyKind::BaselineAdminNetworkPolicy => ObjectKind::BaselineAdminNetworkPolicy,
        };
        let namespace = policy.namespace.as_deref().map(str::to_owned);
        ObjectKey { kind, namespace, name: policy.name.to_string() }.into()
    }
}

impl Findings {
    /// Adds a finding with the severity of its code.
    pub(super) fn add(
        &mut self,
        code: Code,
        at: impl Into<At>,
        message: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.add_as(code.severity(), code, at, message, mend);
    }

    /// Adds a finding that matters less than others of its code.
    pub(super) fn add_as(
        &mut self,
        severity: Severity,
        code: Code,
        at: impl Into<At>,
        message: impl Into<String>,
        mend: impl Into<String>,
    ) {
        let At { object, field } = at.into();
        let (message, mend) = (message.into(), mend.into());
        self.found.push(Finding { code, severity, object, field, message, mend });
    }

    /// Keeps a finding back, now or later, because another one says better what is the matter.
    pub(super) fn silence(&mut self, code: Code, at: At) {
        self.silenced.insert((code, at));
    }

    /// In order, each once.
    pub(super) fn finish(self) -> Vec<Finding> {
        let Self { mut found, silenced } = self;
        if !silenced.is_empty() {
            found.retain(|Finding { code, object, field, .. }| {
                !silenced.contains(&(*code, At { object: object.clone(), field: field.clone() }))
            });
        }
        found.sort_by(|one, other| order(one).cmp(&order(other)));
        found.dedup();
        found
    }
}

/// By object, then field, then code; texts break what ties are left.
fn order(finding: &Finding) -> (&ObjectKey, &Option<String>, Code, &str, &str) {
    (&finding.object, &finding.field, finding.code, &finding.message, &finding.mend)
}

/// Others that a message names, at most.
const NAMED: usize = 3;

/// `A and B`, or the first of many.
pub(super) fn listed(word: &str, names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let names: Vec<String> = names.take(NAMED).collect();
    if more == 0 {
        names.join(&format!(" {word} "))
    } else {
        format!("{} {word} {more} more", names.join(", "))
    }
}
