//! How findings are told, and which of them count.

use super::*;
use portolan_policy::{Code, ObjectKind, parse_manifest};

fn finding(severity: Severity) -> Finding {
    Finding {
        code: Code::SelectsNoPod,
        severity,
        object: ObjectKey::namespaced(ObjectKind::NetworkPolicy, "shop", "db"),
        field: Some("spec.podSelector".to_owned()),
        message: "no pod".to_owned(),
        mend: "mend it".to_owned(),
    }
}

fn found(severity: Severity) -> Entry {
    Entry::Found { finding: finding(severity), file: Some("shop.yaml".to_owned()) }
}

fn unreadable() -> Entry {
    let (message, file) = ("document 1: bad".to_owned(), Some("bad.yaml".to_owned()));
    Entry::Text { code: "unreadable-document", severity: Severity::Error, message, file }
}

#[test]
fn what_counts_is_at_least_as_severe_as_asked() {
    use Severity::{Error, Info, Warning};
    for (fail_on, counting) in [
        (FailOn::Error, &[Error][..]),
        (FailOn::Warning, &[Error, Warning]),
        (FailOn::Info, &[Error, Warning, Info]),
        (FailOn::Never, &[]),
    ] {
        for severity in [Error, Warning, Info] {
            assert_eq!(fail_on.counts(severity), counting.contains(&severity), "{fail_on:?} {severity}");
        }
    }
}

#[test]
fn a_line_begins_with_the_file() {
    assert_eq!(
        found(Severity::Warning).to_string(),
        "shop.yaml: warning selects-no-pod: NetworkPolicy shop/db: spec.podSelector: no pod; mend it"
    );
    let nowhere = Entry::Found { finding: finding(Severity::Info), file: None };
    assert!(nowhere.to_string().starts_with("info selects-no-pod: "), "{nowhere}");
    assert_eq!(unreadable().to_string(), "bad.yaml: error unreadable-document: document 1: bad");
}

#[test]
fn json_has_its_fields_in_order_with_the_file_last() {
    let json = serde_json::to_string(&[unreadable(), found(Severity::Error)]).unwrap();
    assert_eq!(
        json,
        r#"[{"code":"unreadable-document","severity":"error","message":"document 1: bad","file":"bad.yaml"},{"code":"selects-no-pod","severity":"error","object":{"kind":"NetworkPolicy","namespace":"shop","name":"db"},"field":"spec.podSelector","message":"no pod","mend":"mend it","file":"shop.yaml"}]"#
    );
}

#[test]
fn the_summary_counts_each_severity() {
    let entries = [unreadable(), found(Severity::Warning), found(Severity::Error)];
    assert_eq!(summary(&entries), "3 findings: 2 errors, 1 warning, 0 infos");
    assert_eq!(summary(&[]), "0 findings: 0 errors, 0 warnings, 0 infos");
}

#[test]
fn a_finding_names_the_file_of_the_object_that_counts() {
    let text = "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n---\n\
                {apiVersion: v1, kind: Node, metadata: {name: n1}}\n---\n\
                {apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n";
    let mut manifests = Manifests::default();
    manifests.objects = parse_manifest(text).objects;
    let namespace = ObjectKey::cluster_scoped(ObjectKind::Namespace, "shop");
    assert_eq!(files(&manifests).get(&namespace), Some(&2));
    assert_eq!(files(&manifests).len(), 2);
}
