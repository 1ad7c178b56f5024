//! Address blocks.

use crate::world::{World, world};
use portolan_policy::Severity;
use serde_json::{Value, json};

fn rules(rules: Value) -> World {
    world().policy("shop/p", json!({"podSelector": {}, "ingress": rules}))
}

fn block(cidr: &str, except: &[&str]) -> World {
    rules(json!([{"from": [{"ipBlock": {"cidr": cidr, "except": except}}]}]))
}

#[test]
fn sloppy_blocks() {
    block("10.1.2.3/8", &[]).has(
        "sloppy-cidr",
        "NetworkPolicy shop/p: spec.ingress[0].from[0].ipBlock.cidr: `10.1.2.3/8` stands for 10.0.0.0/8, and newer \
         API servers refuse it; write 10.0.0.0/8",
    );
    block("10.0.0.0/8", &["010.1.0.0/16"]).has(
        "sloppy-cidr",
        "NetworkPolicy shop/p: spec.ingress[0].from[0].ipBlock.except[0]: `010.1.0.0/16` stands",
    );
    for cidr in ["10.0.0.0/8", "0.0.0.0/0", "fd00::/8", "FD00:0::/8", "bad"] {
        block(cidr, &[]).has_no("sloppy-cidr");
    }
}

#[test]
fn a_block_that_covers_pods() {
    let world = |cidr: &str, except: &[&str]| block(cidr, except).pod("shop/web", "app=web");
    world("10.0.0.0/16", &[]).has(
        "block-covers-pods",
        "NetworkPolicy shop/p: spec.ingress[0].from[0].ipBlock: covers 1 pod addresses, such as that of shop/web",
    );
    world("10.0.0.0/16", &["10.0.1.0/24"]).has("block-covers-pods", "NetworkPolicy shop/p");
    world("10.0.0.0/16", &["10.0.0.0/24"]).has_no("block-covers-pods");
    world("10.0.0.0/16", &["10.0.0.0/24", "10.0.0.0/28"]).has_no("block-covers-pods");
    world("10.0.0.0/16", &["10.0.0.0/8"]).has_no("block-covers-pods");
    world("192.0.2.0/24", &[]).has_no("block-covers-pods");
    world("::/0", &[]).has_no("block-covers-pods");
    block("10.0.0.0/16", &[]).host_pod("shop/agent", "app=agent").has_no("block-covers-pods");
}

#[test]
fn everything_covers_pods_and_that_is_good_to_know_only() {
    let severity = |cidr: &str| {
        let findings = block(cidr, &[]).pod("shop/web", "app=web").findings();
        findings.iter().find(|finding| finding.code.as_str() == "block-covers-pods").unwrap().severity
    };
    assert_eq!(severity("0.0.0.0/0"), Severity::Info);
    assert_eq!(severity("10.0.0.0/8"), Severity::Warning);
}

#[test]
fn an_exception_inside_another() {
    block("10.0.0.0/8", &["10.1.0.0/16", "10.1.2.0/24"]).has(
        "except-without-effect",
        "NetworkPolicy shop/p: spec.ingress[0].from[0].ipBlock.except[1]: the exception 10.1.2.0/24 is inside \
         10.1.0.0/16, which except[0] takes away",
    );
    block("10.0.0.0/8", &["10.1.0.0/16", "10.1.0.0/16"])
        .has("except-without-effect", "NetworkPolicy shop/p: spec.ingress[0].from[0].ipBlock.except[1]");
    block("10.0.0.0/8", &["10.1.0.0/16", "10.2.0.0/16"]).has_no("except-without-effect");
}

#[test]
fn an_exception_that_another_entry_admits_all_the_same() {
    let inner = json!({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}});
    let wider = json!({"ipBlock": {"cidr": "0.0.0.0/0"}});
    let narrower = json!({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.1.2.0/24"]}});
    rules(json!([{"from": [inner, wider]}])).has(
        "except-without-effect",
        "NetworkPolicy shop/p: spec.ingress[0].from[0].ipBlock.except[0]: the exception 10.1.0.0/16 is admitted all \
         the same by spec.ingress[0].from[1]",
    );
    rules(json!([{"from": [inner, narrower]}])).has_no("except-without-effect");
    rules(json!([{"from": [inner]}, {}])).has(
        "except-without-effect",
        "NetworkPolicy shop/p: spec.ingress[0].from[0].ipBlock.except[0]: the exception 10.1.0.0/16 is admitted all \
         the same by spec.ingress[1]",
    );
    let other_port =
        json!([{"from": [inner], "ports": [{"port": 80}]}, {"from": [wider], "ports": [{"port": 81}]}]);
    rules(other_port).has_no("except-without-effect");
}
