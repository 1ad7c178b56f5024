//! Which pods and addresses a question is about.

use crate::{cluster, error};
use portolan_policy::{Place, Protocol, Query, QueryError, SideVerdict, parse_manifest};

/// The addresses in use for `FROM -> TO`, or `FROM -> TO as FAMILY`.
fn resolve(question: &str) -> Result<String, QueryError> {
    let (ends, family) = question.split_once(" as ").map_or((question, None), |(ends, f)| (ends, Some(f)));
    let (from, to) = ends.split_once(" -> ").unwrap();
    let query = Query {
        from: from.parse()?,
        to: to.parse()?,
        port: Some(80),
        protocol: Protocol::Tcp,
        family: family.map(|family| family.parse().unwrap()),
    };
    let cluster = cluster();
    let connection = query.resolve(&cluster)?.connection;
    Ok(format!("{} -> {}", connection.source, connection.destination))
}

#[test]
fn the_family_is_as_asked_else_of_the_address_else_of_the_destinations_first() {
    let cases = [
        // Both have both: the destination's first address decides.
        ("shop/web-7d9f-x2 -> shop/db-0", "fd00::1 -> fd00::2"),
        ("shop/db-0 -> shop/web-7d9f-x2", "10.0.0.2 -> 10.0.0.1"),
        ("shop/web-7d9f-x2 -> shop/db-0 as IPv4", "10.0.0.1 -> 10.0.0.2"),
        ("shop/db-0 -> shop/web-7d9f-x2 as ipv6", "fd00::2 -> fd00::1"),
        // The source lacks the family of the destination's first.
        ("dev/curl -> shop/db-0", "10.0.1.1 -> 10.0.0.2"),
        ("dev/only-v6 -> shop/web-7d9f-x2", "fd00::1:1 -> fd00::1"),
        // A given address has one family.
        ("1.1.1.1 -> shop/db-0", "1.1.1.1 -> 10.0.0.2"),
        ("shop/web-7d9f-x2 -> 2001:db8::1", "fd00::1 -> 2001:db8::1"),
        ("1.1.1.1 -> 2.2.2.2", "1.1.1.1 -> 2.2.2.2"),
    ];
    for (question, expected) in cases {
        assert_eq!(resolve(question).unwrap(), expected, "{question}");
    }
}

#[test]
fn addresses_are_normalised() {
    assert_eq!(resolve("::ffff:1.1.1.1 -> shop/db-0").unwrap(), "1.1.1.1 -> 10.0.0.2");
    assert_eq!(resolve("fe80::1%eth0 -> shop/db-0").unwrap(), "fe80::1 -> fd00::2");
}

#[test]
fn a_host_network_pod_is_its_nodes_address() {
    assert_eq!(resolve("dev/proxy -> dev/curl").unwrap(), "192.168.0.1 -> 10.0.1.1");
    assert_eq!(resolve("dev/only-v6 -> dev/proxy").unwrap(), "fd00::1:1 -> fd00:1::1");
}

#[test]
fn ends_without_a_family_in_common_are_told_which() {
    let told = |question| resolve(question).unwrap_err().to_string();
    assert_eq!(
        told("dev/curl -> dev/only-v6"),
        "dev/curl has IPv4 addresses only and dev/only-v6 has none of them; ask about ends of one family"
    );
    assert_eq!(
        told("2001:db8::1 -> dev/curl"),
        "2001:db8::1 has IPv6 addresses only and dev/curl has none of them; ask about ends of one family"
    );
    assert_eq!(
        told("dev/curl -> shop/db-0 as IPv6"),
        "from: dev/curl has no IPv6 address; leave the family out or ask for the other one"
    );
    assert_eq!(
        told("shop/db-0 -> 1.1.1.1 as IPv6"),
        "to: 1.1.1.1 has no IPv6 address; leave the family out or ask for the other one"
    );
}

