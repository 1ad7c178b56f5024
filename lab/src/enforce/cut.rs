//! Which packets are meant: those of one pod, one way, by protocol and port. Pure.

use std::net::IpAddr;

use crate::spec::Protocol;

/// Whose side the packets are seen from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// What the pod sends to open a conversation.
    Egress,
    /// What the pod is to receive to open one.
    Ingress,
}

/// A protocol and the port that is opened; the port of ICMP says nothing, an echo request is meant.
pub type Traffic = (Protocol, u16);

/// Everything that an enforcement is told.
#[derive(Debug, Clone)]
pub(crate) struct Cut<'a> {
    pub(crate) direction: Direction,
    /// The pod's addresses.
    pub(crate) addresses: &'a [IpAddr],
    pub(crate) traffic: &'a [Traffic],
}

impl Cut<'_> {
    /// Every address with every kind of traffic.
    pub(crate) fn packets(&self) -> impl Iterator<Item = (IpAddr, Traffic)> {
        self.addresses.iter().flat_map(|address| self.traffic.iter().map(|traffic| (*address, *traffic)))
    }
}

/// The number of a protocol in the header of a family.
pub(crate) fn protocol_number(protocol: Protocol, v4: bool) -> u8 {
    match (protocol, v4) {
        (Protocol::Tcp, _) => 6,
        (Protocol::Udp, _) => 17,
        (Protocol::Sctp, _) => 132,
        (Protocol::Icmp, true) => 1,
        (Protocol::Icmp, false) => 58,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One pod of two families, opened by TCP and by echo requests.
    pub(crate) fn with_cut<T>(direction: Direction, work: impl FnOnce(&Cut<'_>) -> T) -> T {
        let addresses = ["10.244.1.2".parse().unwrap(), "fd00::2".parse().unwrap()];
        let traffic = [(Protocol::Tcp, 8080), (Protocol::Icmp, 0)];
        work(&Cut { direction, addresses: &addresses, traffic: &traffic })
    }

    #[test]
    fn every_address_is_met_by_every_kind_of_traffic() {
        with_cut(Direction::Egress, |cut| assert_eq!(cut.packets().count(), 4));
    }
}
