//! Any bytes get exactly one reply, and every question that has one answer gets it as a line.

use crate::cluster;
use portolan_policy::{Cluster, answer_line};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::Value;
use std::sync::LazyLock;

static CLUSTER: LazyLock<Cluster> = LazyLock::new(cluster);

/// One reply, as JSON on one line, with an answer or an error and nothing else.
fn reply(line: &[u8]) -> Value {
    let reply = serde_json::to_string(&answer_line(&CLUSTER, line)).unwrap();
    assert!(!reply.contains('\n'), "{reply}");
    let value: Value = serde_json::from_str(&reply).unwrap();
    let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    match value.get("error") {
        Some(error) => {
            assert_eq!(keys, ["error", "id"]);
            assert!(error.as_str().is_some_and(|error| !error.is_empty() && error.len() < 400), "{reply}");
        }
        None => assert_eq!(keys, ["allowed", "egress", "id", "ingress"]),
    }
    value
}

/// JSON of any shape.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        select(vec!["shop/db-0", "dev/curl", "10.0.0.1", "fd00::2", "TCP", "IPv6"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let key = select(vec!["pod", "ip", "id", "from", "x"]);
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((key, inner), 0..4)
                .prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

/// Lines with the keys of a question and anything behind them.
fn question() -> impl Strategy<Value = String> {
    let key = select(vec!["id", "from", "to", "port", "protocol", "family", "other"]);
    vec((key, json()), 0..7).prop_map(|fields| {
        let fields = fields.into_iter().map(|(key, value)| format!("\"{key}\":{value}"));
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    })
}

fn end() -> impl Strategy<Value = &'static str> {
    select(vec![
        r#"{"pod":"shop/web-7d9f-x2"}"#,
        r#"{"pod":"shop/db-0"}"#,
        r#"{"pod":"dev/proxy"}"#,
        r#"{"ip":"10.0.0.2"}"#,
        r#"{"ip":"192.168.0.1"}"#,
        r#"{"ip":"8.8.8.8"}"#,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_get_one_reply(line in vec(any::<u8>(), 0..200)) {
        reply(&line);
    }

    #[test]
    fn any_text_gets_one_reply(line in "\\{?\\PC*\\}?") {
        reply(line.as_bytes());
    }

    #[test]
    fn any_values_get_one_reply(line in question()) {
        reply(line.as_bytes());
    }

    #[test]
    fn a_line_cut_anywhere_gets_one_reply(line in question(), at in any::<prop::sample::Index>()) {
        let line = line.as_bytes();
        reply(&line[..at.index(line.len())]);
    }

    #[test]
    fn every_good_question_is_answered(from in end(), to in end(), port in 1..=u16::MAX, id in any::<i64>()) {
        let line = format!(r#"{{"id":{id},"from":{from},"to":{to},"port":{port},"family":"IPv4"}}"#);
        let value = reply(line.as_bytes());
        prop_assert_eq!(&value["id"], &Value::from(id));
        prop_assert!(value.get("error").is_none(), "{}", value);
    }
}
