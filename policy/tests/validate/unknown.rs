//! Keys of a policy's text that are no fields: each is named, with what was perhaps meant.

use crate::{object, problems};
use portolan_policy::{Connection, Object, Protocol, parse_manifest};
use serde_json::{Value, json};

const POLICY: (&str, &str) = ("networking.k8s.io/v1", "NetworkPolicy");
const CLUSTER: (&str, &str) = ("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy");
const ADMIN: (&str, &str) = ("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy");
const BASELINE: (&str, &str) = ("policy.networking.k8s.io/v1alpha1", "BaselineAdminNetworkPolicy");

/// The unknown keys of an object with this spec, as `field: mend`.
fn unknown((api_version, kind): (&str, &str), spec: &Value) -> Vec<String> {
    of(&object(api_version, kind, "default", spec))
}

fn of(object: &Object) -> Vec<String> {
    let told = problems(object).into_iter().filter_map(|problem| {
        let (field, rest) = problem.split_once(": not a field of this object; ")?;
        let (mend, effect) = rest.split_once(" (as it is, ")?;
        assert!(effect.starts_with("it is dropped, as an API server drops it"), "{effect}");
        Some(format!("{field}: {mend}"))
    });
    told.collect()
}

/// A cluster-wide policy with this much of a rule more.
fn rule(more: &Value) -> Value {
    let mut rule = json!({"action": "Deny", "from": [{"namespaces": {}}]});
    rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}, "ingress": [rule]})
}

#[test]
fn a_misspelt_field_of_a_network_policy_is_named_with_the_one_that_is_meant() {
    let block = |key: &str| json!({"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8", key: []}}]}]});
    let condition = json!({"key": "a", "operator": "Exists", "value": []});
    for (spec, expected) in [
        (json!({"podselector": {}}), "spec.podselector: write `podSelector`"),
        (json!({"policyType": ["Egress"]}), "spec.policyType: write `policyTypes`"),
        (json!({"ingres": []}), "spec.ingres: write `ingress`"),
        (json!({"ingress": [{"form": []}]}), "spec.ingress[0].form: write `from`"),
        (json!({"ingress": [{"port": [{"port": 80}]}]}), "spec.ingress[0].port: write `ports`"),
        (json!({"egress": [{}, {"too": []}]}), "spec.egress[1].too: write `to`"),
        (
            json!({"ingress": [{"from": [{"podSelector": {}, "nameSpaceSelector": {}}]}]}),
            "spec.ingress[0].from[0].nameSpaceSelector: write `namespaceSelector`",
        ),
        (
            json!({"ingress": [{"ports": [{"port": 80, "endport": 90}]}]}),
            "spec.ingress[0].ports[0].endport: write `endPort`",
        ),
        (block("excepts"), "spec.egress[0].to[0].ipBlock.excepts: write `except`"),
        (
            json!({"podSelector": {"matchLabel": {"a": "b"}}}),
            "spec.podSelector.matchLabel: write `matchLabels`",
        ),
        (
            json!({"podSelector": {"matchExpressions": [condition]}}),
            "spec.podSelector.matchExpressions[0].value: write `values`",
        ),
    ] {
        assert_eq!(unknown(POLICY, &spec), [expected]);
    }
}

#[test]
fn a_field_that_stands_in_the_wrong_place_is_sent_to_the_right_one() {
    for (spec, expected) in [
        (
            json!({"ingress": [{"from": [{"podSelector": {}, "ports": []}]}]}),
            "spec.ingress[0].from[0].ports: it is a field of spec.ingress[0]; move it there",
        ),
        (
            json!({"ingress": [{"podSelector": {}}]}),
            "spec.ingress[0].podSelector: it is a field of what `from` holds; move it there",
        ),
        (
            json!({"ingress": [{"from": [{"cidr": "10.0.0.0/8"}]}]}),
            "spec.ingress[0].from[0].cidr: it is a field of what `ipBlock` holds; move it there",
        ),
        (
            json!({"ingress": [{"from": [{"matchLabels": {}}]}]}),
            "spec.ingress[0].from[0].matchLabels: it is a field of what `podSelector` or `namespaceSelector` holds; \
             move it there",
        ),
        (json!({"podSelector": {"app": "db"}}), "spec.podSelector.app: write labels under `matchLabels`"),
        (
            json!({"ingress": [{"action": "Deny"}]}),
            "spec.ingress[0].action: leave it out; the fields here are from, ports",
        ),
    ] {
        assert_eq!(unknown(POLICY, &spec), [expected]);
    }
}