#[test]
fn pods_that_hold_no_address_are_told_why() {
    assert_eq!(
        error(r#"{"from":{"pod":"dev/done"},"to":{"pod":"dev/curl"}}"#),
        "from: pod dev/done has finished and holds no address any more; ask about a pod that runs"
    );
    assert_eq!(
        error(r#"{"from":{"pod":"dev/curl"},"to":{"pod":"dev/pending"}}"#),
        "to: pod dev/pending has no address; add status.podIPs to its Pod object"
    );
}

#[test]
fn an_unknown_pod_is_told_the_nearest() {
    let told = |pod: &str| {
        let query = format!(r#"{{"from":{{"pod":"{pod}"}},"to":{{"pod":"dev/curl"}}}}"#);
        error(&query)
    };
    assert_eq!(
        told("shop/web-7d9f-x3"),
        "from: pod shop/web-7d9f-x3 is not known; did you mean shop/web-7d9f-x2?"
    );
    assert_eq!(told("dev/crul"), "from: pod dev/crul is not known; did you mean dev/curl?");
    assert_eq!(told("shpo/db-0"), "from: pod shpo/db-0 is not known; did you mean shop/db-0?");
    assert_eq!(told("shop/curl"), "from: pod shop/curl is not known; did you mean dev/curl?");
    assert_eq!(
        told("nowhere/zzz"),
        "from: pod nowhere/zzz is not known; add its Pod object to the manifests"
    );
}

#[test]
fn a_service_is_its_address_of_the_family() {
    assert_eq!(resolve("dev/curl -> svc:shop/db").unwrap(), "10.0.1.1 -> 10.96.0.7");
    assert_eq!(resolve("dev/only-v6 -> svc:shop/db").unwrap(), "fd00::1:1 -> fd00:96::7");
    assert_eq!(resolve("shop/db-0 -> svc:shop/db as IPv6").unwrap(), "fd00::2 -> fd00:96::7");
    let told = |question| resolve(question).unwrap_err().to_string();
    assert_eq!(
        told("dev/curl -> svc:shop/headles"),
        "to: service shop/headles is not known; did you mean shop/headless?"
    );
    assert_eq!(told("dev/curl -> svc:dev/db"), "to: service dev/db is not known; did you mean shop/db?");
    assert_eq!(
        told("dev/curl -> svc:nowhere/zzz"),
        "to: service nowhere/zzz is not known; add its Service object to the manifests"
    );
    assert_eq!(
        told("dev/curl -> svc:shop/headless"),
        "to: service shop/headless has no address of its own, and no ready endpoint of it is known; add its \
         EndpointSlice, or ask about one of its pods"
    );
    assert_eq!(
        told("svc:shop/db -> dev/curl"),
        "from: service shop/db opens no connection; name the pod, or the address, that does"
    );
}

#[test]
fn a_service_in_the_place_of_a_pod_is_pointed_to() {
    let told =
        |to: &str| error(&format!(r#"{{"from":{{"pod":"dev/curl"}},"to":{{"pod":"{to}"}},"port":80}}"#));
    assert_eq!(
        told("shop/db"),
        r#"to: pod shop/db is not known, but a service of that name is: ask for svc:shop/db, in a line of JSON for {"service":"shop/db"}"#
    );
    // No service opens a connection.
    let from = error(r#"{"from":{"pod":"shop/db"},"to":{"pod":"dev/curl"},"port":80}"#);
    assert!(from.starts_with("from: pod shop/db is not known; ") && !from.contains("svc:"), "{from}");
}

#[test]
fn what_is_nearly_an_end_is_told_how_to_write_it() {
    for (text, mend) in [
        ("service:data/db", "write svc:data/db"),
        ("SVC:data/db", "write svc:data/db"),
        ("db.data.svc.cluster.local", "write svc:data/db"),
        ("db.data.svc", "write svc:data/db"),
        ("[fd00::3]", "leave the brackets out: fd00::3"),
        ("[fd00::3]:5432", "leave the brackets and the port out: fd00::3"),
        ("10.0.0.3:5432", "leave the port out: 10.0.0.3"),
        ("10.0.0.0/8", "that is a block: write one address of it, such as 10.0.0.0"),
        ("fd00::/8", "that is a block: write one address of it, such as fd00::"),
    ] {
        let told = text.parse::<Place>().unwrap_err().to_string();
        assert_eq!(told, format!("`{text}` is no pod, service or address; {mend}"));
    }
    let told = "svc:db.data.svc.cluster.local".parse::<Place>().unwrap_err().to_string();
    assert!(told.ends_with("; write svc:data/db"), "{told}");
    let told = error(r#"{"from":{"ip":"10.0.0.3:5432"},"to":{"pod":"dev/curl"},"port":80}"#);
    assert!(told.ends_with("; leave the port out: 10.0.0.3"), "{told}");
    // A pod may be named like this.
    assert!("data/db.data.svc".parse::<Place>().is_ok());
}

#[test]
fn a_source_is_no_service() {
    let told = |text| Place::source(text).unwrap_err().to_string();
    assert_eq!(told("cli"), "`cli` is no pod or address; write NAMESPACE/POD or an address");
    for text in ["service:data/db", "db.data.svc.cluster.local"] {
        assert_eq!(
            told(text),
            format!("{text} opens no connection; name the pod, or the address, that does")
        );
    }
    assert!(told("10.0.0.3:5432").ends_with("; leave the port out: 10.0.0.3"));
    assert_eq!(Place::source("shop/web").unwrap().to_string(), "shop/web");
}

#[test]
fn a_service_asked_by_name_is_answered_for_its_endpoints() {
    let reply = crate::ask(r#"{"from":{"pod":"dev/curl"},"to":{"service":"shop/db"},"port":80}"#);
    assert!(
        reply.contains(r#""ingress":{"verdict":"denied","policies":[{"kind":"NetworkPolicy""#),
        "{reply}"
    );
    let reply = crate::ask(
        r#"{"from":{"pod":"shop/web-7d9f-x2"},"to":{"service":"shop/db"},"port":80,"family":"IPv4"}"#,
    );
    assert!(reply.contains(r#""ingress":{"verdict":"admitted","#), "{reply}");
}

#[test]
fn a_place_is_a_pod_or_an_address() {
    assert_eq!("10.0.0.1".parse::<Place>().unwrap().to_string(), "10.0.0.1");
    assert_eq!("shop/web".parse::<Place>().unwrap().to_string(), "shop/web");
    for text in ["", "web", "/", "shop/", "/web", "a/b/c", "10.0.0.1.2", "svc:", "svc:db", "svc:/db"] {
        assert!(text.parse::<Place>().is_err(), "{text:?}");
    }
}

#[test]
fn a_pod_that_is_named_is_that_pod_even_where_another_claims_its_address() {
    let thief = "{apiVersion: v1, kind: Pod, metadata: {namespace: dev, name: thief}, \
                 status: {podIPs: [{ip: 10.0.0.2}]}}";
    let mut cluster = cluster();
    cluster.apply(parse_manifest(thief).objects.remove(0)).unwrap();
    let ingress = |to: &str| {
        let query = Query {
            from: "dev/curl".parse().unwrap(),
            to: to.parse().unwrap(),
            port: Some(80),
            protocol: Protocol::Tcp,
            family: None,
        };
        query.answer(&cluster).unwrap().ingress.verdict
    };
    assert_eq!(ingress("shop/db-0"), SideVerdict::Denied);
    assert_eq!(ingress("dev/thief"), SideVerdict::NotIsolated);
    assert_eq!(ingress("10.0.0.2"), SideVerdict::Undecidable);
}
