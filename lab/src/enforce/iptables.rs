//! Enforcement by iptables, as the input of `iptables-restore --noflush`: pure text.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::cut::{Cut, Direction, Traffic};
use super::{Backend, Target};
use crate::spec::Protocol;

/// The restore program of a family.
pub(crate) fn program(backend: Backend, v4: bool) -> &'static str {
    match (backend, v4) {
        (Backend::Legacy, true) => "iptables-legacy-restore",
        (Backend::Legacy, false) => "ip6tables-legacy-restore",
        (Backend::Nft, true) => "iptables-nft-restore",
        (Backend::Nft, false) => "ip6tables-nft-restore",
    }
}

/// The jump of a target.
pub(crate) fn jump(target: Target) -> &'static str {
    match target {
        Target::Drop => "DROP",
        Target::Reject => "REJECT",
        Target::TcpReset => "REJECT --reject-with tcp-reset",
    }
}

/// The jump to a queue.
pub(crate) fn jump_to_queue(number: u16) -> String {
    format!("NFQUEUE --queue-num {number}")
}

/// The rules of one family.
pub(crate) fn script(cut: &Cut<'_>, v4: bool, jump: &str) -> String {
    let mut script = String::from("*filter\n");
    for (address, traffic) in cut.packets().filter(|(address, _)| address.is_ipv4() == v4) {
        let matched = matched(cut.direction, address, traffic);
        writeln!(script, "-A FORWARD {matched} -j {jump}").expect("a string takes any text");
    }
    script.push_str("COMMIT\n");
    script
}

fn matched(direction: Direction, address: IpAddr, (protocol, port): Traffic) -> String {
    let end = match direction {
        Direction::Egress => "-s",
        Direction::Ingress => "-d",
    };
    let what = match (protocol, address.is_ipv4()) {
        (Protocol::Icmp, true) => "-p icmp --icmp-type echo-request".to_owned(),
        (Protocol::Icmp, false) => "-p ipv6-icmp --icmpv6-type echo-request".to_owned(),
        (other, _) => format!("-p {} --dport {port}", other.keyword()),
    };
    format!("{end} {address} {what}")
}

#[cfg(test)]
mod tests {
    use super::super::cut::tests::with_cut;
    use super::*;

    #[test]
    fn a_script_holds_the_rules_of_its_family_only() {
        let text = with_cut(Direction::Ingress, |cut| script(cut, false, jump(Target::TcpReset)));
        assert_eq!(
            text,
            "*filter\n\
             -A FORWARD -d fd00::2 -p tcp --dport 8080 -j REJECT --reject-with tcp-reset\n\
             -A FORWARD -d fd00::2 -p ipv6-icmp --icmpv6-type echo-request -j REJECT --reject-with tcp-reset\n\
             COMMIT\n"
        );
    }
}
