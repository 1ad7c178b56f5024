//! The wiring of a lab as `ip -batch` scripts: pure text, no I/O.
//!
//! ```text
//!   pod eth0 ── cali… [node] eth0 ── up1 [core] up2 ── eth0 [node] cali… ── eth0 pod
//!                                          │
//!                                         ext ── eth0 [external host]
//! ```
//! Pods are reached as Calico does it: host routes to the veth, a link-local next hop answered by proxy ARP, no
//! bridge, unless the node is a bridged one. A routed node drops what is addressed to a pod of its own network that does not exist (blackhole route).

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::net::addresses::{self, CORE_V4, CORE_V6, EXTERNAL_NETWORKS, EXTERNAL_V4, EXTERNAL_V6, Pair};

/// The address of every host-side veth, as with Calico, and the link-local IPv6 address that follows from it.
const VETH_MAC: &str = "ee:ee:ee:ee:ee:ee";
const VETH_LINK_LOCAL: &str = "fe80::ecee:eeff:feee:eeee";
const POD_GATEWAY: &str = "169.254.1.1";
const BRIDGE: &str = "cni0";
/// Interface numbers of the core's side must differ from the other side's number: the kernel takes a veth whose
/// two ends have the same number for a plain device and may delay its carrier by a second.
const CORE_INDEX: u32 = 1000;

/// Kernel settings of every namespace: quiet, fast, and without rate limits that would hide a refusal.
pub(crate) const SYSCTLS_ALL: &[(&str, &str)] = &[
    ("ipv6/conf/all/disable_ipv6", "0"),
    ("ipv6/conf/default/disable_ipv6", "0"),
    ("ipv6/conf/all/accept_dad", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/all/accept_ra", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/default/router_solicitations", "0"),
    ("ipv4/icmp_ratelimit", "0"),
    ("ipv4/icmp_msgs_per_sec", "1000000"),
    ("ipv4/icmp_msgs_burst", "1000000"),
    ("ipv6/icmp/ratelimit", "0"),
    ("ipv4/ping_group_range", "0 2147483647"),
];

/// Kernel settings of a namespace that forwards.
pub(crate) const SYSCTLS_ROUTER: &[(&str, &str)] = &[
    ("ipv4/ip_forward", "1"),
    ("ipv6/conf/all/forwarding", "1"),
    ("ipv6/conf/default/forwarding", "1"),
    // Link-local addresses are given by hand, at once.
    ("ipv6/conf/default/addr_gen_mode", "1"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
];

/// Further settings of a node, once its uplink exists: every later device answers ARP for the pods' next hop.
pub(crate) const SYSCTLS_NODE: &[(&str, &str)] = &[("ipv4/conf/default/proxy_arp", "1")];

/// The setting that delays those answers by up to 0.8 s; it exists per device only.
pub(crate) fn proxy_delay(veth: &str) -> String {
    format!("ipv4/neigh/{veth}/proxy_delay")
}

/// The core alone.
pub(crate) fn core() -> String {
    format!("link set lo up\naddr add {CORE_V4}/32 dev lo\naddr add {CORE_V6}/128 dev lo\n")
}

/// The outside host's link, on the core's side.
pub(crate) fn external_on_core(netns: &str) -> String {
    let mut script = format!(
        "link add ext index {CORE_INDEX} type veth peer name eth0 netns {netns}\nlink set ext up\n\
         addr add fe80::1/64 dev ext nodad\n\
         route add {EXTERNAL_V4} dev ext\nroute add {EXTERNAL_V6} dev ext\n"
    );
    for network in EXTERNAL_NETWORKS {
        let hop = if network.contains(':') { "fe80::2".to_owned() } else { EXTERNAL_V4.to_string() };
        writeln!(script, "route add {network} via {hop} dev ext").expect("a string takes any text");
    }
    script
}

/// The outside host itself.
pub(crate) fn external() -> String {
    format!(
        "link set lo up\nlink set eth0 up\naddr add {EXTERNAL_V4}/32 dev eth0\naddr add {EXTERNAL_V6}/128 dev eth0 nodad\n\
         addr add fe80::2/64 dev eth0 nodad\n\
         route add {CORE_V4} dev eth0\nroute add default via {CORE_V4} dev eth0\nroute add default via fe80::1 dev eth0\n"
    )
}

/// The core's side of a node's uplink.
pub(crate) fn uplink(index: u8) -> String {
    format!("up{index}")
}

/// A node's uplink and the routes to it, on the core's side.
pub(crate) fn node_on_core(index: u8, netns: &str, node: Pair, pod_networks: &[String; 2]) -> String {
    let device = uplink(index);
    let number = CORE_INDEX + u32::from(index);
    let Pair { v4, v6 } = node;
    let [pods_v4, pods_v6] = pod_networks;
    format!(
        "link add {device} index {number} type veth peer name eth0 netns {netns}\nlink set {device} up\n\
         addr add fe80::1/64 dev {device} nodad\n\
         route add {v4} dev {device}\nroute add {v6} dev {device}\n\
         route add {pods_v4} via {v4} dev {device}\nroute add {pods_v6} via fe80::2 dev {device}\n"
    )
}

/// How the pods of a node are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wiring {
    /// By a route to each.
    Routed,
    /// Over a bridge.
    Bridged,
}

