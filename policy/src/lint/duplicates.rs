//! Objects that cannot all be part of one cluster: the same twice, or unusable ones.

use super::{Code, findings::Findings};
use crate::{Cluster, Object, ObjectKey, shown::short, validate};
use std::collections::HashMap;

/// The objects that count, and the cluster that they make.
pub(super) struct Effective<'a> {
    pub(super) objects: Vec<&'a Object>,
    pub(super) cluster: Cluster,
}

/// Names invalid fields, invalid objects and duplicates; of these the last one counts.
pub(super) fn check<'a>(findings: &mut Findings, objects: &'a [Object]) -> Effective<'a> {
    let mut last: HashMap<ObjectKey, (usize, usize)> = HashMap::new();
    for (at, object) in objects.iter().enumerate() {
        let (latest, count) = last.entry(object.key()).or_default();
        (*latest, *count) = (at, *count + 1);
        invalid_fields(findings, object);
    }
    let mut counting: Vec<usize> = Vec::with_capacity(last.len());
    for (key, (latest, count)) in last {
        counting.push(latest);
        if count > 1 {
            let message = format!("there are {count} objects of this name; the last one counts");
            findings.add(Code::DuplicateObject, key, message, "keep one, or rename the others");
        }
    }
    counting.sort_unstable();
    let objects: Vec<_> = counting.into_iter().map(|at| &objects[at]).collect();
    let cluster = build(findings, &objects);
    Effective { objects, cluster }
}

fn invalid_fields(findings: &mut Findings, object: &Object) {
    for field in validate(object) {
        let at = super::findings::At::from(field.object).field(field.field);
        let message = format!("{} (as it is, {})", field.problem, field.effect);
        findings.add(Code::InvalidField, at, message, field.mend);
    }
}

/// Policies come before pods: so each pod is planned once.
fn build(findings: &mut Findings, objects: &[&Object]) -> Cluster {
    let mut cluster = Cluster::default();
    let (pods, others): (Vec<&Object>, Vec<_>) =
        objects.iter().partition(|object| matches!(object, Object::Pod(_)));
    for object in others.into_iter().chain(pods) {
        if let Err(invalid) = cluster.apply(object.clone()) {
            let mend = "mend it; until then the object is left out";
            findings.add(Code::InvalidObject, invalid.key, short(&invalid.problem), mend);
        }
    }
    cluster
}
