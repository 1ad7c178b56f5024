//! Peers: whom a rule admits (N7–N14, N22–N25).

use crate::world::{World, labelled, pod, world};
use serde_json::{Value, json};

/// Web in shop, admitted to by `from`; callers of all sorts.
fn shop(from: Value) -> World {
    world()
        .namespace("shop", "team=shop")
        .namespace("dev", "team=dev")
        .namespace("bare", "")
        .pod(pod("shop/web").ip("10.0.0.1").label("app=web"))
        .pod(pod("shop/api").ip("10.0.0.2").label("app=api"))
        .pod(pod("dev/api").ip("10.0.1.2").label("app=api"))
        .pod(pod("dev/curl").ip("10.0.1.3"))
        .pod(pod("bare/curl").ip("10.0.2.3"))
        .policy("shop/p", json!({"podSelector": labelled("app=web"), "ingress": [{"from": from}]}))
}

/// Those of the callers that are admitted to web.
fn admitted(world: &World) -> Vec<&'static str> {
    let callers = ["shop/api", "dev/api", "dev/curl", "bare/curl", "198.51.100.7"];
    let admits = |caller: &&str| {
        let side = world.ingress(&format!("{caller} -> shop/web on 80/tcp"));
        assert!(side == "admitted by shop/p[0]" || side == "denied by shop/p", "{side}");
        side.starts_with("admitted")
    };
    callers.into_iter().filter(admits).collect()
}

const ALL: [&str; 5] = ["shop/api", "dev/api", "dev/curl", "bare/curl", "198.51.100.7"];
const ALL_PODS: [&str; 4] = ["shop/api", "dev/api", "dev/curl", "bare/curl"];

#[test]
fn absent_and_empty_from_admit_anyone_external_ones_included() {
    assert_eq!(admitted(&shop(Value::Null)), ALL);
    assert_eq!(admitted(&shop(json!([]))), ALL);
}

#[test]
fn a_pod_selector_alone_means_the_policys_own_namespace() {
    assert_eq!(admitted(&shop(json!([{"podSelector": {}}]))), ["shop/api"]);
    assert_eq!(admitted(&shop(json!([{"podSelector": labelled("app=api")}]))), ["shop/api"]);
}

#[test]
fn a_namespace_selector_alone_means_all_pods_of_those_namespaces() {
    let dev = json!([{"namespaceSelector": labelled("team=dev")}]);
    assert_eq!(admitted(&shop(dev)), ["dev/api", "dev/curl"]);
}

#[test]
fn an_empty_namespace_selector_is_every_pod_and_no_external_address() {
    assert_eq!(admitted(&shop(json!([{"namespaceSelector": {}}]))), ALL_PODS);
}

#[test]
fn both_selectors_in_one_entry_are_anded_and_in_two_entries_ored() {
    let dev = labelled("team=dev");
    let api = labelled("app=api");
    let both = json!([{"namespaceSelector": dev, "podSelector": api}]);
    assert_eq!(admitted(&shop(both)), ["dev/api"]);
    let either = json!([{"namespaceSelector": dev}, {"podSelector": api}]);
    assert_eq!(admitted(&shop(either)), ["shop/api", "dev/api", "dev/curl"]);
}

#[test]
fn not_in_and_does_not_exist_match_namespaces_without_the_label() {
    let not_in = json!({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["dev"]}]});
    assert_eq!(admitted(&shop(json!([{"namespaceSelector": not_in}]))), ["shop/api", "bare/curl"]);
    let absent = json!({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]});
    assert_eq!(admitted(&shop(json!([{"namespaceSelector": absent}]))), ["bare/curl"]);
    let present = json!({"matchExpressions": [{"key": "team", "operator": "Exists"}]});
    let with_team = ["shop/api", "dev/api", "dev/curl"];
    assert_eq!(admitted(&shop(json!([{"namespaceSelector": present}]))), with_team);
}

#[test]
fn match_labels_and_expressions_are_anded() {
    let selector = json!({
        "matchLabels": {"app": "api"},
        "matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["api"]}],
    });
    let nobody: [&str; 0] = [];
    assert_eq!(admitted(&shop(json!([{"namespaceSelector": {}, "podSelector": selector}]))), nobody);
}

#[test]
fn the_name_label_of_a_namespace_is_implied() {
    let by_name = json!([{"namespaceSelector": labelled("kubernetes.io/metadata.name=dev")}]);
    assert_eq!(admitted(&shop(by_name)), ["dev/api", "dev/curl"]);
}