/// What a node does with its pod networks as a whole.
pub(crate) fn pods_of(wiring: Wiring, index: u8) -> String {
    let [v4, v6] = addresses::pod_networks(index);
    match wiring {
        Wiring::Routed => format!("route add blackhole {v4}\nroute add blackhole {v6}\n"),
        Wiring::Bridged => {
            let gateway = addresses::pod_gateway(index);
            format!(
                "link add {BRIDGE} type bridge mcast_snooping 0\nlink set {BRIDGE} up\n\
                 addr add {}/24 dev {BRIDGE}\naddr add {}/64 dev {BRIDGE} nodad\n\
                 addr add fe80::1/64 dev {BRIDGE} nodad\n",
                gateway.v4, gateway.v6
            )
        }
    }
}

/// A node itself.
pub(crate) fn node(node: Pair) -> String {
    let Pair { v4, v6 } = node;
    format!(
        "link set lo up\nlink set eth0 up\naddr add {v4}/32 dev eth0\naddr add {v6}/128 dev eth0 nodad\n\
         addr add fe80::2/64 dev eth0 nodad\n\
         route add {CORE_V4} dev eth0\nroute add default via {CORE_V4} dev eth0\nroute add default via fe80::1 dev eth0\n"
    )
}

/// A pod's veth, on the node's side.
pub(crate) fn pod_on_node(veth: &str, netns: &str, addresses: &[IpAddr]) -> String {
    let mut script = format!(
        "link add {veth} address {VETH_MAC} type veth peer name eth0 netns {netns}\nlink set {veth} up\n"
    );
    script.push_str(&host_side(veth, addresses));
    script
}

/// A pod's veth on a bridged node. It may send back to where it came from: a pod reaches itself through a service.
pub(crate) fn pod_on_bridge(veth: &str, netns: &str) -> String {
    format!(
        "link add {veth} type veth peer name eth0 netns {netns}\n\
         link set {veth} master {BRIDGE}\nlink set {veth} type bridge_slave hairpin on\nlink set {veth} up\n"
    )
}

/// A pod on a bridge.
pub(crate) fn bridged_pod(addresses: &[IpAddr], gateway: Pair) -> String {
    let mut script = String::from("link set lo up\nlink set eth0 up\n");
    for address in addresses {
        let lines = match address {
            IpAddr::V4(v4) => {
                format!("addr add {v4}/24 dev eth0\nroute add default via {}\n", gateway.v4)
            }
            IpAddr::V6(v6) => {
                format!("addr add {v6}/64 dev eth0 nodad\nroute add default via {}\n", gateway.v6)
            }
        };
        script.push_str(&lines);
    }
    script
}

/// What the node's side of a veth holds once it is up: the pods' next hop, and the routes to the pod.
pub(crate) fn host_side(veth: &str, addresses: &[IpAddr]) -> String {
    let mut script = format!("addr replace {VETH_LINK_LOCAL}/64 dev {veth} nodad\n");
    for address in addresses {
        writeln!(script, "route replace {address} dev {veth}").expect("a string takes any text");
    }
    script
}

/// A pod itself.
pub(crate) fn pod(addresses: &[IpAddr]) -> String {
    let mut script = String::from("link set lo up\nlink set eth0 up\n");
    for address in addresses {
        let lines = match address {
            IpAddr::V4(v4) => format!(
                "addr add {v4}/32 dev eth0\nroute add {POD_GATEWAY} dev eth0\nroute add default via {POD_GATEWAY} dev eth0\n"
            ),
            IpAddr::V6(v6) => {
                format!(
                    "addr add {v6}/128 dev eth0 nodad\nroute add default via {VETH_LINK_LOCAL} dev eth0\n"
                )
            }
        };
        script.push_str(&lines);
    }
    script
}

/// A route to one pod address that lies outside its node's own network.
pub(crate) fn stray_route(address: IpAddr, node: Pair, device: &str) -> String {
    match address {
        IpAddr::V4(v4) => format!("route replace {v4} via {} dev {device}\n", node.v4),
        IpAddr::V6(v6) => format!("route replace {v6} via fe80::2 dev {device}\n"),
    }
}

/// The detour through the core for an address of a node's own network that lives on another node.
pub(crate) fn detour(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => format!("route replace {v4} via {CORE_V4} dev eth0\n"),
        IpAddr::V6(v6) => format!("route replace {v6} via fe80::1 dev eth0\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_with_one_family_gets_only_that_one() {
        let script = pod(&["10.244.1.2".parse().unwrap()]);
        assert!(script.contains("10.244.1.2/32"), "{script}");
        assert!(!script.contains("fe80"), "{script}");
    }

    #[test]
    fn a_node_drops_what_is_addressed_to_a_pod_it_does_not_have() {
        let script = pods_of(Wiring::Routed, 3);
        assert!(script.contains("route add blackhole 10.244.3.0/24\n"), "{script}");
        assert!(script.contains("route add blackhole fd00:10:244:3::/64\n"), "{script}");
    }
}
