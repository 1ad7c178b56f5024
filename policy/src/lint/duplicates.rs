//! Objects that cannot all be part of one cluster: the same twice, or unusable ones.

use super::{
    Code,
    findings::{At, Findings, listed},
    same::say_the_same,
};
use crate::{Cluster, Object, ObjectKey, shown::short, validate};
use std::collections::BTreeMap;

/// The objects that count, and the cluster that they make.
pub(super) struct Effective<'a> {
    pub(super) objects: Vec<&'a Object>,
    pub(super) cluster: Cluster,
}

/// Names the file of an object by its place, where that is known.
pub(super) type FileOf<'f> = &'f dyn Fn(usize) -> Option<String>;

/// Names invalid fields, invalid objects and duplicates; of these the last one counts, and it alone is
/// judged.
pub(super) fn check<'a>(findings: &mut Findings, objects: &'a [Object], file: FileOf<'_>) -> Effective<'a> {
    let mut places: BTreeMap<ObjectKey, Vec<usize>> = BTreeMap::new();
    for (at, object) in objects.iter().enumerate() {
        places.entry(object.key()).or_default().push(at);
    }
    let mut counting: Vec<usize> = Vec::with_capacity(places.len());
    for (key, places) in places {
        let Some((latest, replaced)) = places.split_last() else { continue };
        counting.push(*latest);
        if replaced.iter().any(|at| !say_the_same(&objects[*at], &objects[*latest])) {
            let message = told(&places, file);
            findings.add(Code::DuplicateObject, key, message, "keep one, or rename the others");
        }
    }
    counting.sort_unstable();
    let objects: Vec<_> = counting.into_iter().map(|at| &objects[at]).collect();
    for object in &objects {
        invalid_fields(findings, object);
    }
    let cluster = build(findings, &objects);
    Effective { objects, cluster }
}

/// Where the objects of one name are, and which of them counts.
fn told(places: &[usize], file: FileOf<'_>) -> String {
    let files: Option<Vec<String>> = places.iter().map(|place| file(*place)).collect();
    let mut files = files.unwrap_or_default();
    files.dedup();
    let rest = match places.len() - 1 {
        1 => "the other one is not judged".to_owned(),
        rest => format!("the other {rest} are not judged"),
    };
    let count = places.len();
    match files.as_slice() {
        [] => format!("there are {count} objects of this name; the last one counts, and {rest}"),
        [file] => format!("is {count} times in {file}; the last one counts, and {rest}"),
        [.., last] => {
            let last = last.clone();
            format!("is in {}; the one in {last} counts, and {rest}", listed("and", files.into_iter()))
        }
    }
}

fn invalid_fields(findings: &mut Findings, object: &Object) {
    for field in validate(object) {
        let at = At::from(field.object).field(field.field);
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
