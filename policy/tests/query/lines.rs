//! Lines that are no question.

use crate::{ask, cluster, error};
use portolan_policy::{Query, answer_line};

/// A good line with one field replaced or added.
fn with(field: &str) -> String {
    let mut fields = vec![r#""from":{"pod":"dev/curl"}"#, r#""to":{"pod":"shop/db-0"}"#, r#""port":80"#];
    let key = field.split(':').next().unwrap();
    fields.retain(|good| !good.starts_with(key));
    fields.push(field);
    format!("{{{}}}", fields.join(","))
}

#[test]
fn what_is_wrong_with_a_field_is_named_with_its_mend() {
    let cases = [
        (r#""port":0"#, "0 is no port; write a number from 1 to 65535, without quotes"),
        (r#""port":65536"#, "65536 is no port; write a number from 1 to 65535, without quotes"),
        (r#""port":-1"#, "-1 is no port; write a number from 1 to 65535, without quotes"),
        (r#""port":80.0"#, "80.0 is no port; write a number from 1 to 65535, without quotes"),
        (r#""port":"80""#, r#""80" is no port; write a number from 1 to 65535, without quotes"#),
        (r#""port":"http""#, r#""http" is no port; write a number from 1 to 65535, without quotes"#),
        (r#""protocol":"tpc""#, "`tpc` is no protocol; write TCP, UDP, SCTP, ICMP or ICMPv6"),
        (r#""protocol":6"#, "6 is no protocol; write text in quotes"),
        (r#""family":"v4""#, "`v4` is no address family; write IPv4 or IPv6, or leave it out"),
        (
            r#""from":{"ip":"10.0.0.256"}"#,
            "from: `10.0.0.256` is no address; write one such as 10.0.0.1 or fd00::1",
        ),
        (
            r#""to":{"ip":"10.0.0.0/8"}"#,
            "to: `10.0.0.0/8` is no pod, service or address; that is a block: write one address of it, such as 10.0.0.0",
        ),
        (r#""to":{"ip":""}"#, "to: `` is no address; write one such as 10.0.0.1 or fd00::1"),
        (r#""to":{"pod":"db-0"}"#, "to: `db-0` is no pod's name; write NAMESPACE/POD"),
        (r#""to":{"pod":"a/b/c"}"#, "to: `a/b/c` is no pod's name; write NAMESPACE/POD"),
        (r#""to":{"service":"db"}"#, "to: `db` is no service's name; write NAMESPACE/SERVICE"),
        (r#""to":{"service":7}"#, "to: 7 is no service; write text in quotes"),
        (
            r#""from":{"service":"shop/db"}"#,
            "from: service shop/db opens no connection; name the pod, or the address, that does",
        ),
        (r#""to":{"pod":7}"#, "to: 7 is no pod; write text in quotes"),
        (
            r#""to":{"pod":"shop/db-0","ip":"10.0.0.2"}"#,
            r#"to: more than one of pod, service and ip is given; write one of {"pod":"NAMESPACE/POD"}, {"service":"NAMESPACE/SERVICE"} and {"ip":"ADDRESS"}"#,
        ),
        (
            r#""to":{}"#,
            r#"to: no pod, service or ip is given; write one of {"pod":"NAMESPACE/POD"}, {"service":"NAMESPACE/SERVICE"} and {"ip":"ADDRESS"}"#,
        ),
        (
            r#""to":"shop/db-0""#,
            r#"to: "shop/db-0" is no object; write one of {"pod":"NAMESPACE/POD"}, {"service":"NAMESPACE/SERVICE"} and {"ip":"ADDRESS"}"#,
        ),
        (
            r#""to":["shop/db-0"]"#,
            r#"to: ["shop/db-0"] is no object; write one of {"pod":"NAMESPACE/POD"}, {"service":"NAMESPACE/SERVICE"} and {"ip":"ADDRESS"}"#,
        ),
        (
            r#""to":{"pdo":"shop/db-0"}"#,
            r#"to: unknown field `pdo`, expected one of `pod`, `service`, `ip`; write one of {"pod":"NAMESPACE/POD"}, {"service":"NAMESPACE/SERVICE"} and {"ip":"ADDRESS"}"#,
        ),
        (r#""to":null"#, r#"to is missing; write "to":{"pod":"NAMESPACE/POD"} or "to":{"ip":"ADDRESS"}"#),
    ];
    for (field, expected) in cases {
        assert_eq!(error(&with(field)), expected, "{field}");
    }
}

#[test]
fn an_unknown_key_is_refused_by_name_and_the_id_is_kept() {
    let reply = ask(r#"{"id":"q1","form":{"pod":"dev/curl"},"to":{"pod":"shop/db-0"}}"#);
    assert!(reply.starts_with(r#"{"id":"q1","error":"unknown field `form`, expected one of"#), "{reply}");
}

#[test]
fn a_key_that_is_there_twice_is_refused() {
    let reply = ask(r#"{"id":7,"port":1,"port":2,"from":{"pod":"dev/curl"},"to":{"pod":"shop/db-0"}}"#);
    assert!(reply.starts_with(r#"{"id":7,"error":"duplicate field `port`; write "#), "{reply}");
}

#[test]
fn what_is_no_object_is_refused_without_an_id() {
    for line in
        ["", " ", "null", "7", "\"q1\"", "[]", r#"["q1",{"pod":"dev/curl"},{"pod":"shop/db-0"}]"#, "hello"]
    {
        assert!(ask(line).starts_with(r#"{"id":null,"error":"this is no JSON object; write "#), "{line}");
    }
    for line in ["{", r#"{"id":1"#, r#"{"id":1}}"#, r#"{"id":1} {"id":2}"#, "{'id':1}"] {
        assert!(ask(line).starts_with(r#"{"id":null,"error":"this is no JSON: "#), "{line}: {}", ask(line));
    }
}

#[test]
fn a_bad_line_without_an_id_is_told_by_its_number() {
    let told = |line: &str| {
        let reply = answer_line(&cluster(), line.as_bytes()).at_line(7);
        serde_json::to_string(&reply).unwrap()
    };
    assert!(told("hello").starts_with(r#"{"id":null,"error":"line 7: this is no JSON object; write "#));
    assert!(told(&with(r#""port":0"#)).starts_with(r#"{"id":null,"error":"line 7: 0 is no port"#));
    let known = with(r#""port":0"#).replace(r#"{"from""#, r#"{"id":3,"from""#);
    assert!(told(&known).starts_with(r#"{"id":3,"error":"0 is no port"#), "{}", told(&known));
    assert!(told(&with(r#""port":80"#)).starts_with(r#"{"id":null,"allowed":"#));
}

#[test]
fn an_id_that_is_no_scalar_is_refused() {
    for id in ["[1]", r#"{"a":1}"#] {
        let reply = ask(&with(&format!(r#""id":{id}"#)));
        assert!(reply.starts_with(r#"{"id":null,"error":"the id is no scalar"#), "{reply}");
        let reply = ask(&format!(r#"{{"id":{id},"other":1}}"#));
        assert!(reply.starts_with(r#"{"id":null,"error":"unknown field `other`"#), "{reply}");
    }
}

#[test]
fn a_byte_order_mark_and_a_carriage_return_are_no_matter() {
    let line = format!("\u{feff}{}\r\n", with(r#""id":1"#));
    assert!(ask(&line).starts_with(r#"{"id":1,"allowed":"#), "{}", ask(&line));
}

#[test]
fn a_huge_value_is_told_shortly() {
    let huge = "x".repeat(1_000_000);
    for field in [
        format!(r#""port":"{huge}""#),
        format!(r#""to":{{"pod":"{huge}"}}"#),
        format!(r#""to":{{"pod":"shop/{huge}"}}"#),
        format!(r#""to":{{"{huge}":1}}"#),
        format!(r#""{huge}":1"#),
    ] {
        assert!(field.len() < Query::LONGEST_LINE);
        let told = error(&with(&field));
        assert!(told.len() < 300, "{} bytes: {}", told.len(), &told[..100]);
    }
}

#[test]
fn a_line_beyond_all_measure_is_refused() {
    let line = with(&format!(r#""id":1,"port":{}80"#, " ".repeat(Query::LONGEST_LINE)));
    assert!(ask(&line).starts_with(r#"{"id":null,"error":"this line is longer than a mebibyte; write "#));
}