#[test]
fn keys_beside_the_spec_and_in_the_metadata_are_looked_at_too() {
    let text = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, \
                metadata: {name: p, namepsace: shop, lables: {}}, specs: {podSelector: {}}}";
    let manifest = parse_manifest(text);
    let expected =
        ["metadata.lables: write `labels`", "metadata.namepsace: write `namespace`", "specs: write `spec`"];
    let mut found = of(&manifest.objects[0]);
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_misspelt_field_of_a_cluster_wide_policy_is_named_too() {
    let port = |port: Value| rule(&json!({"ports": [port]}));
    let protocol = |entry: Value| rule(&json!({"protocols": [entry]}));
    let number = json!({"destinationPort": {"number": 80, "rang": {}}});
    let range = json!({"destinationPort": {"range": {"start": 1, "end": 2, "endPort": 3}}});
    let at = "spec.ingress[0]";
    for (kind, spec, expected) in [
        (CLUSTER, rule(&json!({"form": []})), format!("{at}.form: write `from`")),
        (CLUSTER, rule(&json!({"protocol": []})), format!("{at}.protocol: write `protocols`")),
        (
            CLUSTER,
            rule(&json!({"ports": []})),
            format!("{at}.ports: write `protocols`, in the form of this version"),
        ),
        (
            ADMIN,
            rule(&json!({"protocols": []})),
            format!("{at}.protocols: write `ports`, in the form of this version"),
        ),
        (
            CLUSTER,
            protocol(json!({"tcp": {"destinationPorts": 80}})),
            format!("{at}.protocols[0].tcp.destinationPorts: write `destinationPort`"),
        ),
        (
            CLUSTER,
            protocol(json!({"tcp": number})),
            format!("{at}.protocols[0].tcp.destinationPort.rang: write `range`"),
        ),
        (
            CLUSTER,
            protocol(json!({"udp": range})),
            format!("{at}.protocols[0].udp.destinationPort.range.endPort: write `end`"),
        ),
        (ADMIN, rule(&json!({"port": []})), format!("{at}.port: write `ports`")),
        (
            ADMIN,
            port(json!({"portNumber": {"port": 80, "protocl": "UDP"}})),
            format!("{at}.ports[0].portNumber.protocl: write `protocol`"),
        ),
        (
            ADMIN,
            port(json!({"portNumber": {"port": 80}, "portnumber": {}})),
            format!("{at}.ports[0].portnumber: write `portNumber`"),
        ),
    ] {
        let found = unknown(kind, &spec);
        let found: Vec<_> = found.iter().filter(|field| !field.starts_with("spec.tier")).collect();
        assert_eq!(found, [&expected]);
    }
    let spec = json!({"priority": 1, "subject": {"namespaces": {}}});
    let expected = "spec.priority: leave it out; the fields here are subject, ingress, egress";
    assert_eq!(unknown(BASELINE, &spec), [expected]);
}

/// What a peer or a subject of a cluster-wide policy does not know makes it fail closed, so that is
/// said instead; what was meant is said all the same.
#[test]
fn an_unknown_key_in_a_peer_is_told_once_and_with_what_was_meant() {
    for (peer, expected) in [
        (json!({"namespace": {}}), "no field of the API: `namespace`; write `namespaces`"),
        (
            json!({"pods": {"podselector": {}, "podSelector": {}}}),
            "no field of the API: `pods.podselector`; write `podSelector`",
        ),
        (
            json!({"namespaces": {"team": "a"}}),
            "no field of the API: `namespaces.team`; write labels under `matchLabels`",
        ),
        (json!({"somebody": 1}), "no field of the API: `somebody`; write exactly one of namespaces or pods"),
    ] {
        let mut spec = rule(&json!({}));
        spec["ingress"][0]["from"] = json!([peer]);
        let found = problems(&object(CLUSTER.0, CLUSTER.1, "p", &spec));
        let at = "spec.ingress[0].from[0]";
        let expected = format!("{at}: {expected} (as it is, the rule denies everything of its direction)");
        assert_eq!(found, [expected]);
    }
}

#[test]
fn an_entry_of_a_selector_in_a_cluster_wide_policy_is_looked_at_too() {
    let selector = json!({"matchExpressions": [{"key": "a", "operator": "Exists", "op": "In"}]});
    let spec = json!({"tier": "Admin", "priority": 1, "subject": {"pods": {"podSelector": selector}}});
    let expected = "spec.subject.pods.podSelector.matchExpressions[0].op: ";
    let found = unknown(CLUSTER, &spec);
    assert!(matches!(found.as_slice(), [one] if one.starts_with(expected)), "{found:?}");
}

