//! What the API would reject: which field, why, and what becomes of it.
#![expect(clippy::unwrap_used, reason = "what a test takes for granted should end it when it fails")]

mod fuzz;
mod network_policy;
mod others;
mod tiered;
mod unknown;

use portolan_policy::{Object, parse_manifest, validate};
use serde_json::{Value, json};

/// One object of a kind, with its spec.
fn object(api_version: &str, kind: &str, name: &str, spec: &Value) -> Object {
    let value = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec});
    let manifest = parse_manifest(&value.to_string());
    assert_eq!(manifest.errors, []);
    manifest.objects.into_iter().next().unwrap()
}

/// The invalid fields, as `field: problem; mend (as it is, effect)`.
fn problems(object: &Object) -> Vec<String> {
    let title = format!("{}: ", object.key());
    validate(object).iter().map(|field| field.to_string().replacen(&title, "", 1)).collect()
}

/// Each entry of the table is a part and the one problem that it has, by its beginning.
fn each_has_its_problem(table: &[(Value, &str)], whole: impl Fn(&Value) -> Object) {
    for (part, expected) in table {
        let found = problems(&whole(part));
        assert_eq!(found.len(), 1, "{part}: {found:#?}");
        assert!(found[0].starts_with(expected), "{part}: {}", found[0]);
        assert!(found[0].contains("; ") && found[0].ends_with(')'), "{}", found[0]);
    }
}

/// None of the parts has a problem.
fn none_has_a_problem(parts: &[Value], whole: impl Fn(&Value) -> Object) {
    for part in parts {
        assert_eq!(problems(&whole(part)), Vec::<String>::new(), "{part}");
    }
}

#[test]
fn a_field_is_said_with_problem_mend_and_effect() {
    let policy = object("networking.k8s.io/v1", "NetworkPolicy", "db", &json!({"ingress": [{"from": [{}]}]}));
    assert_eq!(
        validate(&policy)[0].to_string(),
        "NetworkPolicy default/db: spec.ingress[0].from[0]: the peer says nothing; \
         write podSelector, namespaceSelector or ipBlock, or leave the list out for any peer \
         (as it is, the entry matches nobody)"
    );
}

#[test]
fn a_field_as_json_names_its_object_in_parts() {
    let policy = object("networking.k8s.io/v1", "NetworkPolicy", "db", &json!({"policyTypes": ["ingress"]}));
    assert_eq!(
        serde_json::to_string(&validate(&policy)[0]).unwrap(),
        r#"{"object":{"kind":"NetworkPolicy","namespace":"default","name":"db"},"field":"spec.policyTypes[0]","problem":"no policy type: `ingress`","mend":"write Ingress or Egress","effect":"whether the policy isolates in a direction that it does not name is unknown"}"#
    );
}
