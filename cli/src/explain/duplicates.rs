//! Objects that are there twice: the last one counts, which is perhaps not the one that was meant.

use crate::manifests::Manifests;
use portolan_policy::{ObjectKey, say_the_same};
use std::collections::BTreeMap;

/// The same files given twice make every object a duplicate: no more than these are named.
const MOST_NAMED: usize = 8;

/// A warning for each object that is there more than once, unless all of them say the same.
pub(super) fn find(manifests: &Manifests) -> impl Iterator<Item = String> {
    let mut places: BTreeMap<ObjectKey, Vec<usize>> = BTreeMap::new();
    for (index, object) in manifests.objects.iter().enumerate() {
        places.entry(object.key()).or_default().push(index);
    }
    places.retain(|_, places| differ(manifests, places));
    let more = places.len().saturating_sub(MOST_NAMED);
    let more = (more > 0).then(|| format!("warning: {more} more objects are there more than once"));
    let named: Vec<String> =
        places.iter().take(MOST_NAMED).map(|(key, places)| warning(manifests, key, places)).collect();
    named.into_iter().chain(more)
}

/// Whether it makes a difference which one counts.
fn differ(manifests: &Manifests, places: &[usize]) -> bool {
    let Some((last, others)) = places.split_last() else { return false };
    others.iter().any(|other| !say_the_same(&manifests.objects[*other], &manifests.objects[*last]))
}

/// `warning: Pod shop/db is in a.yaml and b.yaml; the one in b.yaml counts: keep one, or rename the others`.
fn warning(manifests: &Manifests, key: &ObjectKey, places: &[usize]) -> String {
    let mut files: Vec<String> = places.iter().map(|place| manifests.file(*place)).collect();
    files.dedup();
    let last = files.last().cloned().unwrap_or_default();
    let told = match files.as_slice() {
        [file] => format!("is {} times in {file}; the last one counts", places.len()),
        files => format!("is in {}; the one in {last} counts", files.join(" and ")),
    };
    format!("warning: {key} {told}: keep one, or rename the others")
}
