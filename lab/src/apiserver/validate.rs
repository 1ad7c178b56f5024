//! Validation with field paths: metadata of every kind, and what the kinds of this lab are about.

use serde_json::Value;

use super::error::FieldError;
use super::kinds::KindRef;
use super::validate_policy;

/// Everything wrong with an object.
pub(super) fn check(kind: KindRef, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    metadata(kind, object, &mut errors);
    match kind.kind {
        "NetworkPolicy" => validate_policy::network_policy(object, &mut errors),
        "ClusterNetworkPolicy" => {
            validate_policy::priority(object, &mut errors);
            one_of(&object["spec"]["tier"], "spec.tier", &["Admin", "Baseline"], &mut errors);
        }
        "AdminNetworkPolicy" => validate_policy::priority(object, &mut errors),
        "BaselineAdminNetworkPolicy" => {
            one_of(&object["metadata"]["name"], "metadata.name", &["default"], &mut errors);
        }
        "Service" => service(object, &mut errors),
        "Pod" => pod(object, &mut errors),
        "EndpointSlice" => {
            one_of(&object["addressType"], "addressType", &["FQDN", "IPv4", "IPv6"], &mut errors);
        }
        _ => {}
    }
    errors
}

/// One of a closed list; absent is wrong too.
pub(super) fn one_of(value: &Value, path: &str, allowed: &[&str], errors: &mut Vec<FieldError>) {
    if !value.as_str().is_some_and(|text| allowed.contains(&text)) {
        errors.push(FieldError::unsupported(path, value, allowed));
    }
}

fn metadata(kind: KindRef, object: &Value, errors: &mut Vec<FieldError>) {
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str().unwrap_or_default();
    let problem = match kind.kind {
        "Namespace" | "Service" => (!is_dns_label(name)).then_some(DNS_LABEL),
        _ if kind.group == "rbac.authorization.k8s.io" => {
            name.contains(['/', '%']).then_some("may not contain '/' or '%'")
        }
        _ => (!is_subdomain(name)).then_some(SUBDOMAIN),
    };
    if let Some(problem) = problem {
        errors.push(FieldError::invalid("metadata.name", &metadata["name"], problem));
    }
    labels(&metadata["labels"], "metadata.labels", errors);
}

const DNS_LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const LABEL_KEY: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/// A map of labels.
pub(super) fn labels(map: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for (key, value) in map.as_object().into_iter().flatten() {
        if !is_label_key(key) {
            errors.push(FieldError::invalid(path, &Value::from(key.as_str()), LABEL_KEY));
        }
        if !value.as_str().is_some_and(is_label_value) {
            errors.push(FieldError::invalid(path, value, LABEL_VALUE));
        }
    }
}

fn is_word(text: &str, inner: impl Fn(char) -> bool, edge: impl Fn(char) -> bool) -> bool {
    text.starts_with(&edge) && text.ends_with(&edge) && text.chars().all(inner)
}

/// `[a-z0-9]([-a-z0-9]*[a-z0-9])?`, at most 63 characters.
fn is_dns_label(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 63 && is_word(text, |c| edge(c) || c == '-', edge)
}

fn is_subdomain(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|part| is_dns_label(part) || (part.len() > 63 && is_long_label(part)))
}

/// A part of a subdomain has no length of its own.
fn is_long_label(part: &str) -> bool {
    part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn is_qualified_word(text: &str) -> bool {
    text.len() <= 63
        && is_word(text, |c| c.is_ascii_alphanumeric() || "-_.".contains(c), |c| c.is_ascii_alphanumeric())
}

fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_qualified_word(text)
}

fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_qualified_word(name),
        None => is_qualified_word(text),
    }
}

fn service(object: &Value, errors: &mut Vec<FieldError>) {
    let ports = object["spec"]["ports"].as_array().map_or(&[][..], Vec::as_slice);
    let headless = object["spec"]["clusterIP"] == "None" || object["spec"]["type"] == "ExternalName";
    if ports.is_empty() && !headless {
        errors.push(FieldError::required("spec.ports", ""));
    }
    for (index, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        port_number(&port["port"], &format!("{path}.port"), errors);
        one_of(&port["protocol"], &format!("{path}.protocol"), &["SCTP", "TCP", "UDP"], errors);
    }
}

fn pod(object: &Value, errors: &mut Vec<FieldError>) {
    let containers = object["spec"]["containers"].as_array().map_or(&[][..], Vec::as_slice);
    if containers.is_empty() {
        errors.push(FieldError::required("spec.containers", ""));
    }
    for (index, container) in containers.iter().enumerate() {
        let path = format!("spec.containers[{index}]");
        if container["name"].as_str().is_none_or(str::is_empty) {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        }
        for (at, port) in container["ports"].as_array().into_iter().flatten().enumerate() {
            port_number(&port["containerPort"], &format!("{path}.ports[{at}].containerPort"), errors);
        }
    }
}

/// A port number between 1 and 65535.
pub(super) fn port_number(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if !value.as_u64().is_some_and(|port| (1..=65535).contains(&port)) {
        errors.push(FieldError::invalid(path, value, "must be between 1 and 65535, inclusive"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(kind: &str, object: &Value) -> Vec<String> {
        check(KindRef::by_name(kind).unwrap(), object).into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn names_and_labels_follow_their_grammar() {
        let cases = [
            (json!({"name": "web.v1-2"}), vec![]),
            (json!({"name": "Web"}), vec!["metadata.name"]),
            (json!({"name": ""}), vec!["metadata.name"]),
            (json!({"name": "a", "labels": {"x.io/tier": "Front_1.a", "empty": ""}}), vec![]),
            (json!({"name": "a", "labels": {"tier": "no spaces"}}), vec!["metadata.labels"]),
            (json!({"name": "a", "labels": {"-tier": "x"}}), vec!["metadata.labels"]),
        ];
        for (metadata, expected) in cases {
            let config_map = json!({"metadata": metadata});
            assert_eq!(fields("cm", &config_map), expected, "{config_map}");
        }
    }

    #[test]
    fn a_pod_needs_containers_and_real_ports() {
        let pod = json!({"metadata": {"name": "a"}, "spec": {}});
        assert_eq!(fields("po", &pod), ["spec.containers"]);
        let pod = json!({"metadata": {"name": "a"},
            "spec": {"containers": [{"name": "a", "ports": [{"containerPort": 0}]}]}});
        assert_eq!(fields("po", &pod), ["spec.containers[0].ports[0].containerPort"]);
    }

    #[test]
    fn the_baseline_policy_is_called_default() {
        assert_eq!(fields("banp", &json!({"metadata": {"name": "other"}})), ["metadata.name"]);
        assert_eq!(fields("banp", &json!({"metadata": {"name": "default"}})), Vec::<String>::new());
    }
}
