//! What is wrong, or probably not meant, in a set of objects taken together.
//!
//! ```text
//! [Object] -> validate ----------------------------> findings
//!          -> the policies + the pods that are known -> checks -> findings, sorted
//! ```
//!
//! Parts are held against each other through indexes (`rule_index`, `peer_index`, `port_index`), never
//! each against all. Every finding is certain, or says "may". Each code is described in `docs/lint.md`.

mod blocks;
mod code;
mod conditions;
mod dormant;
mod duplicates;
mod findings;
mod ground;
mod isolation;
mod known;
mod nobody;
mod peer_index;
mod population;
mod port_index;
mod ports;
mod prefixes;
mod redundant;
mod rule_index;
mod same;
mod selections;
mod services;
mod tiers;
mod types;
mod view;

pub use code::Code;
pub use same::say_the_same;

use crate::{Object, ObjectKey, WorkloadTemplate, network_policy::NetworkPolicy, validate::write_key};
use blocks::PodAddresses;
use dormant::Dormant;
use duplicates::Effective;
use findings::Findings;
use isolation::Dns;
use population::Population;
use serde::Serialize;
use services::Services;
use std::fmt;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The API rejects it, or it cannot do what it says.
    Error,
    /// It probably does not do what was meant.
    Warning,
    /// It is good to know.
    Info,
}

impl Severity {
    /// The word used in text and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is wrong, or probably not meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub code: Code,
    /// How much it matters.
    pub severity: Severity,
    /// The object to change.
    #[serde(serialize_with = "write_key")]
    pub object: ObjectKey,
    /// The field of it, such as `spec.ingress[0].from[1]`; absent for the object as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is the matter.
    pub message: String,
    /// What to do about it.
    pub mend: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, severity, object, field, message, mend } = self;
        write!(f, "{severity} {code}: {object}: ")?;
        if let Some(field) = field {
            write!(f, "{field}: ")?;
        }
        write!(f, "{message}; {mend}")
    }
}

/// Looks at objects as one cluster and names what is wrong or probably not meant.
///
/// The findings are sorted by object, field and code. Findings about pods that no policy or peer
/// selects are made only where pods are among the objects.
pub fn lint(objects: &[Object]) -> Vec<Finding> {
    lint_with(objects, &[], &|_| None)
}

/// [`lint`], with workloads whose templates count as pods of their namespaces, and with the names of the
/// files of the objects, asked for by their place.
pub fn lint_with(
    objects: &[Object],
    workloads: &[WorkloadTemplate],
    file: &dyn Fn(usize) -> Option<String>,
) -> Vec<Finding> {
    let mut findings = Findings::default();
    let Effective { objects, cluster } = duplicates::check(&mut findings, objects, file);
    let dormant = Dormant::read(&objects, workloads);
    let population = Population::new(&cluster, objects.iter().copied(), &dormant);
    let surveyed: Vec<_> = cluster.survey().collect();
    let pods = PodAddresses::new(surveyed.iter().flat_map(|namespace| namespace.pods.iter().copied()));
    let services = Services::read(&objects, &population);
    let dns = Dns::find(&population);
    for namespace in &surveyed {
        for policy in &namespace.policies {
            check_policy(&mut findings, &population, &pods, &services, policy);
        }
        redundant::check(&mut findings, namespace.name, &namespace.policies);
        if let Some(home) = population.home(namespace.name) {
            isolation::check_default_deny(&mut findings, &cluster, &population, home, &namespace.policies);
            isolation::check_dns(&mut findings, &cluster, &population, &dns, home);
        }
    }
    tiers::check(&mut findings, &cluster, &population, &services);
    findings.finish()
}

fn check_policy(
    findings: &mut Findings,
    population: &Population<'_>,
    pods: &PodAddresses<'_>,
    services: &Services,
    policy: &NetworkPolicy,
) {
    types::check(findings, policy);
    blocks::check(findings, pods, services, policy);
    if population.has_people() {
        nobody::check(findings, population, policy);
        ports::check(findings, population, services, policy);
    }
}
