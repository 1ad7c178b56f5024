//! Collects what is invalid in one object, and puts values into sentences.

use super::{InvalidField, Path};
use crate::ObjectKey;

/// The characters of a value that are shown; values may be huge.
const SHOWN: usize = 60;

/// What is invalid in one object so far.
pub(super) struct Report<'a> {
    object: &'a ObjectKey,
    fields: Vec<InvalidField>,
}

impl<'a> Report<'a> {
    pub(super) const fn new(object: &'a ObjectKey) -> Self {
        Self { object, fields: Vec::new() }
    }

    /// Adds a field: its problem, how to mend it, and what Portolan makes of it meanwhile.
    pub(super) fn invalid(
        &mut self,
        at: &Path<'_>,
        problem: impl Into<String>,
        mend: impl Into<String>,
        effect: &str,
    ) {
        self.fields.push(InvalidField {
            object: self.object.clone(),
            field: at.to_string(),
            problem: problem.into(),
            mend: mend.into(),
            effect: effect.to_owned(),
        });
    }

    /// The API takes at most `limit` entries of a list.
    pub(super) fn at_most(&mut self, at: &Path<'_>, found: usize, limit: usize, effect: &str) {
        if found > limit {
            let mend = format!("keep at most {limit}");
            self.invalid(at, format!("{found} entries"), mend, effect);
        }
    }

    pub(super) fn finish(self) -> Vec<InvalidField> {
        self.fields
    }
}

/// A value in a sentence: in backticks, on one line, cut where it is long.
pub(crate) fn quote(text: &str) -> String {
    format!("`{}`", short(text))
}

/// A value on one line, cut where it is long.
pub(crate) fn short(text: &str) -> String {
    let mut chars = text.chars();
    let mut shown: String = chars.by_ref().take(SHOWN).map(visible).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

/// Control characters would break lines and terminals.
fn visible(char: char) -> char {
    if char.is_control() { '\u{fffd}' } else { char }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_cut_at_a_character_and_kept_on_one_line() {
        assert_eq!(quote("web"), "`web`");
        assert_eq!(quote("a\nb\u{1b}[1m"), "`a\u{fffd}b\u{fffd}[1m`");
        assert_eq!(quote(&"é".repeat(60)), format!("`{}`", "é".repeat(60)));
        assert_eq!(quote(&"é".repeat(61)), format!("`{}…`", "é".repeat(60)));
    }
}
