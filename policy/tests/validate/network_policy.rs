//! NetworkPolicy v1.

use crate::{each_has_its_problem, none_has_a_problem, object, problems};
use portolan_policy::Object;
use serde_json::{Value, json};

fn policy(spec: &Value) -> Object {
    object("networking.k8s.io/v1", "NetworkPolicy", "p", spec)
}

fn with_peer(peer: &Value) -> Object {
    policy(&json!({"ingress": [{"from": [peer]}]}))
}

fn with_port(port: &Value) -> Object {
    policy(&json!({"policyTypes": ["Egress"], "egress": [{"ports": [port]}]}))
}

#[test]
fn peers() {
    let block = json!({"cidr": "10.0.0.0/8"});
    each_has_its_problem(
        &[
            (json!({}), "spec.ingress[0].from[0]: the peer says nothing"),
            (
                json!({"ipBlock": block, "podSelector": {}}),
                "spec.ingress[0].from[0]: ipBlock and a selector in one peer",
            ),
            (
                json!({"ipBlock": block, "namespaceSelector": {}}),
                "spec.ingress[0].from[0]: ipBlock and a selector in one peer",
            ),
        ],
        with_peer,
    );
    none_has_a_problem(
        &[
            json!({"podSelector": {}}),
            json!({"namespaceSelector": {}, "podSelector": {}}),
            json!({"ipBlock": block}),
        ],
        with_peer,
    );
}

#[test]
fn selectors() {
    let expression = |value: Value| json!({"podSelector": {"matchExpressions": [value]}});
    let at = "spec.ingress[0].from[0].podSelector.matchExpressions[0]";
    let cases = [
        (json!({"key": "a", "operator": "In"}), "values: operator In without values"),
        (json!({"key": "a", "operator": "NotIn", "values": []}), "values: operator NotIn without values"),
        (
            json!({"key": "a", "operator": "Exists", "values": ["b"]}),
            "values: operator Exists with values such as `b`",
        ),
        (json!({"key": "a", "operator": "Gt", "values": ["1"]}), "operator: no operator: `Gt`"),
        (json!({"key": "a", "operator": "in", "values": ["b"]}), "operator: no operator: `in`"),
        (json!({"key": "", "operator": "Exists"}), "key: label key `` has no name"),
        (
            json!({"key": "a", "operator": "In", "values": ["b", "c d"]}),
            "values[1]: label value `c d` has characters",
        ),
    ];
    for (part, expected) in cases {
        each_has_its_problem(&[(expression(part), &format!("{at}.{expected}"))], with_peer);
    }
    none_has_a_problem(
        &[
            expression(json!({"key": "a", "operator": "In", "values": ["b", ""]})),
            expression(json!({"key": "example.com/a", "operator": "DoesNotExist"})),
            json!({"podSelector": {"matchLabels": {"app.kubernetes.io/name": "web"}}}),
        ],
        with_peer,
    );
}

#[test]
fn the_effect_of_an_invalid_condition_hangs_on_its_place() {
    let selector = json!({"matchExpressions": [{"key": "a", "operator": "In"}]});
    let subject = problems(&policy(&json!({"podSelector": selector})));
    assert!(subject[0].ends_with("(as it is, whom the policy selects is unknown)"), "{subject:?}");
    let peer = problems(&with_peer(&json!({"namespaceSelector": selector})));
    assert!(peer[0].ends_with("(as it is, the selector matches nothing)"), "{peer:?}");
}

#[test]
fn blocks() {
    let block = |cidr: &str, except: &str| json!({"ipBlock": {"cidr": cidr, "except": [except]}});
    let at = "spec.ingress[0].from[0].ipBlock";
    let no_block = format!("{at}.cidr: no address block: ``");
    each_has_its_problem(
        &[
            (json!({"ipBlock": {"cidr": "10.0.0.0"}}), &format!("{at}.cidr: no address block: `10.0.0.0`")),
            (json!({"ipBlock": {"cidr": "10.0.0.0/33"}}), &format!("{at}.cidr: no address block")),
            (json!({"ipBlock": {"cidr": ""}}), &no_block),
            (json!({"ipBlock": {}}), &no_block),
            (block("10.0.0.0/8", "10.1.0.0"), &format!("{at}.except[0]: no address block: `10.1.0.0`")),
            (
                block("10.0.0.0/8", "192.168.0.0/16"),
                &format!("{at}.except[0]: the exception 192.168.0.0/16 is not inside 10.0.0.0/8"),
            ),
            (
                block("10.0.0.0/8", "fd00::/64"),
                &format!("{at}.except[0]: the exception fd00::/64 is not inside"),
            ),
            (
                block("10.0.0.0/8", "10.0.0.0/8"),
                &format!("{at}.except[0]: the exception 10.0.0.0/8 takes away all of 10.0.0.0/8"),
            ),
            (
                block("10.0.0.0/8", "0.0.0.0/0"),
                &format!("{at}.except[0]: the exception 0.0.0.0/0 takes away"),
            ),
        ],
        with_peer,
    );
    none_has_a_problem(
        &[block("10.0.0.0/8", "10.1.0.0/16"), block("::/0", "fd00::/8"), block("10.1.2.3/8", "010.1.0.0/16")],
        with_peer,
    );
}

