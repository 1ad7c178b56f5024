//! How policies and the two sides come together (N26–N28, N31, V3).

use crate::world::{labelled, pod, world};
use portolan_policy::SideVerdict;
use serde_json::json;

const IN: &str = "dev/curl -> shop/web on 80/tcp";

fn two_pods() -> crate::world::World {
    world().pod(pod("shop/web").ip("10.0.0.1").label("app=web")).pod(pod("dev/curl").ip("10.0.0.2"))
}

#[test]
fn without_policies_nobody_is_isolated() {
    let decision = two_pods().decide(IN);
    assert_eq!(decision.egress.verdict, SideVerdict::NotIsolated);
    assert_eq!(decision.ingress.verdict, SideVerdict::NotIsolated);
    assert_eq!(decision.admits(), Some(true));
}

#[test]
fn a_denial_names_every_isolating_policy_and_no_rule() {
    let world = two_pods()
        .policy("shop/c", json!({"ingress": [{"ports": [{"port": 81}]}]}))
        .policy("shop/a", json!({}))
        .policy("shop/other", json!({"podSelector": labelled("app=db")}))
        .policy("shop/out", json!({"policyTypes": ["Egress"]}))
        .policy("shop/b", json!({"podSelector": labelled("app=web")}));
    assert_eq!(world.ingress(IN), "denied by shop/a, shop/b, shop/c");
    assert!(world.decide(IN).ingress.policies.iter().all(|policy| policy.rule.is_none()));
}

#[test]
fn an_admission_names_every_rule_that_admits_and_no_policy_that_does_not() {
    let world = two_pods()
        .policy("shop/z", json!({"ingress": [{}]}))
        .policy("shop/deny", json!({}))
        .policy("shop/a", json!({"ingress": [{"ports": [{"port": 81}]}, {"ports": [{"port": 80}]}, {}]}));
    assert_eq!(world.ingress(IN), "admitted by shop/a[1], shop/a[2], shop/z[0]");
}

#[test]
fn directions_are_independent_and_one_admission_never_covers_the_other() {
    let world = two_pods()
        .policy("shop/deny", json!({"policyTypes": ["Ingress"]}))
        .policy("dev/out", json!({"policyTypes": ["Egress"], "egress": [{}]}));
    assert_eq!(world.egress(IN), "admitted by dev/out[0]");
    assert_eq!(world.ingress(IN), "denied by shop/deny");
    assert_eq!(world.decide(IN).admits(), Some(false));
}

#[test]
fn both_sides_can_deny() {
    let world = two_pods()
        .policy("shop/deny", json!({}))
        .policy("dev/a", json!({"policyTypes": ["Egress"]}))
        .policy("dev/b", json!({"policyTypes": ["Egress", "Ingress"]}));
    assert_eq!(world.egress(IN), "denied by dev/a, dev/b");
    assert_eq!(world.ingress(IN), "denied by shop/deny");
}

#[test]
fn a_pod_reaches_itself_whatever_isolates_it() {
    let world = two_pods()
        .pod(pod("shop/dual").ip("10.0.0.3").ip("10.0.0.4"))
        .policy("shop/deny", json!({"policyTypes": ["Ingress", "Egress"]}));
    for question in [
        "shop/web -> shop/web on 80/tcp",
        "shop/web -> 127.0.0.1 on 80/tcp",
        "::1 -> ::1 on 80/tcp",
        "10.0.0.3 -> 10.0.0.4 on 80/tcp",
    ] {
        assert_eq!(world.egress(question), "not-applicable", "{question}");
        assert_eq!(world.ingress(question), "not-applicable", "{question}");
        assert_eq!(world.decide(question).admits(), Some(true), "{question}");
    }
}

#[test]
fn an_external_end_is_no_subject() {
    let world = two_pods().policy("shop/deny", json!({"policyTypes": ["Ingress", "Egress"]}));
    assert_eq!(world.egress("198.51.100.7 -> shop/web on 80/tcp"), "not-applicable");
    assert_eq!(world.ingress("198.51.100.7 -> shop/web on 80/tcp"), "denied by shop/deny");
    assert_eq!(world.ingress("shop/web -> 198.51.100.7 on 80/tcp"), "not-applicable");
    assert_eq!(world.egress("shop/web -> 198.51.100.7 on 80/tcp"), "denied by shop/deny");
}

#[test]
fn a_connection_between_strangers_is_nobodys_matter() {
    let world = two_pods().policy("shop/deny", json!({}));
    let question = "198.51.100.7 -> 198.51.100.8 on 80/tcp";
    assert_eq!(world.egress(question), "not-applicable");
    assert_eq!(world.ingress(question), "not-applicable");
}

#[test]
fn a_policy_that_selects_another_pod_changes_nothing_here() {
    let world = two_pods().pod(pod("shop/db").ip("10.0.0.3").label("app=db"));
    let before = world.decide(IN);
    let after = world.policy("shop/db", json!({"podSelector": labelled("app=db")})).decide(IN);
    assert_eq!(before, after);
}
