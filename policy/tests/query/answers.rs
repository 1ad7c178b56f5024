//! The form of an answer.

use crate::{ask, cluster};
use portolan_policy::{Family, Place, Protocol, Query, answer_line};

#[test]
fn an_answer_has_its_fields_in_the_order_of_the_contract() {
    let line = r#"{"id":"q1","from":{"pod":"shop/web-7d9f-x2"},"to":{"pod":"shop/db-0"},"port":5432,"protocol":"TCP"}"#;
    assert_eq!(
        ask(line),
        r#"{"id":"q1","allowed":true,"egress":{"verdict":"not-isolated","policies":[]},"ingress":{"verdict":"admitted","policies":[{"kind":"NetworkPolicy","namespace":"shop","name":"db","rule":0}]}}"#
    );
}

#[test]
fn a_denial_names_all_that_isolate() {
    assert_eq!(
        ask(r#"{"id":2,"from":{"pod":"dev/curl"},"to":{"pod":"shop/db-0"},"port":5432}"#),
        r#"{"id":2,"allowed":false,"egress":{"verdict":"not-isolated","policies":[]},"ingress":{"verdict":"denied","policies":[{"kind":"NetworkPolicy","namespace":"shop","name":"db"}]}}"#
    );
}

#[test]
fn what_cannot_be_said_is_null_with_the_missing_fact() {
    assert_eq!(
        ask(r#"{"id":3,"from":{"pod":"shop/web-7d9f-x2"},"to":{"pod":"shop/db-0"}}"#),
        r#"{"id":3,"allowed":null,"egress":{"verdict":"not-isolated","policies":[]},"ingress":{"verdict":"undecidable","policies":[],"reason":"the destination port is not known"}}"#
    );
}

#[test]
fn an_id_is_echoed_as_it_came() {
    for id in
        ["null", "true", "-0.0", "1e400", "123456789012345678901234567890", r#""\u0041 \"b\"""#, r#""""#]
    {
        let line = format!(r#"{{"id":{id},"from":{{"ip":"1.1.1.1"}},"to":{{"ip":"2.2.2.2"}},"port":1}}"#);
        assert!(ask(&line).starts_with(&format!(r#"{{"id":{id},"allowed":true,"#)), "{}", ask(&line));
        let bad = format!(r#"{{"id":{id},"from":{{"ip":"1.1.1.1"}},"to":{{"ip":"2.2.2.2"}},"port":0}}"#);
        assert!(ask(&bad).starts_with(&format!(r#"{{"id":{id},"error":""#)), "{}", ask(&bad));
    }
}

#[test]
fn a_line_without_an_id_is_answered_with_null() {
    let reply = ask(r#"{"from":{"ip":"1.1.1.1"},"to":{"ip":"2.2.2.2"},"port":1}"#);
    assert!(reply.starts_with(r#"{"id":null,"allowed":true,"#), "{reply}");
}

#[test]
fn protocols_are_read_in_any_case_and_tcp_is_the_default() {
    let verdict = |protocol: &str| {
        let line = format!(
            r#"{{"id":1,"from":{{"pod":"shop/web-7d9f-x2"}},"to":{{"pod":"shop/db-0"}},"port":5432{protocol}}}"#
        );
        answer_line(&cluster(), line.as_bytes()).answer.unwrap().allowed
    };
    for protocol in ["", r#","protocol":null"#, r#","protocol":"tcp""#, r#","protocol":"Tcp""#] {
        assert_eq!(verdict(protocol), Some(true), "{protocol}");
    }
    for protocol in ["UDP", "udp", "sctp", "icmp", "icmpv6"] {
        assert_eq!(verdict(&format!(r#","protocol":"{protocol}""#)), Some(false), "{protocol}");
    }
}

#[test]
fn the_port_of_icmp_is_no_matter() {
    let connection = |port| {
        let query = Query {
            from: Place::Ip("10.0.0.1".parse().unwrap()),
            to: Place::Ip("10.0.0.2".parse().unwrap()),
            port,
            protocol: Protocol::Icmp,
            family: Some(Family::Ipv4),
        };
        query.resolve(&cluster()).unwrap().connection
    };
    assert_eq!(connection(Some(80)), connection(None));
    assert_eq!(connection(Some(80)).port, None);
}

#[test]
fn an_answer_has_words() {
    let words = |line: &str| answer_line(&cluster(), line.as_bytes()).answer.unwrap().to_string();
    assert_eq!(
        words(r#"{"from":{"pod":"shop/web-7d9f-x2"},"to":{"pod":"shop/db-0"},"port":5432}"#),
        "allowed; egress: not isolated; ingress: admitted by NetworkPolicy shop/db rule 0"
    );
    assert_eq!(
        words(r#"{"from":{"pod":"dev/curl"},"to":{"pod":"shop/db-0"},"port":5432}"#),
        "denied; egress: not isolated; ingress: isolated by NetworkPolicy shop/db, and none admits it"
    );
    assert_eq!(
        words(r#"{"from":{"ip":"1.1.1.1"},"to":{"pod":"shop/web-7d9f-x2"},"port":5432}"#),
        "allowed; egress: not a matter for policies; ingress: not isolated"
    );
    assert_eq!(
        words(r#"{"from":{"pod":"shop/web-7d9f-x2"},"to":{"pod":"shop/db-0"}}"#),
        "undecidable; egress: not isolated; ingress: cannot be said: the destination port is not known"
    );
}
