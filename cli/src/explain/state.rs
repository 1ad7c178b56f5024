//! The cluster of the manifests, and what is wrong with them.

use super::{
    concern::{self, Warning},
    duplicates,
};
use crate::{
    failure::say,
    manifests::{self, Manifests, Problem},
};
use anyhow::anyhow;
use portolan_policy::{Cluster, Object, Query, QueryError, WorkloadTemplate, validate};
use serde::Serialize;
use std::path::{Path, PathBuf};
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

/// The cluster of the manifests; what could not be read is said on standard error already.
#[derive(Debug)]
pub(super) struct State {
    pub(super) cluster: Cluster,
    unread: Vec<String>,
    warnings: Vec<Warning>,
    /// What pods there will be, by whom.
    workloads: Vec<WorkloadTemplate>,
}

impl State {
    pub(super) fn read(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let manifests = manifests::read(paths)?;
        let mut unread = Vec::new();
        tell(&manifests.problems, &mut unread);
        let mut warnings = other_kinds(&manifests);
        if manifests.objects.is_empty() {
            for warning in &warnings {
                say(&warning.text);
            }
            return Err(no_object(paths));
        }
        warnings.extend(slips(&manifests));
        warnings.extend(invalid_fields(&manifests));
        warnings.extend(duplicates::find(&manifests).map(|text| Warning { namespace: None, text }));
        let (cluster, problems) = manifests.cluster();
        tell(&problems, &mut unread);
        Ok(Self { cluster, unread, warnings, workloads: manifests.workloads })
    }

    /// Says what the manifests are warned of on standard error, of one question with what concerns it
    /// first.
    pub(super) fn say_warnings(&mut self, query: Option<&Query>) -> Remarks {
        let warnings = std::mem::take(&mut self.warnings);
        let namespaces = query.and_then(|query| concern::namespaces(&self.cluster, query));
        let warnings = match namespaces {
            Some(namespaces) => concern::order(warnings, &namespaces),
            None => warnings.into_iter().map(|warning| warning.text).collect(),
        };
        warnings.iter().for_each(say);
        Remarks { unread: std::mem::take(&mut self.unread), warnings }
    }

    /// What is wrong with a question; a workload in the place of a pod is pointed to.
    pub(super) fn failed(&self, error: QueryError) -> anyhow::Error {
        let named = |pod: &str| {
            self.workloads.iter().find(|workload| format!("{}/{}", workload.namespace, workload.name) == pod)
        };
        match error.unknown_pod().and_then(named) {
            Some(WorkloadTemplate { kind, .. }) => anyhow!(
                "{error}; that is the name of a {kind}: name one of its pods, and give its Pod object, with an \
                 address in status.podIPs"
            ),
            None => error.into(),
        }
    }
}

fn tell(problems: &[Problem], unread: &mut Vec<String>) {
    for problem in problems {
        say(problem);
        unread.push(problem.to_string());
    }
}

fn no_object(paths: &[PathBuf]) -> anyhow::Error {
    let named: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let mend = paths.iter().find_map(|path| kustomization(path)).map_or_else(
        || "give Pods, policies, …".to_owned(),
        |folder| {
            format!("build it: `kubectl kustomize {} | portolan explain --manifests - …`", folder.display())
        },
    );
    anyhow!("the manifests hold no object that Portolan knows (read: {}): {mend}", named.join(", "))
}

/// The folder of a kustomization that is, or lies in, this path.
fn kustomization(path: &Path) -> Option<PathBuf> {
    const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
    if NAMES.iter().any(|name| path.join(name).is_file()) {
        return Some(path.to_owned());
    }
    let is_one = path.file_name().is_some_and(|file| NAMES.iter().any(|name| file == *name));
    let folder = path.parent().filter(|_| is_one)?;
    Some(if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() })
}

/// Misspelt metadata.
fn slips(manifests: &Manifests) -> impl Iterator<Item = Warning> {
    let slips = manifests.slips.iter();
    slips.map(|Problem { file, text }| Warning { namespace: None, text: format!("{file}: warning: {text}") })
}

/// What the API would reject, with what is made of it.
fn invalid_fields(manifests: &Manifests) -> Vec<Warning> {
    let objects = manifests.objects.iter().enumerate();
    let warnings = objects.flat_map(|(index, object)| {
        let namespace = match object {
            Object::NetworkPolicy(_) => object.key().namespace,
            _ => None,
        };
        validate(object).into_iter().map(move |invalid| Warning {
            namespace: namespace.clone(),
            text: format!("{}: warning: {invalid}", manifests.file(index)),
        })
    });
    warnings.collect()
}

fn other_kinds(manifests: &Manifests) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for kind in &manifests.ignored {
        if kind.to_lowercase().contains("networkpolic") {
            let text = format!(
                "warning: {kind}: policies of this kind are not judged, so an answer may be wrong; Portolan reads \
                 NetworkPolicy, ClusterNetworkPolicy, AdminNetworkPolicy and BaselineAdminNetworkPolicy"
            );
            warnings.push(Warning { namespace: None, text });
        } else {
            debug!(kind, "Objects of this kind say nothing about connections.");
        }
    }
    warnings
}
