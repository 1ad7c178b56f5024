//! ClusterNetworkPolicy, AdminNetworkPolicy and BaselineAdminNetworkPolicy.

use crate::{each_has_its_problem, none_has_a_problem, object, problems};
use portolan_policy::Object;
use serde_json::{Value, json};

const V1: &str = "policy.networking.k8s.io/v1alpha1";
const V2: &str = "policy.networking.k8s.io/v1alpha2";

fn changed(mut base: Value, change: &Value) -> Value {
    for (key, value) in change.as_object().unwrap() {
        base[key] = value.clone();
    }
    base
}

fn cluster(change: &Value) -> Object {
    let base = json!({"tier": "Admin", "priority": 5, "subject": {"namespaces": {}}});
    object(V2, "ClusterNetworkPolicy", "p", &changed(base, change))
}

fn admin(change: &Value) -> Object {
    let base = json!({"priority": 5, "subject": {"namespaces": {}}});
    object(V1, "AdminNetworkPolicy", "p", &changed(base, change))
}

fn baseline(change: &Value) -> Object {
    let base = json!({"subject": {"namespaces": {}}});
    object(V1, "BaselineAdminNetworkPolicy", "default", &changed(base, change))
}

fn egress_rule(change: &Value) -> Object {
    let rule = changed(json!({"action": "Accept", "to": [{"namespaces": {}}]}), change);
    cluster(&json!({"egress": [rule]}))
}

fn egress_peer(peer: &Value) -> Object {
    egress_rule(&json!({"to": [peer]}))
}

fn protocols(entry: &Value) -> Object {
    egress_rule(&json!({"protocols": [entry]}))
}

fn admin_ports(entry: &Value) -> Object {
    admin(&json!({"ingress": [{"action": "Allow", "from": [{"namespaces": {}}], "ports": [entry]}]}))
}

#[test]
fn tier_and_priority() {
    each_has_its_problem(
        &[
            (json!({"tier": "admin"}), "spec.tier: no tier: `admin`; write Admin or Baseline"),
            (json!({"tier": ""}), "spec.tier: no tier"),
            (json!({"priority": null}), "spec.priority: no priority"),
            (json!({"priority": -1}), "spec.priority: -1 is no priority"),
            (json!({"priority": 1001}), "spec.priority: 1001 is no priority"),
        ],
        cluster,
    );
    none_has_a_problem(&[json!({"priority": 0}), json!({"priority": 1000, "tier": "Baseline"})], cluster);
    none_has_a_problem(&[json!({})], baseline);
    each_has_its_problem(&[(json!({"priority": null}), "spec.priority: no priority")], admin);
}

#[test]
fn a_baseline_policy_is_named_default() {
    let other = object(V1, "BaselineAdminNetworkPolicy", "base", &json!({"subject": {"namespaces": {}}}));
    let found = problems(&other);
    assert_eq!(
        found,
        [
            "metadata.name: a BaselineAdminNetworkPolicy named `base`; name it `default` (as it is, the policy says nothing)"
        ]
    );
}

