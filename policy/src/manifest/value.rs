//! One document to values: JSON as JSON, everything else as YAML.

use super::split::Document;
use serde_json::Value;
use serde_saphyr::{Options, SnippetMode};

/// The values of a document: one for YAML, any number for concatenated JSON.
pub(super) fn values(document: &Document<'_>) -> Vec<Result<Value, String>> {
    if !document.text.trim_start().starts_with('{') {
        return vec![yaml(document)];
    }
    let values = json(document);
    let broken = values.iter().all(Result::is_err);
    // A flow mapping looks like JSON until it is read.
    match broken.then(|| yaml(document)) {
        Some(Ok(value)) => vec![Ok(value)],
        Some(Err(problem)) if !is_json(document.text) => vec![Err(problem)],
        _ => values,
    }
}

/// Whether a broken text was meant as JSON: its first key is in quotes.
pub(super) fn is_json(text: &str) -> bool {
    let inside = text.trim_start().strip_prefix('{');
    inside.is_some_and(|inside| inside.trim_start().starts_with(['"', '}']))
}

fn yaml(document: &Document<'_>) -> Result<Value, String> {
    serde_saphyr::from_str_with_options(document.text, options(document.text.len())).map_err(|error| {
        let line_offset = document.line as u64 - 1;
        let options = serde_saphyr::render_options! { snippets: SnippetMode::Off, line_offset: line_offset };
        format!("the YAML cannot be read: {}; mend it there", error.render_with_options(options))
    })
}

/// Limits that grow with the text, so that a big cluster's export is read and an alias bomb is not.
///
/// Only `true` and `false` are truth values: `y`, `no` and `on` are names and labels here.
fn options(length: usize) -> Options {
    let most = length.saturating_mul(2).max(1024);
    serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
        budget: serde_saphyr::budget! {
            max_events: most,
            max_nodes: most,
            max_total_scalar_bytes: most,
            max_total_comment_bytes: most,
            max_recorded_anchor_events: most,
            max_recorded_anchor_bytes: most,
        },
    }
}

/// Reads one JSON value after the other; behind a broken one it goes on at the next line that
/// opens an object.
fn json(document: &Document<'_>) -> Vec<Result<Value, String>> {
    let mut values = Vec::new();
    let mut rest = document.text;
    let mut line = document.line;
    while !rest.trim().is_empty() {
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let mut read = 0;
        let error = loop {
            match stream.next() {
                Some(Ok(value)) => values.push(Ok(value)),
                Some(Err(error)) => break error,
                None => return values,
            }
            read = stream.byte_offset();
        };
        values.push(Err(format!(
            "the JSON cannot be read: {} at line {}; mend it there",
            bare(&error),
            line + error.line().saturating_sub(1)
        )));
        let Some(next) = next_object(rest, read) else { break };
        let (passed, remaining) = rest.split_at(next);
        line += passed.matches('\n').count();
        rest = remaining;
    }
    values
}

/// The message without the place that it gives itself.
fn bare(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(message, _)| message.to_owned())
}

/// Where the next line after `from` begins that opens an object.
fn next_object(text: &str, from: usize) -> Option<usize> {
    let skipped = text.get(from..)?;
    let opening = skipped.len() - skipped.trim_start().len();
    skipped.get(opening..)?.find("\n{").map(|at| from + opening + at + 1)
}
