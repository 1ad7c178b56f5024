//! `policyTypes` against the rules.

use crate::world::world;
use serde_json::json;

#[test]
fn rules_of_a_direction_that_policy_types_leaves_out() {
    let world = world().policy("shop/p", json!({"policyTypes": ["Ingress"], "egress": [{}, {}]}));
    world.has(
        "ignored-rules",
        "NetworkPolicy shop/p: spec.egress: 2 egress rules that policyTypes leaves out: they are ignored; \
         add Egress to policyTypes, or take the rules out",
    );
    let world = crate::world::world().policy("shop/p", json!({"policyTypes": ["Egress"], "ingress": [{}]}));
    world.has("ignored-rules", "NetworkPolicy shop/p: spec.ingress: 1 ingress rules");
}

#[test]
fn rules_that_count() {
    for spec in [
        json!({"egress": [{}]}),
        json!({"policyTypes": [], "egress": [{}], "ingress": [{}]}),
        json!({"policyTypes": ["Egress", "Ingress"], "egress": [{}], "ingress": [{}]}),
        json!({"policyTypes": ["Ingress"], "egress": []}),
        json!({"policyTypes": ["Ingress", "egress"], "egress": [{}]}),
    ] {
        world().policy("shop/p", spec).has_no("ignored-rules");
    }
}

#[test]
fn an_empty_egress_without_types_does_not_isolate() {
    let world = world().policy("shop/p", json!({"egress": []}));
    world.has("empty-egress", "NetworkPolicy shop/p: spec.egress: an empty egress without policyTypes");
    for spec in [
        json!({"policyTypes": ["Egress"], "egress": []}),
        json!({"policyTypes": ["Ingress"], "egress": []}),
        json!({"egress": [{}]}),
        json!({}),
    ] {
        crate::world::world().policy("shop/p", spec).has_no("empty-egress");
    }
}
