//! Which node of the cluster this network namespace is. Pure.
//!
//! Told by the addresses of the Node objects, or by whose pods hang on it.

use ipnet::IpNet;
use portolan_policy::Cluster;
use std::{collections::BTreeSet, net::IpAddr};

/// A route of this network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub prefix: IpNet,
    /// Whether it leads straight to an interface, not through a gateway.
    pub direct: bool,
}

/// How the node was found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// A Node object has an address of this network namespace.
    ByAddress,
    /// Most pods that are reached without a gateway are its pods.
    ByPods,
    /// All pods run on it.
    OnlyOne,
}

impl Known {
    /// In words, for the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ByAddress => "a Node object has an address of this network namespace",
            Self::ByPods => "its pods are reached from here without a gateway",
            Self::OnlyOne => "all pods run on it",
        }
    }
}

/// The node that this is, by the best evidence there is.
pub fn own_node(
    cluster: &Cluster,
    addresses: &BTreeSet<IpAddr>,
    routes: &[Route],
) -> Option<(String, Known)> {
    let by_address = || {
        let mut nodes = cluster.nodes();
        nodes
            .find(|(_, known)| known.iter().any(|ip| addresses.contains(ip)))
            .map(|(name, _)| name.to_owned())
    };
    if let Some(node) = by_address() {
        return Some((node, Known::ByAddress));
    }
    let near = |node: &str| cluster.pods_on(node).filter(|ip| is_direct(*ip, routes)).count();
    let counts: Vec<(&str, usize)> = cluster.pod_nodes().map(|node| (node, near(node))).collect();
    if let Some((node, 1..)) = counts.iter().max_by_key(|(_, near)| *near) {
        return Some(((*node).to_owned(), Known::ByPods));
    }
    match counts.as_slice() {
        [(only, _)] => Some(((*only).to_owned(), Known::OnlyOne)),
        _ => None,
    }
}

/// Whether the longest route to an address leads straight to an interface.
fn is_direct(ip: IpAddr, routes: &[Route]) -> bool {
    let matching = routes.iter().filter(|route| route.prefix.contains(&ip));
    matching.max_by_key(|route| route.prefix.prefix_len()).is_some_and(|route| route.direct)
}

#[cfg(test)]
mod tests {
    use super::*;
    use portolan_policy::parse_manifest;

    fn cluster(yaml: &str) -> Cluster {
        let mut cluster = Cluster::default();
        for object in parse_manifest(yaml).objects {
            cluster.apply(object).unwrap();
        }
        cluster
    }

    fn pod(name: &str, node: &str, ip: &str) -> String {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop}}\n\
             spec: {{nodeName: {node}, containers: [{{name: c}}]}}\n\
             status: {{phase: Running, podIPs: [{{ip: {ip}}}]}}\n"
        )
    }

    fn route(prefix: &str, direct: bool) -> Route {
        Route { prefix: prefix.parse().unwrap(), direct }
    }

    const NODE: &str = "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n\
                        status: {addresses: [{type: InternalIP, address: 10.1.0.11}]}\n";

    #[test]
    fn an_address_of_the_node_says_it() {
        let addresses = BTreeSet::from(["10.1.0.11".parse().unwrap()]);
        assert_eq!(own_node(&cluster(NODE), &addresses, &[]), Some(("n1".to_owned(), Known::ByAddress)));
    }

    #[test]
    fn else_the_pods_that_hang_here_say_it() {
        let yaml =
            pod("a", "n1", "10.244.1.2") + &pod("b", "n2", "10.244.2.2") + &pod("c", "n2", "10.244.2.3");
        let routes = [
            route("0.0.0.0/0", false),
            route("10.244.0.0/16", true),
            route("10.244.2.0/24", false),
            route("10.244.1.2/32", true),
        ];
        let found = own_node(&cluster(&yaml), &BTreeSet::new(), &routes);
        assert_eq!(found, Some(("n1".to_owned(), Known::ByPods)));
    }

    #[test]
    fn else_there_may_be_only_one() {
        let one = pod("a", "n1", "10.244.1.2");
        let found = own_node(&cluster(&one), &BTreeSet::new(), &[]);
        assert_eq!(found, Some(("n1".to_owned(), Known::OnlyOne)));
        let two = one + &pod("b", "n2", "10.244.2.2");
        assert_eq!(own_node(&cluster(&two), &BTreeSet::new(), &[]), None);
    }
}
