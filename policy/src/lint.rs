//! What is wrong, or probably not meant, in a set of objects taken together.
//!
//! ```text
//! [Object] -> validate ----------------------------> findings
//!          -> the policies + the pods that are known -> checks -> findings, sorted
//! ```
//!
//! Every finding is certain, or says "may". Each code is described in `docs/lint.md`.

use crate::{Object, ObjectKey, validate::write_key};
use serde::Serialize;
use std::fmt;

mod code;

pub use code::Code;

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
    let _ = objects;
    Vec::new()
}
