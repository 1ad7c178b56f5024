//! Templates of Helm and its like: no objects before they are rendered.

use serde_json::{Map, Value};

/// What is said of a template, once for a whole text.
pub(super) const PROBLEM: &str = "it holds `{{`, so it is a template; render it first (`helm template`)";

/// Whether a text has what templates are filled in by.
pub(super) fn has_gaps(text: &str) -> bool {
    text.contains("{{")
}

/// Whether an object is called by something that is to be filled in.
pub(super) fn is_unfilled(object: &Map<String, Value>) -> bool {
    let Some(metadata) = object.get("metadata") else { return false };
    let mut names = ["name", "namespace"].into_iter().filter_map(|field| metadata.get(field)?.as_str());
    names.any(has_gaps)
}
