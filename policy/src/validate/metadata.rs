//! Names, namespaces and labels.

use super::{
    Path,
    report::Report,
    selector::{KEY_MEND, VALUE_MEND},
    syntax,
};
use crate::shown::quote;
use crate::{Object, ObjectKind};

/// The effect of a name or label that is taken for what it is.
const AS_WRITTEN: &str = "it is taken as written";

/// Checks what all kinds have.
pub(super) fn check(report: &mut Report<'_>, object: &Object) {
    let metadata = object.metadata();
    let at = Path::root("metadata");
    name(report, &at.field("name"), object.kind(), metadata.name.as_deref().unwrap_or_default());
    if let Some(namespace) = metadata.namespace.as_deref().filter(|namespace| !namespace.is_empty()) {
        namespaced(report, &at.field("namespace"), object.kind(), namespace);
    }
    let labels = at.field("labels");
    for (key, value) in metadata.labels.iter().flatten() {
        if let Err(problem) = syntax::label_key(key) {
            let problem = format!("label key {} {problem}", quote(key));
            report.invalid(&labels.key(key), problem, KEY_MEND, AS_WRITTEN);
        }
        if let Err(problem) = syntax::label_value(value) {
            let problem = format!("label value {} {problem}", quote(value));
            report.invalid(&labels.key(key), problem, VALUE_MEND, AS_WRITTEN);
        }
    }
}

fn name(report: &mut Report<'_>, at: &Path<'_>, kind: ObjectKind, name: &str) {
    if name.is_empty() {
        return report.invalid(at, "no name", "give the object a name", "the object is refused");
    }
    let checked = match kind {
        ObjectKind::Namespace | ObjectKind::Service => syntax::dns_label(name),
        _ => syntax::dns_subdomain(name),
    };
    if let Err(problem) = checked {
        let mend = "write lower-case letters, digits and `-`";
        report.invalid(at, format!("name {} {problem}", quote(name)), mend, AS_WRITTEN);
    }
}

fn namespaced(report: &mut Report<'_>, at: &Path<'_>, kind: ObjectKind, namespace: &str) {
    if !kind.is_namespaced() {
        let problem = format!("namespace {} on a {kind}, which has none", quote(namespace));
        return report.invalid(at, problem, "leave it out", "it is ignored");
    }
    if let Err(problem) = syntax::dns_label(namespace) {
        let problem = format!("namespace {} {problem}", quote(namespace));
        report.invalid(at, problem, "write the name of a namespace", AS_WRITTEN);
    }
}
