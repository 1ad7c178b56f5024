//! What the API would reject in the cluster-wide kinds: never read as an admission (C17, A5, §8).

use crate::world::{World, labelled, pod, world};
use serde_json::{Value, json};

const IN: &str = "dev/curl -> shop/web on 80/tcp";
const OUT: &str = "shop/web -> dev/curl on 80/tcp";

fn shop() -> World {
    world()
        .namespace("shop", "team=shop")
        .namespace("dev", "team=dev")
        .pod(pod("shop/web").ip("10.0.0.1").label("app=web"))
        .pod(pod("dev/curl").ip("10.0.1.1"))
}

/// Ingress by one rule with this action and these peers.
fn ingress(action: &str, from: Value) -> World {
    policy(json!({"ingress": [{"action": action, "from": from}]}))
}

fn egress(action: &str, to: Value) -> World {
    policy(json!({"egress": [{"action": action, "to": to}]}))
}

/// A policy of the Admin tier about all pods, with these fields beside or instead.
fn policy(fields: Value) -> World {
    let mut spec = json!({"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}});
    let Value::Object(fields) = fields else { panic!("fields of a spec") };
    spec.as_object_mut().unwrap().extend(fields);
    shop().cluster_policy("p", spec)
}

/// Peers that nobody understands, in either direction.
fn broken() -> Vec<Value> {
    vec![
        json!({}),
        json!({"serviceAccounts": {}}),
        json!({"namespaces": {}, "pods": {"podSelector": {}}}),
        json!({"namespaces": {}, "serviceAccounts": {}}),
        json!({"namespaces": {"namespaceSelector": {}}}),
        json!({"namespaces": {"sameLabels": ["team"]}}),
        json!({"namespaces": {"notSameLabels": ["team"]}}),
        json!({"pods": {"namespaces": {"namespaceSelector": {}}, "podSelector": {}}}),
        json!({"pods": {"podSelector": {"sameLabels": ["team"]}}}),
    ]
}

#[test]
fn an_accept_rule_with_a_broken_peer_matches_nothing() {
    for peer in broken() {
        assert_eq!(
            ingress("Accept", json!([peer, {"namespaces": {}}])).ingress(IN),
            "not-isolated",
            "{peer}"
        );
        assert_eq!(egress("Accept", json!([peer, {"namespaces": {}}])).egress(OUT), "not-isolated", "{peer}");
    }
}

#[test]
fn a_deny_or_pass_rule_with_a_broken_peer_denies_its_direction() {
    for peer in broken() {
        for action in ["Deny", "Pass"] {
            let world = ingress(action, json!([{"namespaces": labelled("no=one")}, peer]));
            assert_eq!(world.ingress(IN), "denied by p", "{action} {peer}");
            assert_eq!(world.ingress("198.51.100.7 -> shop/web on icmp"), "denied by p", "{action} {peer}");
            assert_eq!(world.egress(IN), "not-isolated", "{action} {peer}");
            assert_eq!(egress(action, json!([peer])).egress(OUT), "denied by p", "{action} {peer}");
        }
    }
}

#[test]
fn a_broken_peer_denies_whatever_the_ports() {
    let rule =
        json!({"action": "Deny", "from": [{}], "protocols": [{"udp": {"destinationPort": {"number": 53}}}]});
    assert_eq!(policy(json!({"ingress": [rule]})).ingress(IN), "denied by p");
}

#[test]
fn peers_that_are_for_egress_are_broken_on_ingress() {
    for peer in [json!({"networks": ["0.0.0.0/0"]}), json!({"nodes": {}}), json!({"domainNames": ["a.test"]})]
    {
        assert_eq!(
            ingress("Accept", json!([peer, {"namespaces": {}}])).ingress(IN),
            "not-isolated",
            "{peer}"
        );
        assert_eq!(
            ingress("Deny", json!([peer])).ingress("198.51.100.7 -> shop/web on 80/tcp"),
            "denied by p",
            "{peer}"
        );
    }
}

#[test]
fn a_rule_before_a_broken_one_still_decides() {
    let rules = json!([{"action": "Accept", "from": [{"namespaces": labelled("team=dev")}]}, {"action": "Deny", "from": [{}]}]);
    let world = policy(json!({"ingress": rules}));
    assert_eq!(world.ingress(IN), "admitted by p[0]");
    assert_eq!(world.ingress("198.51.100.7 -> shop/web on 80/tcp"), "denied by p");
}

#[test]
fn the_old_shape_in_an_admin_policy_fails_closed() {
    let old = json!({"namespaces": {"namespaceSelector": labelled("team=dev")}});
    let says = |action: &str| json!({"priority": 1, "subject": {"namespaces": {}}, "ingress": [{"action": action, "from": [old]}]});
    assert_eq!(shop().admin_policy("a", says("Allow")).ingress(IN), "not-isolated");
    assert_eq!(shop().admin_policy("a", says("Deny")).ingress(IN), "denied by a");
    assert_eq!(shop().admin_policy("a", says("Pass")).ingress(IN), "denied by a");
    assert_eq!(shop().baseline_policy("default", says("Deny")).ingress(IN), "denied by default");
}

#[test]
fn invalid_conditions_and_blocks_match_nothing() {
    let nobody = [
        json!({"namespaces": {"matchExpressions": [{"key": "team", "operator": "Like", "values": ["d"]}]}}),
        json!({"namespaces": {"matchExpressions": [{"key": "team", "operator": "NotIn"}]}}),
        json!({"pods": {"podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": []}]}}}),
    ];
    for peer in nobody {
        assert_eq!(ingress("Accept", json!([peer])).ingress(IN), "not-isolated", "{peer}");
        assert_eq!(ingress("Deny", json!([peer])).ingress(IN), "not-isolated", "{peer}");
    }
    for networks in [json!([]), json!(["everywhere"]), json!(["0.0.0.0/33"]), json!(["10.0.0.0"])] {
        assert_eq!(egress("Deny", json!([{"networks": networks}])).egress(OUT), "not-isolated", "{networks}");
    }
    let mixed = egress("Deny", json!([{"networks": ["bad", "10.0.0.0/8"]}]));
    assert_eq!(mixed.egress(OUT), "denied by p");
}