/// Every field there is, so that none of them can be missing from the table unseen.
#[test]
fn fields_of_the_api_and_keys_that_are_free_are_not_named() {
    let metadata = json!({
        "name": "default", "labels": {"form": "a", "Any": "b"}, "annotations": {"spec.ingres": "c"},
        "generateName": "d", "uid": "u", "resourceVersion": "1", "generation": 1, "selfLink": "/",
        "creationTimestamp": "2026-01-01T00:00:00Z", "deletionTimestamp": "2026-01-01T00:00:00Z",
        "deletionGracePeriodSeconds": 1, "finalizers": ["f"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "K", "name": "n", "uid": "u"}],
        "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {"f:form": {}}}}],
    });
    let selector = json!({
        "matchLabels": {"form": "a", "podselector": "b"},
        "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}],
    });
    let peers = json!([
        {"podSelector": selector, "namespaceSelector": selector},
        {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
    ]);
    let ports = json!([{"port": 80, "endPort": 90, "protocol": "TCP"}]);
    let policy = json!({
        "podSelector": selector, "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": peers, "ports": ports}], "egress": [{"to": peers, "ports": ports}],
    });
    let pods = json!({"namespaceSelector": selector, "podSelector": selector});
    let from = json!([{"namespaces": selector}, {"pods": pods}]);
    let mut to = from.clone();
    to.as_array_mut().unwrap().extend([json!({"nodes": selector}), json!({"networks": ["10.0.0.0/8"]})]);
    let named = json!([{"namespaces": {}}]);
    let protocols = json!([
        {"tcp": {"destinationPort": {"number": 80}}},
        {"udp": {"destinationPort": {"range": {"start": 1, "end": 2}}}},
        {"sctp": {"destinationPort": {"number": 80}}},
    ]);
    let named_protocol = json!([{"destinationNamedPort": "http"}]);
    let cluster = json!({
        "tier": "Admin", "priority": 1, "subject": {"pods": pods},
        "ingress": [{"name": "r", "action": "Accept", "from": from, "protocols": protocols}],
        "egress": [
            {"name": "r", "action": "Accept", "to": to, "protocols": protocols},
            {"action": "Accept", "to": named, "protocols": named_protocol},
            {"action": "Accept", "to": [{"domainNames": ["a.test"]}]},
        ],
    });
    let numbers = json!([
        {"portNumber": {"port": 80, "protocol": "TCP"}},
        {"portRange": {"start": 1, "end": 2, "protocol": "UDP"}},
    ]);
    let baseline = json!({
        "subject": {"namespaces": selector},
        "ingress": [{"name": "r", "action": "Deny", "from": from, "ports": numbers}],
        "egress": [
            {"name": "r", "action": "Deny", "to": to, "ports": numbers},
            {"action": "Deny", "to": named, "ports": [{"namedPort": "http"}]},
        ],
    });
    let mut admin = baseline.clone();
    admin["priority"] = 1.into();
    for ((api_version, kind), spec) in
        [(POLICY, policy), (CLUSTER, cluster), (ADMIN, admin), (BASELINE, baseline)]
    {
        let value = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec,
            "status": {"conditions": []}});
        let manifest = parse_manifest(&value.to_string());
        assert_eq!(manifest.errors, []);
        assert_eq!(problems(&manifest.objects[0]), Vec::<String>::new(), "{kind}");
        // What is no field in truth would not be written again.
        assert_eq!(written(&manifest.objects[0]), spec, "{kind}");
    }
}

fn written(object: &Object) -> Value {
    let value = match object {
        Object::NetworkPolicy(policy) => serde_json::to_value(policy),
        Object::ClusterNetworkPolicy(policy) => serde_json::to_value(policy),
        Object::AdminNetworkPolicy(policy) => serde_json::to_value(policy),
        Object::BaselineAdminNetworkPolicy(policy) => serde_json::to_value(policy),
        _ => panic!("a policy"),
    };
    value.unwrap()["spec"].clone()
}

