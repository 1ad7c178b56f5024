//! Places in the kernel where packets are dropped: from a code address to the part of the kernel.
//!
//! [`Places`] reads the symbols, once for each new address; [`class`] is pure. Both the reason and the
//! function have a say: where the reason names the part itself, the function tells nothing new.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead as _, BufReader},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

/// Parts of the kernel by the drop reasons that are theirs alone; a trailing `*` stands for any rest.
const BY_REASON: &[(&str, &str)] = &[
    ("NETFILTER_DROP", "netfilter"),
    ("TC_INGRESS", "tc"),
    ("TC_EGRESS", "tc"),
    ("XDP", "xdp"),
    ("BPF_CGROUP_EGRESS", "cgroup"),
    ("QDISC_DROP", "qdisc"),
    ("NEIGH_*", "neighbour"),
    ("IP_INNOROUTES", "route"),
    ("IP_OUTNOROUTES", "route"),
    ("IP_RPFILTER", "route"),
    ("OVS_*", "openvswitch"),
    ("openvswitch-*", "openvswitch"),
];

/// Parts of the kernel by functions. The first that fits counts, so the special ones stand first.
const BY_FUNCTION: &[(&str, &str)] = &[
    ("nfqnl_*", "nfqueue"),
    ("nf_queue*", "nfqueue"),
    ("__nf_queue*", "nfqueue"),
    ("nf_reinject*", "nfqueue"),
    ("nf_*", "netfilter"),
    ("nft_*", "netfilter"),
    ("ipt_*", "netfilter"),
    ("ip6t_*", "netfilter"),
    ("ebt_*", "netfilter"),
    ("br_nf_*", "netfilter"),
    ("veth_xdp_*", "xdp"),
    ("do_xdp_generic", "xdp"),
    ("netif_receive_generic_xdp", "xdp"),
    ("bpf_prog_run_generic_xdp", "xdp"),
    ("netkit_*", "netkit"),
    ("ovs_*", "openvswitch"),
    ("br_*", "bridge"),
    ("neigh_*", "neighbour"),
    ("__neigh_*", "neighbour"),
    ("arp_*", "neighbour"),
    ("ndisc_*", "neighbour"),
    ("ip_error", "route"),
    ("ip6_pkt_*", "route"),
    ("dst_discard*", "route"),
    ("ip_rcv_finish*", "route"),
    ("ip6_rcv_finish*", "route"),
    ("ip_forward*", "route"),
    ("ip6_forward*", "route"),
    ("ip_route_*", "route"),
    ("ip6_route_*", "route"),
    ("tcp_*", "socket"),
    ("udp_*", "socket"),
    ("udpv6_*", "socket"),
    ("__udp*", "socket"),
    ("raw_*", "socket"),
    ("rawv6_*", "socket"),
    ("sock_*", "socket"),
    ("sk_*", "socket"),
    ("__sk_*", "socket"),
    ("ping_*", "socket"),
    ("sctp_*", "socket"),
];

/// Functions that free copies and what had arrived already: newer kernels have reasons for that, which the probe
/// leaves out.
const NO_DROPS: &[&str] =
    &["packet_rcv", "tpacket_rcv", "skb_queue_purge", "inet_sock_destruct", "sk_stream_kill_queues"];

/// Addresses that are remembered; a kernel has a few hundred places that drop.
const CAPACITY: usize = 4096;

/// The part of the kernel that dropped a packet for this reason in this function; the function itself
/// where it is of no known part.
pub fn class(reason: &str, function: Option<&str>) -> Option<String> {
    let of_reason = find(BY_REASON, reason).map(str::to_owned);
    let of_function = || function.map(|function| find(BY_FUNCTION, function).unwrap_or(function).to_owned());
    of_reason.or_else(of_function)
}

/// Whether what this function frees is no drop of anybody's traffic.
pub fn is_no_drop(function: Option<&str>) -> bool {
    function.is_some_and(|function| NO_DROPS.contains(&function))
}

fn find(classes: &[(&'static str, &'static str)], name: &str) -> Option<&'static str> {
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    };
    classes.iter().find(|(pattern, _)| fits(pattern)).map(|(_, class)| *class)
}

/// The functions that addresses lie in.
#[derive(Clone, Debug, Default)]
pub struct Places {
    symbols: PathBuf,
    functions: HashMap<u64, Option<String>>,
}

impl Places {
    /// Where the kernel lists its symbols.
    pub const PATH: &str = "/proc/kallsyms";

    /// Places by the symbols of this file.
    pub fn new(symbols: &Path) -> Self {
        Self { symbols: symbols.to_owned(), functions: HashMap::new() }
    }

    /// Whether the kernel shows the addresses of its symbols.
    pub fn are_shown(&self) -> bool {
        let mut is_shown = false;
        self.each_symbol(|_, _| {
            is_shown = true;
            ControlFlow::Break(())
        });
        is_shown
    }

    /// Looks up the function that this address lies in, unless that was done before. Symbols are read
    /// anew each time: a module may have been loaded since.
    pub fn learn(&mut self, location: u64) {
        if location != 0 && self.functions.len() < CAPACITY && !self.functions.contains_key(&location) {
            self.functions.insert(location, self.function_at(location));
        }
    }

