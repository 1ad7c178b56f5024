//! Which addresses a lab gives to what. They are the same in every lab: labs share no network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address of the core, where an API server and a collector listen.
pub const CORE_V4: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
/// The core's IPv6 address.
pub const CORE_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x10, 1, 0, 0, 0, 0, 1);
/// The first address of the host outside the cluster.
pub const EXTERNAL_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
/// The IPv6 address of the host outside the cluster.
pub const EXTERNAL_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x203, 0x113, 0, 0, 0, 0, 0x10);
/// All networks behind the core that are outside the cluster.
pub const EXTERNAL_NETWORKS: [&str; 4] =
    ["203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24", "fd00:203:113::/64"];
/// The largest number of nodes in a lab.
pub const MAX_NODES: u8 = 200;

/// An address of each family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// The IPv4 address.
    pub v4: Ipv4Addr,
    /// The IPv6 address.
    pub v6: Ipv6Addr,
}

impl Pair {
    /// Both, IPv4 first.
    pub fn both(self) -> [IpAddr; 2] {
        [self.v4.into(), self.v6.into()]
    }
}

/// The addresses of node number `index`, counted from 1.
pub(crate) fn node(index: u8) -> Pair {
    Pair {
        v4: Ipv4Addr::new(10, 1, 0, 10 + index),
        v6: Ipv6Addr::new(0xfd00, 0x10, 1, 0, 0, 0, 0, 0x10 + u16::from(index)),
    }
}

/// The pod networks of node number `index`, IPv4 first.
pub(crate) fn pod_networks(index: u8) -> [String; 2] {
    [format!("10.244.{index}.0/24"), format!("fd00:10:244:{index:x}::/64")]
}

/// Pod address number `offset` on node number `index`; none when the node's network is used up.
pub(crate) fn pod(index: u8, offset: u16) -> Option<Pair> {
    let host = u8::try_from(offset).ok().filter(|host| *host < 255)?;
    Some(Pair {
        v4: Ipv4Addr::new(10, 244, index, host),
        v6: Ipv6Addr::new(0xfd00, 0x10, 0x244, u16::from(index), 0, 0, 0, offset),
    })
}

/// The address of a bridged node on its pods' bridge.
pub(crate) fn pod_gateway(index: u8) -> Pair {
    Pair {
        v4: Ipv4Addr::new(10, 244, index, 1),
        v6: Ipv6Addr::new(0xfd00, 0x10, 0x244, u16::from(index), 0, 0, 0, 1),
    }
}

/// The node number in whose pod network an address lies.
pub(crate) fn pod_network_of(address: IpAddr) -> Option<u8> {
    match address {
        IpAddr::V4(v4) => match v4.octets() {
            [10, 244, index, _] => Some(index),
            _ => None,
        },
        IpAddr::V6(v6) => match v6.segments() {
            [0xfd00, 0x10, 0x244, index, ..] => u8::try_from(index).ok(),
            _ => None,
        },
    }
}

/// ClusterIP number `offset`, counted from 1.
pub(crate) fn service(offset: u16) -> Pair {
    let [high, low] = (offset + 9).to_be_bytes();
    Pair {
        v4: Ipv4Addr::new(10, 96, high, low),
        v6: Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, offset + 9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_address_leads_back_to_its_node() {
        let pair = pod(7, 12).unwrap();
        assert_eq!(pair.v4.to_string(), "10.244.7.12");
        assert_eq!(pair.v6.to_string(), "fd00:10:244:7::c");
        for address in pair.both() {
            assert_eq!(pod_network_of(address), Some(7));
        }
        assert_eq!(pod_network_of(node(7).v4.into()), None);
        assert_eq!(pod_network_of(service(1).v6.into()), None);
    }

    #[test]
    fn a_full_pod_network_gives_no_address() {
        assert!(pod(1, 254).is_some());
        assert!(pod(1, 255).is_none());
        assert!(pod(1, 4000).is_none());
    }

    #[test]
    fn cluster_addresses_cross_the_byte() {
        assert_eq!(service(1).v4.to_string(), "10.96.0.10");
        assert_eq!(service(250).v4.to_string(), "10.96.1.3");
    }
}
