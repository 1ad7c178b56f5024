//! Enforcement by nftables, as rulesets: pure text.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::cut::{Cut, Direction, Traffic};
use super::{Mechanism, Reject};
use crate::spec::Protocol;

/// The ruleset of a mechanism in a table of its own; none for what is not nftables.
pub(crate) fn ruleset(mechanism: Mechanism, number: usize, cut: &Cut<'_>) -> Option<String> {
    let (family, hook, verdict) = match mechanism {
        Mechanism::NftDrop | Mechanism::NftAnswer => ("inet", "forward priority 10", "drop"),
        Mechanism::NftPolicy => ("inet", "forward priority 10", "goto fall"),
        Mechanism::NftRaw => ("inet", "prerouting priority -300", "drop"),
        Mechanism::NftReject(with) => ("inet", "forward priority 10", reject(with)),
        Mechanism::NftInPod => ("inet", in_pod_hook(cut.direction), "drop"),
        Mechanism::NftBridge => ("bridge", "forward priority 10", "drop"),
        _ => return None,
    };
    let matched = if mechanism == Mechanism::NftAnswer { answer } else { opening };
    let mut rules = String::new();
    for (address, traffic) in cut.packets() {
        let matched = matched(cut.direction, address, traffic);
        writeln!(rules, "{matched} {verdict}").expect("a string takes any text");
    }
    // A chain that is gone to and ends falls back to the policy of the chain before.
    let (policy, rest) = if verdict == "goto fall" { ("drop", "accept\n") } else { ("accept", "") };
    Some(format!(
        "table {family} enforced{number} {{\nchain fall {{\n}}\n\
         chain cut {{\ntype filter hook {hook}; policy {policy};\n{rules}{rest}}}\n}}\n"
    ))
}

fn in_pod_hook(direction: Direction) -> &'static str {
    match direction {
        Direction::Egress => "output priority 0",
        Direction::Ingress => "input priority 0",
    }
}

fn reject(with: Reject) -> &'static str {
    match with {
        Reject::TcpReset => "reject with tcp reset",
        Reject::AdminProhibited => "reject with icmpx admin-prohibited",
        Reject::PortUnreachable => "reject with icmpx port-unreachable",
        Reject::HostUnreachable => "reject with icmpx host-unreachable",
        Reject::NoRoute => "reject with icmpx no-route",
    }
}

fn opening(direction: Direction, address: IpAddr, traffic: Traffic) -> String {
    let end = match direction {
        Direction::Egress => "saddr",
        Direction::Ingress => "daddr",
    };
    matched(end, address, traffic, "dport", "echo-request")
}

fn answer(direction: Direction, address: IpAddr, traffic: Traffic) -> String {
    let end = match direction {
        Direction::Egress => "daddr",
        Direction::Ingress => "saddr",
    };
    matched(end, address, traffic, "sport", "echo-reply")
}

fn matched(end: &str, address: IpAddr, (protocol, number): Traffic, port: &str, echo: &str) -> String {
    let (family, icmp) = if address.is_ipv4() { ("ip", "icmp") } else { ("ip6", "icmpv6") };
    let what = match protocol {
        Protocol::Icmp => format!("{icmp} type {echo}"),
        other => format!("{} {port} {number}", other.keyword()),
    };
    format!("{family} {end} {address} {what}")
}

#[cfg(test)]
mod tests {
    use super::super::cut::tests::with_cut;
    use super::*;

    fn text(mechanism: Mechanism, direction: Direction) -> String {
        with_cut(direction, |cut| ruleset(mechanism, 3, cut)).unwrap()
    }

    #[test]
    fn both_families_of_the_pod_are_named() {
        let text = text(Mechanism::NftDrop, Direction::Egress);
        assert!(text.contains("ip saddr 10.244.1.2 tcp dport 8080 drop\n"), "{text}");
        assert!(text.contains("ip6 saddr fd00::2 icmpv6 type echo-request drop\n"), "{text}");
    }

    #[test]
    fn answers_are_matched_the_other_way_round() {
        let text = text(Mechanism::NftAnswer, Direction::Ingress);
        assert!(text.contains("ip saddr 10.244.1.2 tcp sport 8080 drop\n"), "{text}");
        assert!(text.contains("ip saddr 10.244.1.2 icmp type echo-reply drop\n"), "{text}");
    }

    #[test]
    fn a_policy_drops_only_what_goes_to_the_empty_chain() {
        let text = text(Mechanism::NftPolicy, Direction::Ingress);
        assert!(text.contains("policy drop;"), "{text}");
        assert!(text.ends_with("goto fall\naccept\n}\n}\n"), "{text}");
    }

    #[test]
    fn what_is_not_nftables_has_no_ruleset() {
        with_cut(Direction::Egress, |cut| assert_eq!(ruleset(Mechanism::Tc, 0, cut), None));
    }
}
