//! ClusterIPs and node ports as nftables rules, the way kube-proxy writes them: pure text, no I/O.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use crate::spec::Protocol;

/// One port of one service with all that stands behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frontend {
    pub(crate) protocol: Protocol,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) port: u16,
    pub(crate) node_port: Option<u16>,
    pub(crate) backends: Vec<SocketAddr>,
}

const TABLE: &str = "inet portolan_lab_services";

/// The whole ruleset of a node; loading it replaces the one before in a single transaction.
pub(crate) fn ruleset(frontends: &[Frontend]) -> String {
    let mut rules = Rules::default();
    for frontend in frontends {
        for address in &frontend.addresses {
            let family = Family::of(*address);
            let matched = format!("{} daddr {address}", family.keyword());
            rules.add(frontend, family, &matched, frontend.port);
        }
        for family in [Family::V4, Family::V6] {
            if let Some(port) = frontend.node_port {
                let nfproto = family.nfproto();
                let matched = format!("meta nfproto {nfproto} fib daddr type local");
                rules.add(frontend, family, &matched, port);
                // The answer must come back through the node that translated.
                rules.masquerades.insert(format!(
                    "meta nfproto {nfproto} meta l4proto {} ct status dnat ct original proto-dst {port} masquerade",
                    frontend.protocol.keyword()
                ));
            }
        }
    }
    rules.finish()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    fn keyword(self) -> &'static str {
        match self {
            Self::V4 => "ip",
            Self::V6 => "ip6",
        }
    }

    fn nfproto(self) -> &'static str {
        match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        }
    }
}

#[derive(Debug, Default)]
struct Rules {
    endpoints: String,
    translate: String,
    refuse: String,
    masquerades: BTreeSet<String>,
    count: usize,
}

impl Rules {
    fn add(&mut self, frontend: &Frontend, family: Family, matched: &str, port: u16) {
        let protocol = frontend.protocol.keyword();
        let backends: Vec<_> =
            frontend.backends.iter().filter(|backend| Family::of(backend.ip()) == family).collect();
        if backends.is_empty() {
            line(&mut self.refuse, &format!("{matched} {protocol} dport {port} reject"));
            return;
        }
        let mut choices = Vec::new();
        for (choice, backend) in backends.iter().enumerate() {
            let chain = format!("endpoint{}", self.count);
            self.count += 1;
            let keyword = family.keyword();
            line(
                &mut self.endpoints,
                &format!("chain {chain} {{ meta l4proto {protocol} dnat {keyword} to {backend}; }}"),
            );
            choices.push(format!("{choice} : goto {chain}"));
            let address = backend.ip();
            self.masquerades.insert(format!(
                "{keyword} saddr {address} {keyword} daddr {address} ct status dnat masquerade"
            ));
        }
        let choice = format!("numgen random mod {} vmap {{ {} }}", backends.len(), choices.join(", "));
        line(&mut self.translate, &format!("{matched} {protocol} dport {port} {choice}"));
    }

    fn finish(self) -> String {
        let Self { endpoints, translate, refuse, masquerades, .. } = self;
        let mut masquerade = String::new();
        for rule in &masquerades {
            line(&mut masquerade, rule);
        }
        // Declaring the table first makes its deletion succeed whether or not it was there.
        format!(
            "table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n{endpoints}\
             chain services {{\n{translate}}}\n\
             chain no_endpoints {{\n{refuse}}}\n\
             chain prerouting {{ type nat hook prerouting priority dstnat; jump services; }}\n\
             chain output {{ type nat hook output priority -100; jump services; }}\n\
             chain postrouting {{ type nat hook postrouting priority srcnat;\n{masquerade}}}\n\
             chain refuse_forward {{ type filter hook forward priority -10; jump no_endpoints; }}\n\
             chain refuse_output {{ type filter hook output priority -10; jump no_endpoints; }}\n}}\n"
        )
    }
}

fn line(text: &mut String, rule: &str) {
    writeln!(text, "{rule}").expect("a string takes any text");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web(backends: &[&str]) -> Frontend {
        Frontend {
            protocol: Protocol::Tcp,
            addresses: vec!["10.96.0.10".parse().unwrap(), "fd00:10:96::a".parse().unwrap()],
            port: 80,
            node_port: None,
            backends: backends.iter().map(|backend| backend.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn several_endpoints_share_a_service_at_random() {
        let rules = ruleset(&[web(&["10.244.1.2:8080", "10.244.2.2:8080"])]);
        assert!(
            rules.contains("ip daddr 10.96.0.10 tcp dport 80 numgen random mod 2 vmap { 0 : goto endpoint0, 1 : goto endpoint1 }"),
            "{rules}"
        );
        assert!(
            rules.contains("chain endpoint1 { meta l4proto tcp dnat ip to 10.244.2.2:8080; }"),
            "{rules}"
        );
    }

    #[test]
    fn a_family_without_endpoints_is_refused() {
        let rules = ruleset(&[web(&["10.244.1.2:8080"])]);
        assert!(rules.contains("ip6 daddr fd00:10:96::a tcp dport 80 reject"), "{rules}");
        assert!(!rules.contains("ip daddr 10.96.0.10 tcp dport 80 reject"), "{rules}");
    }

    #[test]
    fn an_ipv6_endpoint_is_written_with_brackets() {
        let rules = ruleset(&[web(&["[fd00:10:244:1::2]:8080"])]);
        assert!(rules.contains("dnat ip6 to [fd00:10:244:1::2]:8080"), "{rules}");
    }

    #[test]
    fn the_same_services_give_the_same_text() {
        let services = [web(&["10.244.1.2:8080", "[fd00:10:244:1::2]:8080"])];
        assert_eq!(ruleset(&services), ruleset(&services));
    }
}
