//! Values by network, to be found by what lies in it.

use ipnet::IpNet;
use std::collections::{BTreeSet, HashMap};

/// Values by network.
#[derive(Debug)]
pub(super) struct Prefixes<V> {
    values: HashMap<IpNet, V>,
    /// Which lengths there are, of IPv6 or not.
    lengths: BTreeSet<(bool, u8)>,
}

impl<V> Default for Prefixes<V> {
    fn default() -> Self {
        Self { values: HashMap::new(), lengths: BTreeSet::new() }
    }
}

impl<V: Default> Prefixes<V> {
    /// The value of a network, made where it is new.
    pub(super) fn entry(&mut self, network: IpNet) -> &mut V {
        self.lengths.insert((is_v6(&network), network.prefix_len()));
        self.values.entry(network).or_default()
    }
}

impl<V> Prefixes<V> {
    /// The networks that contain this one, itself included, the widest first.
    pub(super) fn around(&self, network: IpNet) -> impl Iterator<Item = (IpNet, &V)> {
        let family = is_v6(&network);
        let lengths = self.lengths.range((family, 0)..=(family, network.prefix_len()));
        lengths.filter_map(move |(_, length)| {
            let outer = IpNet::new(network.addr(), *length).ok()?.trunc();
            Some((outer, self.values.get(&outer)?))
        })
    }
}

const fn is_v6(network: &IpNet) -> bool {
    matches!(network, IpNet::V6(_))
}
