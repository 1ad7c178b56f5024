//! Collects what is invalid in one object.

use super::{InvalidField, Path};
use crate::ObjectKey;

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