/// What an API server would store is what is judged: a rule without peers is for everybody.
#[test]
fn an_unknown_key_changes_no_decision() {
    let decide = |rule: Value| {
        let mut cluster = portolan_policy::Cluster::default();
        let pod = "{apiVersion: v1, kind: Pod, metadata: {name: db}, status: {podIPs: [{ip: 10.0.0.2}]}}";
        cluster.apply(parse_manifest(pod).objects.remove(0)).unwrap();
        cluster.apply(object(POLICY.0, POLICY.1, "p", &json!({"ingress": [rule]}))).unwrap();
        cluster.decide(&Connection {
            source: [198, 51, 100, 1].into(),
            destination: [10, 0, 0, 2].into(),
            port: Some(80),
            protocol: Protocol::Tcp,
        })
    };
    let nobody = json!([{"podSelector": {"matchLabels": {"no": "body"}}}]);
    assert_eq!(decide(json!({"from": nobody})).admits(), Some(false));
    assert_eq!(decide(json!({"form": nobody})), decide(json!({})));
    assert_eq!(decide(json!({"form": nobody})).admits(), Some(true));
}

#[test]
fn a_huge_key_is_cut() {
    let huge = "x".repeat(1_000_000);
    let found = unknown(POLICY, &json!({&huge: 1, "podSelector": {&huge: 1}}));
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|problem| problem.len() < 400), "{found:?}");
}

#[test]
fn what_a_policy_says_without_a_key_is_told_where_that_is_not_what_was_meant() {
    let ingress = |rule: Value| json!({"podSelector": {"matchLabels": {"a": "b"}}, "ingress": [rule]});
    let peer = |peer: Value| ingress(json!({"from": [peer]}));
    let selector = |selector: Value| json!({"podSelector": selector});
    let rest = "the rest holds without it";
    for (of, spec, consequence) in [
        (POLICY, ingress(json!({"form": []})), "so the rule admits anybody"),
        (POLICY, ingress(json!({"from": [], "form": []})), "so the rule admits anybody"),
        (POLICY, ingress(json!({"to": [{}]})), "so the rule admits anybody"),
        (POLICY, ingress(json!({"from": [{"podSelector": {}}], "form": []})), rest),
        (POLICY, json!({"egress": [{"too": []}]}), "so the rule admits anybody"),
        (POLICY, ingress(json!({"port": [{"port": 80}]})), "so the rule is for every port"),
        (POLICY, ingress(json!({"ports": [{"prot": 80}]})), "so the entry is for every port"),
        (POLICY, json!({"podselector": {}}), "so the policy selects every pod of the namespace"),
        (POLICY, json!({"egres": []}), "so the policy does not isolate egress"),
        (POLICY, json!({"policyTypes": ["Egress"], "egres": []}), rest),
        (POLICY, json!({"ingres": []}), rest),
        (
            POLICY,
            peer(json!({"namespaceSelector": {}, "podselector": {}})),
            "so the peer matches every pod of the namespaces",
        ),
        (POLICY, peer(json!({"podSelector": {}, "namespaceselector": {}})), rest),
        (POLICY, peer(json!({"ipBlock": {"cidr": "10.0.0.0/8", "exept": []}})), "so no address is excepted"),
        (POLICY, selector(json!({"matchLabel": {"a": "b"}})), "so the selector matches everything"),
        (POLICY, selector(json!({"app": "web"})), "so the selector matches everything"),
        (
            POLICY,
            selector(json!({"matchLabels": {"a": "b"}, "matchExpression": []})),
            "so the selector matches more than was meant",
        ),
        (CLUSTER, rule(&json!({"ports": []})), "so the rule is for every port"),
        (CLUSTER, rule(&json!({"from": [], "form": []})), "so the rule matches nobody"),
    ] {
        let problems = problems(&object(of.0, of.1, "default", &spec));
        let end = format!("(as it is, it is dropped, as an API server drops it, and {consequence})");
        assert!(
            problems.iter().any(|problem| problem.ends_with(&end)),
            "{spec}: {consequence}: {problems:#?}"
        );
    }
}

#[test]
fn a_policy_without_its_spec_selects_everybody() {
    let told = |api_version: &str, kind: &str| {
        let text = format!("{{apiVersion: {api_version}, kind: {kind}, metadata: {{name: p}}, specs: {{}}}}");
        let manifest = parse_manifest(&text);
        problems(&manifest.objects[0]).into_iter().find(|problem| problem.contains("specs: ")).unwrap()
    };
    let everybody = "so the policy selects every pod of the namespace)";
    assert!(told(POLICY.0, POLICY.1).ends_with(everybody), "{}", told(POLICY.0, POLICY.1));
    assert!(!told(CLUSTER.0, CLUSTER.1).ends_with(everybody));
}
