//! The cluster of the manifests, and what is wrong with them.

use super::duplicates;
use crate::{
    failure::say,
    manifests::{self, Manifests, Problem},
};
use anyhow::anyhow;
use portolan_policy::{Cluster, validate};
use serde::Serialize;
use std::path::PathBuf;
use tracing::debug;

/// What an answer should be read with.
#[derive(Debug, Default, Serialize)]
pub(super) struct Remarks {
    /// What could not be read, or not be used, and is left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unread: Vec<String>,
    /// What was taken, though perhaps not as it was meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl Remarks {
    fn unread(&mut self, problem: &Problem) {
        say(problem);
        self.unread.push(problem.to_string());
    }

    fn warn(&mut self, warning: String) {
        say(&warning);
        self.warnings.push(warning);
    }
}

/// The cluster of the manifests; what is wrong with them is said on standard error, too.
pub(super) fn cluster(paths: &[PathBuf]) -> anyhow::Result<(Cluster, Remarks)> {
    let manifests = manifests::read(paths)?;
    let mut remarks = Remarks::default();
    for problem in &manifests.problems {
        remarks.unread(problem);
    }
    other_kinds(&manifests, &mut remarks);
    if manifests.objects.is_empty() {
        return Err(anyhow!("the manifests hold no object that Portolan knows: give Pods, policies, …"));
    }
    for Problem { file, text } in &manifests.slips {
        remarks.warn(format!("{file}: warning: {text}"));
    }
    for (index, object) in manifests.objects.iter().enumerate() {
        for invalid in validate(object) {
            remarks.warn(format!("{}: warning: {invalid}", manifests.file(index)));
        }
    }
    for warning in duplicates::find(&manifests) {
        remarks.warn(warning);
    }
    let (cluster, problems) = manifests.cluster();
    for problem in &problems {
        remarks.unread(problem);
    }
    Ok((cluster, remarks))
}

fn other_kinds(manifests: &Manifests, remarks: &mut Remarks) {
    for kind in &manifests.ignored {
        if kind.to_lowercase().contains("networkpolic") {
            remarks.warn(format!(
                "warning: {kind}: policies of this kind are not judged, so an answer may be wrong; Portolan reads \
                 NetworkPolicy, ClusterNetworkPolicy, AdminNetworkPolicy and BaselineAdminNetworkPolicy"
            ));
        } else {
            debug!(kind, "Objects of this kind say nothing about connections.");
        }
    }
}
