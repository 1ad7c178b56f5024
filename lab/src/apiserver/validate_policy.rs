//! Validation of NetworkPolicy and its cluster-wide relatives, in the words of the real server.

use ipnet::IpNet;
use serde_json::Value;

use super::error::FieldError;
use super::validate::{labels, one_of, port_number};

/// Everything wrong with the spec of a NetworkPolicy.
pub(super) fn network_policy(object: &Value, errors: &mut Vec<FieldError>) {
    let spec = &object["spec"];
    label_selector(&spec["podSelector"], "spec.podSelector", errors);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (index, rule) in list(&spec[direction]).iter().enumerate() {
            let path = format!("spec.{direction}[{index}]");
            for (at, port) in list(&rule["ports"]).iter().enumerate() {
                policy_port(port, &format!("{path}.ports[{at}]"), errors);
            }
            for (at, peer) in list(&rule[peers]).iter().enumerate() {
                policy_peer(peer, &format!("{path}.{peers}[{at}]"), errors);
            }
        }
    }
    let types = list(&spec["policyTypes"]);
    if types.len() > 2 {
        let why = "may not specify more than two policyTypes";
        errors.push(FieldError::invalid("spec.policyTypes", &spec["policyTypes"], why));
        return;
    }
    for (index, name) in types.iter().enumerate() {
        one_of(name, &format!("spec.policyTypes[{index}]"), &["Egress", "Ingress"], errors);
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn policy_port(port: &Value, path: &str, errors: &mut Vec<FieldError>) {
    one_of(&port["protocol"], &format!("{path}.protocol"), &["SCTP", "TCP", "UDP"], errors);
    let (number, end) = (&port["port"], &port["endPort"]);
    match number {
        Value::Null if !end.is_null() => {
            let why = "may not be specified when `port` is not specified";
            errors.push(FieldError::invalid(format!("{path}.endPort"), end, why));
        }
        Value::Null => {}
        Value::String(name) => {
            if !is_port_name(name) {
                errors.push(FieldError::invalid(format!("{path}.port"), number, PORT_NAME));
            }
            if !end.is_null() {
                let why = "may not be specified when `port` is non-numeric";
                errors.push(FieldError::invalid(format!("{path}.endPort"), end, why));
            }
        }
        _ => {
            port_number(number, &format!("{path}.port"), errors);
            if !end.is_null() {
                end_port(number, end, &format!("{path}.endPort"), errors);
            }
        }
    }
}

const PORT_NAME: &str = "must be at most 15 characters, only lower case alphanumeric characters and '-', with at least one letter, without '--' and without '-' at an end";

fn is_port_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && name.contains(|c: char| c.is_ascii_lowercase())
        && !name.contains("--")
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn end_port(port: &Value, end: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if end.as_i64() < port.as_i64() {
        errors.push(FieldError::invalid(path, end, "must be greater than or equal to `port`"));
    }
    port_number(end, path, errors);
}

fn policy_peer(peer: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let selectors = ["podSelector", "namespaceSelector"];
    for field in selectors {
        label_selector(&peer[field], &format!("{path}.{field}"), errors);
    }
    let selects = selectors.iter().any(|field| !peer[*field].is_null());
    let block = &peer["ipBlock"];
    if block.is_null() {
        if !selects {
            errors.push(FieldError::required(path, "must specify a peer"));
        }
        return;
    }
    if selects {
        errors.push(FieldError::forbidden(path, "may not specify both ipBlock and another peer"));
    }
    ip_block(block, &format!("{path}.ipBlock"), errors);
}

const CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

fn ip_block(block: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let text = block["cidr"].as_str().unwrap_or_default();
    if text.is_empty() {
        errors.push(FieldError::required(format!("{path}.cidr"), ""));
        return;
    }
    let Ok(cidr) = text.parse::<IpNet>() else {
        errors.push(FieldError::invalid(format!("{path}.cidr"), &block["cidr"], CIDR));
        return;
    };
    for (index, except) in list(&block["except"]).iter().enumerate() {
        let path = format!("{path}.except[{index}]");
        match except.as_str().unwrap_or_default().parse::<IpNet>() {
            Err(_) => errors.push(FieldError::invalid(path, except, CIDR)),
            Ok(inner) if !cidr.contains(&inner) || inner.prefix_len() <= cidr.prefix_len() => {
                errors.push(FieldError::invalid(path, except, "must be a strict subset of `cidr`"));
            }
            Ok(_) => {}
        }
    }
}

fn label_selector(selector: &Value, path: &str, errors: &mut Vec<FieldError>) {
    labels(&selector["matchLabels"], &format!("{path}.matchLabels"), errors);
    for (index, term) in list(&selector["matchExpressions"]).iter().enumerate() {
        let path = format!("{path}.matchExpressions[{index}]");
        let values = list(&term["values"]);
        match term["operator"].as_str() {
            Some("In" | "NotIn") if values.is_empty() => {
                let why = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.push(FieldError::required(format!("{path}.values"), why));
            }
            Some("Exists" | "DoesNotExist") if !values.is_empty() => {
                let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                errors.push(FieldError::forbidden(format!("{path}.values"), why));
            }
            Some("In" | "NotIn" | "Exists" | "DoesNotExist") => {}
            _ => errors.push(FieldError::invalid(
                format!("{path}.operator"),
                &term["operator"],
                "not a valid selector operator",
            )),
        }
    }
}

/// The priority of a cluster-wide policy.
pub(super) fn priority(object: &Value, errors: &mut Vec<FieldError>) {
    let priority = &object["spec"]["priority"];
    if priority.is_null() {
        errors.push(FieldError::required("spec.priority", ""));
    } else if priority.as_u64().is_none_or(|number| number > 1000) {
        let why = "spec.priority in body should be between 0 and 1000";
        errors.push(FieldError::invalid("spec.priority", priority, why));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(rule: &Value) -> Vec<String> {
        let policy = json!({"spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [rule]}});
        let mut errors = Vec::new();
        network_policy(&policy, &mut errors);
        errors.into_iter().map(|error| format!("{}: {}", error.field, error.detail)).collect()
    }

    #[test]
    fn ports_are_checked_as_the_real_server_does() {
        let cases = [
            (json!({"port": 80, "protocol": "TCP"}), ""),
            (json!({"port": 80, "endPort": 90, "protocol": "UDP"}), ""),
            (json!({"port": "http", "protocol": "TCP"}), ""),
            (json!({"protocol": "SCTP"}), ""),
            (
                json!({"port": 70000, "protocol": "TCP"}),
                "spec.ingress[0].ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive",
            ),
            (
                json!({"port": 80, "endPort": 79, "protocol": "TCP"}),
                "spec.ingress[0].ports[0].endPort: Invalid value: 79: must be greater than or equal to `port`",
            ),
            (
                json!({"port": "http", "endPort": 90, "protocol": "TCP"}),
                "spec.ingress[0].ports[0].endPort: Invalid value: 90: may not be specified when `port` is non-numeric",
            ),
            (
                json!({"endPort": 90, "protocol": "TCP"}),
                "spec.ingress[0].ports[0].endPort: Invalid value: 90: may not be specified when `port` is not specified",
            ),
            (
                json!({"port": 80, "protocol": "ICMP"}),
                "spec.ingress[0].ports[0].protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
            ),
        ];
        for (port, expected) in cases {
            assert_eq!(problems(&json!({"ports": [port]})).join("\n"), expected, "{port}");
        }
    }

    #[test]
    fn peers_are_checked_as_the_real_server_does() {
        let path = "spec.ingress[0].from[0]";
        let cases = [
            (json!({"podSelector": {}}), String::new()),
            (json!({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}), String::new()),
            (json!({"ipBlock": {"cidr": "2001:db8::/32"}}), String::new()),
            (json!({}), format!("{path}: Required value: must specify a peer")),
            (
                json!({"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}),
                format!("{path}: Forbidden: may not specify both ipBlock and another peer"),
            ),
            (
                json!({"ipBlock": {"cidr": "10.0.0.0/33"}}),
                format!("{path}.ipBlock.cidr: Invalid value: \"10.0.0.0/33\": {CIDR}"),
            ),
            (
                json!({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}}),
                format!(
                    "{path}.ipBlock.except[0]: Invalid value: \"10.0.0.0/8\": must be a strict subset of `cidr`"
                ),
            ),
            (
                json!({"podSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}),
                format!(
                    "{path}.podSelector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"
                ),
            ),
        ];
        for (peer, expected) in cases {
            assert_eq!(problems(&json!({"from": [peer]})).join("\n"), expected, "{peer}");
        }
    }

    #[test]
    fn a_priority_has_bounds() {
        for (spec, wrong) in [(json!({"priority": 0}), 0), (json!({"priority": 1001}), 1), (json!({}), 1)] {
            let mut errors = Vec::new();
            priority(&json!({"spec": spec}), &mut errors);
            assert_eq!(errors.len(), wrong, "{spec}");
        }
    }
}
