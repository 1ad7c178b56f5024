//! Nothing makes it panic, and no value makes it talk without end.

use portolan_policy::{Object, parse_manifest, validate};
use proptest::{collection::vec, option, prelude::*, sample::select, string::string_regex};
use serde_json::{Map, Value, json};

/// Keys of the objects that are checked, so that arbitrary JSON gets past the reader often.
const KEYS: [&str; 40] = [
    "podSelector",
    "namespaceSelector",
    "matchLabels",
    "matchExpressions",
    "key",
    "operator",
    "values",
    "policyTypes",
    "ingress",
    "egress",
    "from",
    "to",
    "ports",
    "port",
    "endPort",
    "protocol",
    "ipBlock",
    "cidr",
    "except",
    "tier",
    "priority",
    "subject",
    "namespaces",
    "pods",
    "nodes",
    "networks",
    "domainNames",
    "protocols",
    "tcp",
    "udp",
    "destinationPort",
    "number",
    "range",
    "start",
    "end",
    "portNumber",
    "portRange",
    "namedPort",
    "destinationNamedPort",
    "action",
];

/// Words that mean something in some place.
const WORDS: [&str; 16] = [
    "",
    "In",
    "Exists",
    "Ingress",
    "TCP",
    "tcp",
    "80",
    "http",
    "10.0.0.0/8",
    "::/0",
    "10.0.0.0/99",
    "Admin",
    "Deny",
    "Accept",
    "*.a.io",
    "default",
];

fn text() -> impl Strategy<Value = Value> {
    prop_oneof![
        40 => select(WORDS.as_slice()).prop_map(Value::from),
        20 => string_regex("(\\PC|[\u{0}-\u{1f}]){0,20}").unwrap().prop_map(Value::from),
        1 => (string_regex("\\PC").unwrap(), 1..20_000_usize).prop_map(|(text, times)| text.repeat(times).into()),
    ]
}

fn number() -> impl Strategy<Value = Value> {
    let edges = vec![-1, 0, 1, 80, 65_535, 65_536, i64::from(i32::MIN), i64::from(i32::MAX)];
    prop_oneof![select(edges), any::<i32>().prop_map(i64::from)].prop_map(Value::from)
}

/// JSON of any shape with the keys of these objects.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![text(), number(), Just(Value::Null), any::<bool>().prop_map(Value::from)];
    leaf.prop_recursive(6, 48, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((select(KEYS.as_slice()), inner), 0..4).prop_map(|fields| Value::Object(
                fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
            )),
        ]
    })
}

fn labels() -> impl Strategy<Value = Value> {
    vec((text(), text()), 0..3).prop_map(|pairs| {
        let pairs = pairs.into_iter().map(|(key, value)| (key.as_str().unwrap_or("k").to_owned(), value));
        Value::Object(pairs.collect::<Map<_, _>>())
    })
}

/// A selector of the right shape with any words in it.
fn selector() -> impl Strategy<Value = Value> {
    let values = option::of(vec(text(), 0..3));
    let expression = (text(), text(), values)
        .prop_map(|(key, operator, values)| json!({"key": key, "operator": operator, "values": values}));
    (option::of(labels()), option::of(vec(expression, 0..3)))
        .prop_map(|(labels, expressions)| json!({"matchLabels": labels, "matchExpressions": expressions}))
}

fn peer() -> impl Strategy<Value = Value> {
    let block =
        (text(), vec(text(), 0..3)).prop_map(|(cidr, except)| json!({"cidr": cidr, "except": except}));
    let selector = || option::of(selector());
    (selector(), selector(), option::of(block), selector(), option::of(vec(text(), 0..3))).prop_map(
        |(pods, namespaces, block, nodes, names)| {
            json!({"podSelector": pods, "namespaceSelector": namespaces, "ipBlock": block,
                "namespaces": namespaces, "pods": {"podSelector": pods}, "nodes": nodes,
                "networks": names, "domainNames": names})
        },
    )
}

fn rule() -> impl Strategy<Value = Value> {
    let port = (option::of(prop_oneof![text(), number()]), option::of(number()), option::of(text()));
    let port = port.prop_map(|(port, end, protocol): (_, Option<Value>, Option<Value>)| {
        json!({"port": port, "endPort": end, "protocol": protocol, "namedPort": protocol,
            "tcp": {"destinationPort": {"number": end, "range": end.map(|end| json!({"start": end, "end": end}))}}})
    });
    (vec(peer(), 0..3), vec(port, 0..3), text()).prop_map(|(peers, ports, action)| {
        json!({"from": peers, "to": peers, "ports": ports, "name": action, "action": action})
    })
}

/// A spec in the shape of every kind at once.
fn spec() -> impl Strategy<Value = Value> {
    (selector(), vec(text(), 0..4), vec(rule(), 0..3), number(), text()).prop_map(
        |(selector, types, rules, number, text)| {
            json!({"podSelector": selector, "policyTypes": types, "ingress": rules, "egress": rules,
                "tier": text, "priority": number, "subject": {"namespaces": selector}})
        },
    )
}

const KINDS: [(&str, &str); 7] = [
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy"),
    ("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy"),
    ("policy.networking.k8s.io/v1alpha1", "BaselineAdminNetworkPolicy"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "Namespace"),
];

/// The spec as every kind that takes it.
fn objects(spec: &Value, labels: &Value) -> Vec<Object> {
    let objects = KINDS.iter().flat_map(|(api_version, kind)| {
        let metadata = json!({"name": "n", "labels": labels});
        let value = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec});
        parse_manifest(&value.to_string()).objects
    });
    objects.collect()
}

fn survives(spec: &Value, labels: &Value) {
    for object in objects(spec, labels) {
        for field in validate(&object) {
            let length = field.to_string().len() - field.object.to_string().len();
            assert!(length < 2000, "{length} bytes");
            assert!(!field.to_string().contains('\n'), "{field}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_json_makes_it_panic(spec in anything(), labels in labels()) {
        survives(&spec, &labels);
    }

    #[test]
    fn no_words_or_numbers_make_it_panic(spec in spec(), labels in labels()) {
        // Each of the shapes is one that the kinds take; else this would test nothing.
        prop_assert_eq!(objects(&spec, &labels).len(), KINDS.len());
        survives(&spec, &labels);
    }
}
