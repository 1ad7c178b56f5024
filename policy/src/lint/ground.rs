//! Address blocks with their holes in order, so that one is held against another quickly.

use crate::ip_block::IpBlock;
use ipnet::IpNet;

/// The addresses of a block.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ground {
    pub(super) cidr: IpNet,
    /// What is taken out of it: apart from each other, in order.
    pub(super) holes: Vec<IpNet>,
}

impl Ground {
    /// The addresses that a block matches.
    pub(super) fn of(block: &IpBlock) -> Self {
        let cidr = block.cidr;
        if block.except.iter().any(|hole| hole.contains(&cidr)) {
            return Self { cidr, holes: vec![cidr] };
        }
        let holes = block.except.iter().copied().filter(|hole| cidr.contains(hole)).collect();
        Self { cidr, holes: IpNet::aggregate(&holes) }
    }

    /// All of a network.
    pub(super) const fn whole(cidr: IpNet) -> Self {
        Self { cidr, holes: Vec::new() }
    }

    /// Whether it holds all that `inner` holds: each hole of it must be outside the inner one, or be
    /// taken out there too.
    pub(super) fn covers(&self, inner: &Self) -> bool {
        self.cidr.contains(&inner.cidr) && self.holes_at(&inner.cidr).iter().all(|hole| inner.is_out(hole))
    }

    /// The holes that share addresses with a network.
    pub(super) fn holes_at(&self, network: &IpNet) -> &[IpNet] {
        let first = self.holes.partition_point(|hole| hole.broadcast() < network.network());
        let end = self.holes.partition_point(|hole| hole.network() <= network.broadcast());
        self.holes.get(first..end).unwrap_or_default()
    }

    /// Whether all of a network is taken out.
    fn is_out(&self, network: &IpNet) -> bool {
        self.holes_at(network).iter().any(|hole| hole.contains(network))
    }
}

/// Networks overlap only where one contains the other.
pub(super) fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}