#[test]
fn an_empty_or_absent_peer_list_is_nobody() {
    for from in [json!([]), Value::Null] {
        for action in ["Accept", "Deny", "Pass"] {
            assert_eq!(ingress(action, from.clone()).ingress(IN), "not-isolated", "{action} {from}");
        }
    }
}

#[test]
fn invalid_protocols_match_nothing() {
    for entry in [
        json!({}),
        json!({"icmp": {}}),
        json!({"tcp": {}, "udp": {}}),
        json!({"tcp": {}, "destinationNamedPort": "http"}),
        json!({"tcp": {"destinationPort": {}}}),
        json!({"tcp": {"destinationPort": {"number": 0}}}),
        json!({"tcp": {"destinationPort": {"number": 65616}}}),
        json!({"tcp": {"destinationPort": {"number": 80, "range": {"start": 80, "end": 81}}}}),
        json!({"tcp": {"destinationPort": {"range": {"start": 0, "end": 100}}}}),
        json!({"tcp": {"destinationPort": {"range": {"start": 81, "end": 80}}}}),
    ] {
        let rule = json!({"action": "Deny", "from": [{"namespaces": {}}], "protocols": [entry]});
        assert_eq!(policy(json!({"ingress": [rule]})).ingress(IN), "not-isolated", "{entry}");
    }
}

#[test]
fn invalid_ports_of_an_admin_policy_match_nothing() {
    for entry in [
        json!({}),
        json!({"portNumber": {"port": 80}, "namedPort": "http"}),
        json!({"portNumber": {"port": 80, "protocol": "tcp"}}),
        json!({"portNumber": {"port": 65616}}),
        json!({"portRange": {"start": -1, "end": 100}}),
        json!({"portRange": {"start": 81, "end": 80}}),
    ] {
        let spec = json!({"priority": 1, "subject": {"namespaces": {}},
            "ingress": [{"action": "Deny", "from": [{"namespaces": {}}], "ports": [entry]}]});
        assert_eq!(shop().admin_policy("a", spec).ingress(IN), "not-isolated", "{entry}");
    }
}

#[test]
fn an_unknown_tier_action_or_priority_silences_the_policy() {
    let deny = json!([{"action": "Deny", "from": [{"namespaces": {}}]}]);
    assert_eq!(policy(json!({"ingress": deny})).ingress(IN), "denied by p");
    for tier in ["admin", "", "Network"] {
        assert_eq!(policy(json!({"tier": tier, "ingress": deny})).ingress(IN), "not-isolated", "{tier}");
    }
    assert_eq!(policy(json!({"priority": null, "ingress": deny})).ingress(IN), "not-isolated");
    for action in ["Allow", "accept", "", "Log"] {
        let rules = json!([deny[0], {"action": action, "from": [{"namespaces": {}}]}]);
        assert_eq!(policy(json!({"ingress": rules})).ingress(IN), "not-isolated", "{action}");
        let elsewhere = json!([{"action": action, "to": [{"namespaces": {}}]}]);
        assert_eq!(
            policy(json!({"ingress": deny, "egress": elsewhere})).ingress(IN),
            "not-isolated",
            "{action}"
        );
    }
}

#[test]
fn a_priority_out_of_range_is_the_number_it_is() {
    let deny = json!([{"action": "Deny", "from": [{"namespaces": {}}]}]);
    let late = policy(json!({"priority": 1001, "ingress": deny}));
    assert_eq!(late.ingress(IN), "denied by p");
    let accept = json!({"tier": "Admin", "priority": -1, "subject": {"namespaces": {}},
        "ingress": [{"action": "Accept", "from": [{"namespaces": {}}]}]});
    assert_eq!(late.cluster_policy("z", accept).ingress(IN), "admitted by z[0]");
}

#[test]
fn an_unreadable_subject_may_or_may_not_select() {
    for subject in [
        json!({}),
        json!({"namespaces": {}, "pods": {"podSelector": {}}}),
        json!({"namespaces": {"sameLabels": ["team"]}}),
        json!({"serviceAccounts": {}}),
        json!({"namespaces": {"matchExpressions": [{"key": "team", "operator": "Like", "values": ["s"]}]}}),
    ] {
        let says = |action: &str| {
            let rules = json!([{"action": action, "from": [{"namespaces": {}}]}]);
            policy(json!({"subject": subject, "ingress": rules})).ingress(IN)
        };
        assert!(says("Deny").starts_with("undecidable: "), "{subject}");
        assert!(says("Deny").contains("ClusterNetworkPolicy p"), "{subject}");
        assert_eq!(says("Accept"), "admitted by p[0]", "{subject}");
        assert_eq!(says("Pass"), "not-isolated", "{subject}");
    }
}

#[test]
fn a_broken_accept_never_opens_an_isolated_pod() {
    let closed = |world: World| world.policy("shop/closed", json!({})).ingress(IN);
    for peer in broken() {
        assert_eq!(closed(ingress("Accept", json!([peer]))), "denied by shop/closed", "{peer}");
    }
    assert_eq!(closed(ingress("Allow", json!([{"namespaces": {}}]))), "denied by shop/closed");
}
