//! Collects what is invalid in one object.

use super::{InvalidField, Path};
use crate::{ObjectKey, object::UnknownKey};

/// The effect of a key that is no field.
const DROPPED: &str = "it is dropped, as an API server drops it, and";

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

    /// Adds the keys that are no fields where they stand.
    pub(super) fn unknown(&mut self, keys: &[UnknownKey]) {
        self.fields.extend(keys.iter().map(|key| InvalidField {
            object: self.object.clone(),
            field: key.field.clone(),
            problem: "not a field of this object".to_owned(),
            mend: key.mend.clone(),
            effect: match key.consequence {
                Some(consequence) => format!("{DROPPED} so {consequence}"),
                None => format!("{DROPPED} the rest holds without it"),
            },
        }));
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
