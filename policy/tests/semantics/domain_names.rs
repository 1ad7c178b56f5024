//! Peers by domain name (C11).

use crate::world::{World, pod, world};
use serde_json::{Value, json};

const OUT: &str = "shop/web -> 198.51.100.7 on 443/tcp";

/// Web may reach these names and no other address.
fn only_to(names: &[&str]) -> World {
    shop(
        json!([{"action": "Accept", "to": [{"domainNames": names}]}, {"action": "Deny", "to": [{"networks": ["0.0.0.0/0"]}]}]),
    )
}

fn shop(egress: Value) -> World {
    world().namespace("shop", "").pod(pod("shop/web").ip("10.0.0.1")).cluster_policy(
        "names",
        json!({"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}, "egress": egress}),
    )
}

/// What the rule says where the name leads to the address that is dialled.
fn admitted(pattern: &str, name: &str) -> bool {
    let side = only_to(&[pattern]).dns(name, &["198.51.100.7"]).egress(OUT);
    assert!(side == "admitted by names[0]" || side == "denied by names", "{side}");
    side.starts_with("admitted")
}

#[test]
fn a_name_is_compared_without_case_and_final_dot() {
    assert!(admitted("api.example.com", "api.example.com"));
    assert!(admitted("API.example.com.", "api.Example.com"));
    assert!(admitted("api.example.com", "api.example.com."));
    assert!(!admitted("api.example.com", "example.com"));
    assert!(!admitted("api.example.com", "www.api.example.com"));
}

#[test]
fn a_star_is_one_or_more_whole_labels() {
    assert!(admitted("*.example.com", "api.example.com"));
    assert!(admitted("*.example.com", "v1.api.example.com"));
    assert!(!admitted("*.example.com", "example.com"));
    assert!(!admitted("*.example.com", "badexample.com"));
    assert!(!admitted("*.example.com", "api.example.com.evil.test"));
}

#[test]
fn the_address_counts_and_not_the_name_alone() {
    let world = only_to(&["api.example.com"]).dns("api.example.com", &["198.51.100.8", "2001:db8::7"]);
    assert_eq!(world.egress(OUT), "denied by names");
    assert_eq!(world.egress("shop/web -> 198.51.100.8 on 443/tcp"), "admitted by names[0]");
    assert_eq!(world.egress("shop/web -> 2001:db8::7 on 443/tcp"), "admitted by names[0]");
    assert_eq!(world.egress("shop/web -> ::ffff:198.51.100.8 on 443/tcp"), "admitted by names[0]");
}

#[test]
fn answers_replace_those_of_the_same_name() {
    let world = only_to(&["api.example.com"])
        .dns("api.example.com", &["198.51.100.7"])
        .dns("API.example.com.", &["198.51.100.8"]);
    assert_eq!(world.egress(OUT), "denied by names");
}

#[test]
fn without_answers_the_match_is_a_missing_fact() {
    let side = only_to(&["api.example.com"]).egress(OUT);
    assert!(side.starts_with("undecidable: ") && side.contains("DNS"), "{side}");
}

#[test]
fn once_any_answer_was_told_they_are_complete() {
    assert_eq!(only_to(&["api.example.com"]).dns("other.test", &[]).egress(OUT), "denied by names");
}

#[test]
fn without_answers_a_rule_that_would_change_nothing_does_not_matter() {
    let to = json!([{"networks": ["198.51.100.0/24"]}, {"domainNames": ["api.example.com"]}]);
    let either = shop(json!([{"action": "Accept", "to": to}]));
    assert_eq!(either.egress(OUT), "admitted by names[0]");
    let other_port = json!({"tcp": {"destinationPort": {"number": 80}}});
    let elsewhere = shop(json!([
        {"action": "Accept", "to": [{"domainNames": ["api.example.com"]}], "protocols": [other_port]},
        {"action": "Deny", "to": [{"networks": ["0.0.0.0/0"]}]},
    ]));
    assert_eq!(elsewhere.egress(OUT), "denied by names");
}

#[test]
fn names_outside_an_accept_rule_fail_closed() {
    for action in ["Deny", "Pass"] {
        let world = shop(json!([{"action": action, "to": [{"domainNames": ["api.example.com"]}]}]))
            .dns("api.example.com", &["198.51.100.8"]);
        assert_eq!(world.egress(OUT), "denied by names", "{action}");
    }
}

#[test]
fn an_admin_policy_takes_names_and_a_baseline_policy_does_not() {
    let egress = json!([{"action": "Allow", "to": [{"domainNames": ["api.example.com"]}]}]);
    let world = || world().pod(pod("shop/web").ip("10.0.0.1")).dns("api.example.com", &["198.51.100.7"]);
    let spec = json!({"priority": 1, "subject": {"namespaces": {}}, "egress": egress});
    assert_eq!(world().admin_policy("names", spec.clone()).egress(OUT), "admitted by names[0]");
    assert_eq!(world().baseline_policy("default", spec).egress(OUT), "not-isolated");
}