    /// The function that an address lies in, when that was learned.
    pub fn function(&self, location: u64) -> Option<&str> {
        self.functions.get(&location)?.as_deref()
    }

    /// The last code symbol that does not lie behind an address.
    fn function_at(&self, location: u64) -> Option<String> {
        let mut best = None::<(u64, String)>;
        self.each_symbol(|address, name| {
            if address <= location && best.as_ref().is_none_or(|(known, _)| address > *known) {
                best = Some((address, name.to_owned()));
            }
            ControlFlow::Continue(())
        });
        best.map(|(_, name)| name)
    }

    /// Looks at the code symbols until told to stop; at none where they cannot be read.
    fn each_symbol(&self, mut look: impl FnMut(u64, &str) -> ControlFlow<()>) {
        let Ok(file) = File::open(&self.symbols) else { return };
        let (mut lines, mut line) = (BufReader::new(file), String::new());
        while lines.read_line(&mut line).is_ok_and(|read| read > 0) {
            if let Some((address, name)) = code_symbol(&line)
                && look(address, name).is_break()
            {
                return;
            }
            line.clear();
        }
    }
}

/// Address and name of a line of the symbol list, when it is code and its address is shown. What the
/// compiler made of a function bears its name with a suffix.
fn code_symbol(line: &str) -> Option<(u64, &str)> {
    let mut words = line.split_ascii_whitespace();
    let (address, kind, name) = (words.next()?, words.next()?, words.next()?);
    let address = u64::from_str_radix(address, 16).ok().filter(|address| *address != 0)?;
    let name = name.split('.').next().filter(|name| !name.is_empty())?;
    matches!(kind, "t" | "T" | "w" | "W").then_some((address, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYMBOLS: &str = "ffffffff81000000 T _text\nffffffff81000200 t nft_do_chain\n\
                           ffffffff81000210 d some_data\nffffffff81000100 T ip_error\n\
                           ffffffffc0000000 t nfqnl_reinject.isra.0\t[nfnetlink_queue]\n";

    fn file(text: &str, name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("portolan-symbols-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn an_address_lies_in_the_function_that_begins_before_it() {
        let path = file(SYMBOLS, "shown");
        let mut places = Places::new(&path);
        assert!(places.are_shown());
        let cases = [
            (0xffff_ffff_8100_0100, Some("ip_error")),
            (0xffff_ffff_8100_01ff, Some("ip_error")),
            (0xffff_ffff_8100_0215, Some("nft_do_chain")),
            (0xffff_ffff_c000_0040, Some("nfqnl_reinject")),
            (0x1000, None),
        ];
        for (location, expected) in cases {
            places.learn(location);
            assert_eq!(places.function(location), expected, "{location:#x}");
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn hidden_addresses_name_nothing() {
        let path = file("0000000000000000 T _text\n0000000000000000 t nft_do_chain\n", "hidden");
        let mut places = Places::new(&path);
        assert!(!places.are_shown());
        places.learn(0xffff_ffff_8100_0215);
        assert_eq!(places.function(0xffff_ffff_8100_0215), None);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn the_reason_says_the_part_where_it_can_and_else_the_function_does() {
        let cases = [
            ("NETFILTER_DROP", Some("nf_hook_slow"), Some("netfilter")),
            ("NETFILTER_DROP", None, Some("netfilter")),
            ("NOT_SPECIFIED", Some("nfqnl_reinject"), Some("nfqueue")),
            ("NOT_SPECIFIED", Some("nf_queue"), Some("nfqueue")),
            ("NOT_SPECIFIED", Some("veth_xdp_rcv_skb"), Some("xdp")),
            ("NOT_SPECIFIED", Some("ip_error"), Some("route")),
            ("NOT_SPECIFIED", Some("ip6_pkt_drop"), Some("route")),
            ("NEIGH_FAILED", Some("neigh_invalidate"), Some("neighbour")),
            ("TCP_LISTEN_OVERFLOW", Some("tcp_conn_request"), Some("socket")),
            ("TC_EGRESS", Some("__dev_queue_xmit"), Some("tc")),
            ("UNHANDLED_PROTO", Some("__netif_receive_skb_core"), Some("__netif_receive_skb_core")),
            ("NOT_SPECIFIED", None, None),
        ];
        for (reason, function, expected) in cases {
            assert_eq!(class(reason, function).as_deref(), expected, "{reason} in {function:?}");
        }
    }

    #[test]
    fn what_frees_a_sniffers_copies_drops_nothing() {
        for function in ["packet_rcv", "tpacket_rcv", "skb_queue_purge"] {
            assert!(is_no_drop(Some(function)), "{function}");
        }
        for function in [Some("nft_do_chain"), Some("ip_error"), None] {
            assert!(!is_no_drop(function), "{function:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_a_symbol_or_nothing(line in ".{0,80}") {
            if let Some((address, name)) = code_symbol(&line) {
                proptest::prop_assert!(address != 0 && !name.is_empty());
            }
        }
    }
}
