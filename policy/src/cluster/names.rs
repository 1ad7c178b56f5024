//! What is known beside the two ends of a connection: which names lead to an address, and the
//! labels of its node.

use super::Cluster;
use crate::{
    domain_name::{DomainName, canonical},
    labels::{LabelSet, Labels},
    peer::Surroundings,
    selector::Selector,
    truth::{Fact, Truth},
};
use imbl::OrdMap;
use std::{net::IpAddr, sync::Arc};

/// The DNS answers that were told, by canonical name.
pub(super) type Answers = OrdMap<Arc<str>, Arc<[IpAddr]>>;

impl Cluster {
    /// Says which addresses a name leads to (C11), in place of what was said before.
    ///
    /// While no answers were told, whether a `domainNames` peer matches is a missing fact; then
    /// what was told is taken as complete.
    pub fn set_dns_answers(&mut self, name: &str, addresses: impl IntoIterator<Item = IpAddr>) {
        let addresses = addresses.into_iter().map(|ip| ip.to_canonical()).collect();
        self.answers.insert(Arc::from(canonical(name)), addresses);
    }
}

impl Cluster {
    /// The labels of a node; absent while its object is not known.
    fn labels_of_node(&self, node: &str) -> Option<&LabelSet> {
        self.nodes.get(node)?.labels.as_deref()
    }
}

impl Surroundings for Cluster {
    /// C9: the addresses of `status.addresses`, and those of host-network pods.
    fn is_of_node(&self, ip: IpAddr, nodes: &Selector) -> Truth {
        let Some(holders) = self.addresses.claims(ip).others else { return Truth::No };
        Truth::any(holders.own_nodes().into_iter().map(|node| {
            nodes.admits(
                self.labels_of_node(node)
                    .map_or(Labels::Unknown(Fact::NodeLabels), |labels| Labels::Known(labels.prints())),
            )
        }))
    }

    fn unlabelled_node(&self, ip: IpAddr) -> Option<&str> {
        let nodes = self.addresses.claims(ip).others?.own_nodes();
        nodes.into_iter().find(|node| self.labels_of_node(node).is_none())
    }

    fn has_name(&self, ip: IpAddr, names: &[DomainName]) -> Truth {
        if self.answers.is_empty() {
            return if names.is_empty() { Truth::No } else { Truth::Unknown(Fact::DnsAnswers) };
        }
        let mut answers = self.answers.iter().filter(|(_, addresses)| addresses.contains(&ip));
        answers.any(|(name, _)| names.iter().any(|pattern| pattern.matches(name))).into()
    }
}