#[test]
fn a_block_matches_pods_and_external_addresses_alike() {
    assert_eq!(admitted(&shop(json!([{"ipBlock": {"cidr": "0.0.0.0/0"}}]))), ALL);
    assert_eq!(admitted(&shop(json!([{"ipBlock": {"cidr": "198.51.100.0/24"}}]))), ["198.51.100.7"]);
    assert_eq!(admitted(&shop(json!([{"ipBlock": {"cidr": "10.0.1.0/24"}}]))), ["dev/api", "dev/curl"]);
}

#[test]
fn an_exception_takes_away_from_its_own_block_only() {
    let hole = json!({"cidr": "10.0.0.0/8", "except": ["10.0.1.0/24"]});
    assert_eq!(admitted(&shop(json!([{"ipBlock": hole}]))), ["shop/api", "bare/curl"]);
    let filled = json!([{"ipBlock": hole}, {"ipBlock": {"cidr": "10.0.1.3/32"}}]);
    assert_eq!(admitted(&shop(filled)), ["shop/api", "dev/curl", "bare/curl"]);
    let nested = json!([{"ipBlock": {"cidr": "10.0.0.0/16", "except": ["10.0.0.0/23"]}},
        {"ipBlock": {"cidr": "10.0.1.0/24", "except": ["10.0.1.2/32"]}}]);
    assert_eq!(admitted(&shop(nested)), ["dev/curl", "bare/curl"]);
}

#[test]
fn sloppy_blocks_are_masked_and_read_as_decimal() {
    assert_eq!(admitted(&shop(json!([{"ipBlock": {"cidr": "10.0.1.99/24"}}]))), ["dev/api", "dev/curl"]);
    assert_eq!(
        admitted(&shop(json!([{"ipBlock": {"cidr": "010.000.001.000/24"}}]))),
        ["dev/api", "dev/curl"]
    );
}

#[test]
fn families_never_mix() {
    let dual = |block: Value| {
        world()
            .pod(pod("shop/web").ip("10.0.0.1").ip("fd00::1"))
            .pod(pod("dev/curl").ip("10.0.0.2").ip("fd00::2"))
            .policy("shop/p", json!({"ingress": [{"from": [{"ipBlock": block}]}]}))
    };
    let (v4, v6) = ("10.0.0.2 -> 10.0.0.1 on 80/tcp", "fd00::2 -> fd00::1 on 80/tcp");

    let all_v4 = dual(json!({"cidr": "0.0.0.0/0"}));
    assert_eq!(all_v4.ingress(v4), "admitted by shop/p[0]");
    assert_eq!(all_v4.ingress(v6), "denied by shop/p");

    let all_v6 = dual(json!({"cidr": "::/0"}));
    assert_eq!(all_v6.ingress(v4), "denied by shop/p");
    assert_eq!(all_v6.ingress(v6), "admitted by shop/p[0]");

    let hole = dual(json!({"cidr": "fd00::/8", "except": ["fd00::2/128"]}));
    assert_eq!(hole.ingress(v6), "denied by shop/p");
    assert_eq!(hole.ingress("fd00::9 -> fd00::1 on 80/tcp"), "admitted by shop/p[0]");
}

#[test]
fn selectors_match_a_pod_by_any_of_its_addresses() {
    let world = world()
        .namespace("shop", "")
        .pod(pod("shop/web").ip("10.0.0.1").ip("fd00::1").label("app=web"))
        .pod(pod("shop/api").ip("10.0.0.2").ip("fd00::2").label("app=api"))
        .policy(
            "shop/p",
            json!({"podSelector": labelled("app=web"),
                "ingress": [{"from": [{"podSelector": labelled("app=api")}]}]}),
        );
    assert_eq!(world.ingress("10.0.0.2 -> 10.0.0.1 on 80/tcp"), "admitted by shop/p[0]");
    assert_eq!(world.ingress("fd00::2 -> fd00::1 on 80/tcp"), "admitted by shop/p[0]");
}

#[test]
fn a_relabel_changes_the_answer_at_once() {
    let by_team = json!([{"namespaceSelector": labelled("team=dev")}]);
    let world = shop(by_team);
    assert_eq!(admitted(&world), ["dev/api", "dev/curl"]);
    let relabelled = world.namespace("dev", "team=gone").namespace("bare", "team=dev");
    assert_eq!(admitted(&relabelled), ["bare/curl"]);
}

#[test]
fn egress_peers_are_the_destination() {
    let world = shop(json!([])).policy(
        "dev/out",
        json!({"policyTypes": ["Egress"], "egress": [{"to": [{"namespaceSelector": labelled("team=shop")}]}]}),
    );
    assert_eq!(world.egress("dev/curl -> shop/web on 80/tcp"), "admitted by dev/out[0]");
    assert_eq!(world.egress("dev/curl -> bare/curl on 80/tcp"), "denied by dev/out");
    assert_eq!(world.egress("dev/curl -> 198.51.100.7 on 80/tcp"), "denied by dev/out");
}
