//! A text cut into its documents, so that a broken one cannot take the next with it.
//!
//! In YAML a line that begins with `---` or `...` is a marker wherever it stands, so no parser is
//! needed to find it.

/// One document of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Document<'a> {
    /// Its number, from 1.
    pub(super) number: usize,
    /// The line it begins on, from 1.
    pub(super) line: usize,
    /// Its text, the `---` that opens it included.
    pub(super) text: &'a str,
}

/// The documents that hold anything.
pub(super) fn documents(text: &str) -> Vec<Document<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut documents = Vec::new();
    let mut push = |start: usize, end: usize, line: usize| {
        if let Some(text) = text.get(start..end).filter(|text| holds_anything(text)) {
            documents.push(Document { number: documents.len() + 1, line, text });
        }
    };
    let (mut start, mut start_line, mut at) = (0, 1, 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let here = text.get(start..at).unwrap_or_default();
        // Directives belong to the document whose `---` follows them.
        if is_marker(line, "---") && !is_preamble(here) {
            push(start, at, start_line);
            (start, start_line) = (at, index + 1);
        } else if is_marker(line, "...") {
            push(start, at, start_line);
            (start, start_line) = (at + line.len(), index + 2);
        }
        at += line.len();
    }
    push(start, text.len(), start_line);
    documents
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

/// Whether there is nothing but directives, comments and blanks, with a directive among them.
fn is_preamble(text: &str) -> bool {
    text.lines().any(|line| line.starts_with('%'))
        && text.lines().all(|line| line.starts_with('%') || is_blank(line))
}

fn holds_anything(text: &str) -> bool {
    text.lines().any(|line| {
        let content = if is_marker(line, "---") { line.trim_start_matches('-') } else { line };
        !is_blank(content) && !line.starts_with('%')
    })
}

fn is_blank(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}
