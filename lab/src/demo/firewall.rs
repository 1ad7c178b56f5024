//! The demo's firewall, written by hand: who admits whom, by name and port. It never reads a policy, so what it does
//! is a second opinion on what the policies mean. The namespace `legacy` is left out on purpose.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use crate::error::Result;
use crate::lab::Lab;

/// Whom a rule admits.
enum Peer {
    Pods(&'static [&'static str]),
    Networks(&'static [&'static str]),
    Anyone,
}

/// What a guard does with the rest.
#[derive(Clone, Copy)]
enum Refusal {
    Drop,
    /// A reset for TCP, "administratively prohibited" otherwise.
    Reject,
}

/// Everything that one side of one pod lets through.
struct Guard {
    pods: &'static [&'static str],
    egress: bool,
    admits: Vec<(Peer, &'static str)>,
    refusal: Refusal,
}

/// Loads into each node the guards of the pods that live there, as a network plugin would.
pub(super) fn load(lab: &Lab) -> Result<()> {
    let guards = guards();
    for node in ["n1", "n2"] {
        lab.node_nft(node, &ruleset(lab, node, &guards)?)?;
    }
    Ok(())
}

fn guards() -> Vec<Guard> {
    const FRONTENDS: &[&str] = &["shop/frontend-a", "shop/frontend-b"];
    let ingress = |pods, admits| Guard { pods, egress: false, admits, refusal: Refusal::Drop };
    let egress = |pods, admits| Guard { pods, egress: true, admits, refusal: Refusal::Drop };
    let names = || (Peer::Pods(&["kube-system/coredns-a", "kube-system/coredns-b"]), "udp dport 53");
    vec![
        egress(&["shop/client-a"], vec![names(), (Peer::Pods(FRONTENDS), "tcp dport 8080")]),
        egress(FRONTENDS, vec![names(), (Peer::Pods(&["shop/api-a"]), "tcp dport 8080")]),
        egress(&["shop/api-a"], vec![names(), (Peer::Pods(&["shop/database-0"]), "tcp dport 5432")]),
        egress(&["shop/database-0"], vec![names()]),
        ingress(&["shop/client-a"], vec![]),
        ingress(FRONTENDS, vec![(Peer::Pods(&["shop/client-a"]), "tcp dport 8080")]),
        ingress(&["shop/api-a"], vec![(Peer::Pods(FRONTENDS), "tcp dport 8080")]),
        ingress(&["shop/database-0"], vec![(Peer::Pods(&["shop/api-a"]), "tcp dport 5432")]),
        ingress(&["hello/frontend"], vec![(Peer::Pods(&["hello/backend"]), "tcp dport 80")]),
        Guard {
            pods: &["vault/server", "vault/agent"],
            egress: false,
            admits: vec![(Peer::Pods(&["vault/server", "vault/agent"]), "")],
            refusal: Refusal::Reject,
        },
        ingress(&["selectors/both"], vec![(Peer::Pods(&["monitoring/scraper"]), "")]),
        ingress(
            &["selectors/either"],
            vec![(Peer::Pods(&["monitoring/scraper", "monitoring/stranger", "selectors/scraper"]), "")],
        ),
        ingress(&["ranges/app"], vec![(Peer::Anyone, "tcp dport 32000-32768")]),
        ingress(
            &["edge/gateway"],
            vec![(
                Peer::Networks(&["203.0.113.0/26", "203.0.113.128/25", "fd00:203:113::/80"]),
                "tcp dport 443",
            )],
        ),
    ]
}

/// The rules of one node. No mail leaves the cluster either: a rule of the host, no policy says so.
fn ruleset(lab: &Lab, node: &str, guards: &[Guard]) -> Result<String> {
    let (mut chains, mut jumps) = (String::new(), String::new());
    for (number, guard) in guards.iter().enumerate() {
        let side = if guard.egress { "saddr" } else { "daddr" };
        let mut local = Vec::new();
        for pod in guard.pods {
            let info = lab.pod_info(pod)?;
            if info.node == node {
                local.extend(info.addresses);
            }
        }
        for (keyword, addresses) in by_family(local.iter().map(IpAddr::to_string)) {
            line(&mut jumps, &format!("{keyword} {side} {{ {addresses} }} jump guard{number}"));
        }
        line(&mut chains, &format!("chain guard{number} {{\n{}}}", body(lab, guard)?));
    }
    Ok(format!(
        "table inet demo\ndelete table inet demo\ntable inet demo {{\n{chains}chain forward {{\n\
         type filter hook forward priority 0; policy accept;\nct state established,related accept\n\
         tcp dport 25 drop comment \"no mail leaves the cluster\"\n{jumps}}}\n}}\n"
    ))
}

fn body(lab: &Lab, guard: &Guard) -> Result<String> {
    let side = if guard.egress { "daddr" } else { "saddr" };
    let mut rules = String::new();
    for (peer, port) in &guard.admits {
        let peers: Vec<String> = match peer {
            Peer::Anyone => {
                line(&mut rules, &format!("{port} return"));
                continue;
            }
            Peer::Networks(networks) => networks.iter().map(ToString::to_string).collect(),
            Peer::Pods(pods) => {
                let infos: Result<Vec<_>> = pods.iter().map(|pod| lab.pod_info(pod)).collect();
                infos?.iter().flat_map(|info| info.addresses.iter().map(IpAddr::to_string)).collect()
            }
        };
        for (keyword, addresses) in by_family(peers.into_iter()) {
            line(&mut rules, &format!("{keyword} {side} {{ {addresses} }} {port} return"));
        }
    }
    match guard.refusal {
        Refusal::Drop => line(&mut rules, "drop"),
        Refusal::Reject => {
            line(&mut rules, "meta l4proto tcp reject with tcp reset");
            line(&mut rules, "reject with icmpx admin-prohibited");
        }
    }
    Ok(rules)
}

/// Addresses as nftables sets, one per family that occurs.
fn by_family(addresses: impl Iterator<Item = String>) -> Vec<(&'static str, String)> {
    let (v6, v4): (BTreeSet<String>, BTreeSet<String>) = addresses.partition(|address| address.contains(':'));
    [("ip", v4), ("ip6", v6)]
        .into_iter()
        .filter(|(_, set)| !set.is_empty())
        .map(|(keyword, set)| (keyword, set.into_iter().collect::<Vec<_>>().join(", ")))
        .collect()
}

fn line(text: &mut String, rule: &str) {
    writeln!(text, "{rule}").expect("a string takes any text");
}