#[test]
fn ports() {
    let at = "spec.egress[0].ports[0]";
    let cases = [
        (json!({"port": 0}), "port: 0 is no port"),
        (json!({"port": -1}), "port: -1 is no port"),
        (json!({"port": 65536}), "port: 65536 is no port"),
        (json!({"port": 80, "endPort": 79}), "endPort: endPort 79 is below port 80"),
        (json!({"port": 80, "endPort": 65536}), "endPort: 65536 is no port"),
        (json!({"endPort": 80}), "endPort: endPort without port"),
        (json!({"port": "http", "endPort": 80}), "endPort: endPort beside the name of a port"),
        (json!({"port": "80"}), "port: `80` is text, so it names a port; write the number without quotes"),
        (json!({"port": ""}), "port: port name `` is empty"),
        (json!({"port": "HTTP"}), "port: port name `HTTP` has characters"),
        (json!({"port": 80, "protocol": "tcp"}), "protocol: no protocol: `tcp`; write TCP"),
        (json!({"port": 80, "protocol": "ICMP"}), "protocol: no protocol: `ICMP`; write TCP, UDP or SCTP"),
        (json!({"protocol": ""}), "protocol: no protocol: ``"),
    ];
    for (part, expected) in cases {
        each_has_its_problem(&[(part, &format!("{at}.{expected}"))], with_port);
    }
    none_has_a_problem(
        &[
            json!({}),
            json!({"port": 80}),
            json!({"port": 1, "endPort": 65535, "protocol": "SCTP"}),
            json!({"port": 80, "endPort": 80}),
            json!({"port": "http", "protocol": "UDP"}),
            json!({"protocol": "UDP"}),
        ],
        with_port,
    );
}

#[test]
fn policy_types() {
    let with_types = |types: &Value| policy(&json!({"policyTypes": types}));
    each_has_its_problem(
        &[
            (json!(["egress"]), "spec.policyTypes[0]: no policy type: `egress`"),
            (json!(["Ingress", ""]), "spec.policyTypes[1]: no policy type: ``"),
            (json!(["Ingress", "Egress", "Ingress"]), "spec.policyTypes: 3 entries; keep at most 2"),
        ],
        with_types,
    );
    none_has_a_problem(
        &[
            json!([]),
            json!(null),
            json!(["Egress"]),
            json!(["Ingress", "Egress"]),
            json!(["Ingress", "Ingress"]),
        ],
        with_types,
    );
}

#[test]
fn fields_are_named_in_their_order() {
    let policy = policy(&json!({
        "podSelector": {"matchLabels": {"a b": "c"}},
        "policyTypes": ["x"],
        "ingress": [{}, {"from": [{}], "ports": [{"port": 0}]}],
        "egress": [{"to": [{"podSelector": {}}, {}]}],
    }));
    let problems = problems(&policy);
    let fields: Vec<_> = problems.iter().map(|text| text.split_once(": ").unwrap().0).collect();
    assert_eq!(
        fields,
        [
            "spec.podSelector.matchLabels[a b]",
            "spec.policyTypes[0]",
            "spec.ingress[1].from[0]",
            "spec.ingress[1].ports[0].port",
            "spec.egress[0].to[1]",
        ]
    );
}

#[test]
fn a_huge_value_is_cut() {
    let huge = "x".repeat(1_000_000);
    let policy = policy(&json!({
        "podSelector": {"matchLabels": {&huge: &huge}},
        "policyTypes": [&huge],
        "ingress": [{"from": [{"ipBlock": {"cidr": &huge}}], "ports": [{"port": &huge, "protocol": &huge}]}],
    }));
    let problems = problems(&policy);
    assert_eq!(problems.len(), 6, "{problems:#?}");
    assert!(problems.iter().all(|text| text.len() < 400), "{problems:#?}");
}