#[test]
fn subjects() {
    let subject = |subject: &Value| cluster(&json!({"subject": subject}));
    each_has_its_problem(
        &[
            (json!({}), "spec.subject: the subject says nothing"),
            (
                json!({"namespaces": {}, "pods": {"podSelector": {}}}),
                "spec.subject: namespaces and pods in one subject",
            ),
            (json!({"everybody": {}}), "spec.subject: no field of the API: `everybody`"),
            (json!({"namespaces": {"labels": {}}}), "spec.subject: no field of the API: `namespaces.labels`"),
            (json!({"pods": {"namespaceSelector": {}}}), "spec.subject.pods.podSelector: no podSelector"),
            (
                json!({"pods": {"podSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}}),
                "spec.subject.pods.podSelector.matchExpressions[0].values: operator In without values",
            ),
        ],
        subject,
    );
    none_has_a_problem(&[json!({"pods": {"podSelector": {}}}), json!({"namespaces": {}})], subject);
}

#[test]
fn rules() {
    let many = vec![json!({"namespaces": {}}); 26];
    let entries = vec![json!({"tcp": {"destinationPort": {"number": 1}}}); 26];
    each_has_its_problem(
        &[
            (json!({"name": "x".repeat(101)}), "spec.egress[0].name: the rule name `xxx"),
            (
                json!({"action": "Allow"}),
                "spec.egress[0].action: no action of ClusterNetworkPolicy: `Allow`; write Accept, Deny or Pass",
            ),
            (json!({"to": []}), "spec.egress[0].to: no peers"),
            (json!({"to": null}), "spec.egress[0].to: no peers"),
            (json!({"to": many}), "spec.egress[0].to: 26 entries; keep at most 25"),
            (json!({"protocols": entries}), "spec.egress[0].protocols: 26 entries; keep at most 25"),
            (json!({"protocols": []}), "spec.egress[0].protocols: an empty list"),
        ],
        egress_rule,
    );
    none_has_a_problem(
        &[json!({"name": "é".repeat(100)}), json!({"action": "Pass"}), json!({"to": many[..25]})],
        egress_rule,
    );
    let rule =
        |action: &Value| admin(&json!({"ingress": [{"action": action, "from": [{"namespaces": {}}]}]}));
    each_has_its_problem(
        &[(json!("Accept"), "spec.ingress[0].action: no action of AdminNetworkPolicy: `Accept`")],
        rule,
    );
    none_has_a_problem(&[json!("Allow"), json!("Deny"), json!("Pass")], rule);
    let rule =
        |action: &Value| baseline(&json!({"ingress": [{"action": action, "from": [{"namespaces": {}}]}]}));
    each_has_its_problem(
        &[(
            json!("Pass"),
            "spec.ingress[0].action: no action of BaselineAdminNetworkPolicy: `Pass`; write Allow or Deny",
        )],
        rule,
    );
}

#[test]
fn the_number_of_rules_is_limited_by_each_version() {
    let rules =
        |count: usize, action: &str| vec![json!({"action": action, "from": [{"namespaces": {}}]}); count];
    each_has_its_problem(
        &[(json!({"ingress": rules(26, "Deny")}), "spec.ingress: 26 entries; keep at most 25")],
        cluster,
    );
    none_has_a_problem(&[json!({"ingress": rules(100, "Deny")})], admin);
    each_has_its_problem(
        &[(json!({"ingress": rules(101, "Deny")}), "spec.ingress: 101 entries; keep at most 100")],
        admin,
    );
}

#[test]
fn peers() {
    let at = "spec.egress[0].to[0]";
    let cases = [
        (json!({}), ": the peer says nothing"),
        (json!({"namespaces": {}, "nodes": {}}), ": namespaces and nodes in one peer"),
        (json!({"networks": []}), ".networks: an empty list"),
        (json!({"networks": ["10.0.0.0"]}), ".networks[0]: no address block: `10.0.0.0`"),
        (json!({"networks": vec!["10.0.0.0/8"; 26]}), ".networks: 26 entries"),
        (json!({"domainNames": ["*.io"]}), ".domainNames[0]: the name `*.io` has one label only"),
        (json!({"domainNames": ["a.*.io"]}), ".domainNames[0]: the name `a.*.io` has `*` elsewhere"),
        (json!({"dns": ["a.io"]}), ": no field of the API: `dns`"),
        (json!({"pods": {"namespaceSelector": {}}}), ".pods.podSelector: no podSelector"),
    ];
    for (part, expected) in cases {
        each_has_its_problem(&[(part, &format!("{at}{expected}"))], egress_peer);
    }
    none_has_a_problem(
        &[
            json!({"nodes": {}}),
            json!({"networks": ["10.0.0.0/8", "fd00::/8"]}),
            json!({"domainNames": ["kubernetes.io", "*.kubernetes.io."]}),
            json!({"pods": {"podSelector": {}}}),
        ],
        egress_peer,
    );
}

#[test]
fn shapes_of_the_old_api_are_named_as_such() {
    let rule = |peer: &Value| admin(&json!({"ingress": [{"action": "Allow", "from": [peer]}]}));
    each_has_its_problem(
        &[
            (
                json!({"namespaces": {"namespaceSelector": {"matchLabels": {"a": "b"}}}}),
                "spec.ingress[0].from[0]: `namespaces.namespaceSelector` is of the old API",
            ),
            (
                json!({"namespaces": {"sameLabels": ["tenant"]}}),
                "spec.ingress[0].from[0]: `namespaces.sameLabels` is of the old API",
            ),
        ],
        rule,
    );
}

#[test]
fn a_peer_that_the_api_does_not_know_closes_its_rule() {
    let effect = |action: &str| {
        let rule = json!({"action": action, "to": [{}]});
        problems(&cluster(&json!({"egress": [rule]}))).pop().unwrap()
    };
    assert!(effect("Accept").ends_with("(as it is, the whole rule matches nothing)"));
    assert!(effect("Deny").ends_with("(as it is, the rule denies everything of its direction)"));
    assert!(effect("Pass").ends_with("(as it is, the rule denies everything of its direction)"));
}

#[test]
fn what_stands_on_egress_only() {
    let rule = |peer: &Value| cluster(&json!({"ingress": [{"action": "Accept", "from": [peer]}]}));
    each_has_its_problem(
        &[
            (json!({"nodes": {}}), "spec.ingress[0].from[0].nodes: nodes stands on egress only"),
            (
                json!({"networks": ["10.0.0.0/8"]}),
                "spec.ingress[0].from[0].networks: networks stands on egress",
            ),
            (
                json!({"domainNames": ["a.io"]}),
                "spec.ingress[0].from[0].domainNames: domainNames stands on egress",
            ),
        ],
        rule,
    );
}

#[test]
fn domain_names_stand_in_rules_that_accept() {
    let rule = |action: &str| json!({"egress": [{"action": action, "to": [{"domainNames": ["a.io"]}]}]});
    let at = "spec.egress[0].to[0].domainNames: domainNames";
    each_has_its_problem(
        &[
            (rule("Deny"), &format!("{at} stands in rules that accept only")),
            (rule("Pass"), &format!("{at} stands in rules that accept only")),
        ],
        cluster,
    );
    none_has_a_problem(&[rule("Accept")], cluster);
    none_has_a_problem(&[rule("Allow")], admin);
    each_has_its_problem(
        &[(rule("Allow"), &format!("{at} is no field of a BaselineAdminNetworkPolicy"))],
        baseline,
    );
}

#[test]
fn protocols_of_a_cluster_network_policy() {
    let at = "spec.egress[0].protocols[0]";
    let range =
        |start: i32, end: i32| json!({"udp": {"destinationPort": {"range": {"start": start, "end": end}}}});
    let cases = [
        (json!({}), ": the entry says nothing"),
        (json!({"icmp": {}}), ": no field of the API: `icmp`"),
        (json!({"tcp": {}}), ".tcp: no destinationPort"),
        (json!({"tcp": {"destinationPort": {}}}), ".tcp.destinationPort: the entry says nothing"),
        (json!({"tcp": {"destinationPort": {"number": 0}}}), ".tcp.destinationPort.number: 0 is no port"),
        (range(5, 4), ".udp.destinationPort.range.end: end 4 is below start 5"),
        (range(5, 5), ".udp.destinationPort.range.end: the range begins and ends at 5"),
        (range(5, 65536), ".udp.destinationPort.range.end: 65536 is no port"),
        (json!({"destinationNamedPort": "80"}), ".destinationNamedPort: port name `80` has no letter"),
    ];
    for (part, expected) in cases {
        each_has_its_problem(&[(part, &format!("{at}{expected}"))], protocols);
    }
    none_has_a_problem(&[range(5, 6), json!({"destinationNamedPort": "http"})], protocols);
    let port = json!({"destinationPort": {"number": 80}});
    each_has_its_problem(
        &[(json!({"tcp": port, "udp": port}), &format!("{at}: several fields in one entry"))],
        protocols,
    );
}

#[test]
fn ports_of_an_admin_network_policy() {
    let at = "spec.ingress[0].ports[0]";
    let cases = [
        (json!({}), ": the entry says nothing"),
        (json!({"portNumber": {"port": 65536}}), ".portNumber.port: 65536 is no port"),
        (
            json!({"portNumber": {"port": 80, "protocol": "QUIC"}}),
            ".portNumber.protocol: no protocol: `QUIC`",
        ),
        (json!({"portRange": {"start": 0, "end": 5}}), ".portRange.start: 0 is no port"),
        (json!({"namedPort": "HTTP"}), ".namedPort: port name `HTTP`"),
        (json!({"namedPort": "http", "portNumber": {"port": 80}}), ": several fields in one entry"),
    ];
    for (part, expected) in cases {
        each_has_its_problem(&[(part, &format!("{at}{expected}"))], admin_ports);
    }
    none_has_a_problem(
        &[
            json!({"portNumber": {"port": 80}}),
            json!({"portRange": {"start": 1, "end": 65535, "protocol": "UDP"}}),
        ],
        admin_ports,
    );
}

#[test]
fn a_port_name_needs_pods() {
    let rule =
        |peer: &Value| egress_rule(&json!({"to": [peer], "protocols": [{"destinationNamedPort": "http"}]}));
    let at = "spec.egress[0].protocols[0].destinationNamedPort: the port name `http` beside";
    each_has_its_problem(
        &[
            (json!({"networks": ["10.0.0.0/8"]}), at),
            (json!({"nodes": {}}), at),
            (json!({"domainNames": ["a.io"]}), at),
        ],
        rule,
    );
    none_has_a_problem(&[json!({"pods": {"podSelector": {}}})], rule);
}
