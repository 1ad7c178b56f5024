//! Which node of the cluster this network namespace is. Pure.
//!
//! Told by the addresses of the Node objects, or by whose pods hang on it.

use ipnet::IpNet;
use portolan_policy::{Cluster, Owner};
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

/// The names of nodes that there are, in words, where nothing in the cluster goes by the name that was given.
pub fn named_instead(cluster: &Cluster, node: &str, addresses: &BTreeSet<IpAddr>) -> Option<String> {
    /// More would be a list that nobody reads.
    const ENOUGH: usize = 5;
    let names: BTreeSet<&str> = cluster.nodes().map(|(name, _)| name).chain(cluster.pod_nodes()).collect();
    // Host-network pods name their node too: by its addresses.
    let is_named = |ip: &IpAddr| matches!(cluster.owner(*ip), Owner::Node { name, .. } if name == node);
    if names.contains(node) || addresses.iter().any(is_named) {
        return None;
    }
    let mut known: Vec<String> = names.iter().take(ENOUGH).map(|name| (*name).to_owned()).collect();
    match names.len().saturating_sub(ENOUGH) {
        0 if known.is_empty() => known.push("none".to_owned()),
        0 => {}
        more => known.push(format!("{more} more")),
    }
    Some(known.join(", "))
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

    fn instead(yaml: &str, name: &str) -> Option<String> {
        named_instead(&cluster(yaml), name, &BTreeSet::from(["10.1.0.12".parse().unwrap()]))
    }

    #[test]
    fn a_name_that_nothing_goes_by_is_answered_with_those_that_there_are() {
        assert_eq!(instead("", "n2").as_deref(), Some("none"));
        let both = NODE.to_owned() + &pod("a", "n3", "10.244.3.2");
        assert_eq!(instead(&both, "n2").as_deref(), Some("n1, n3"));
        let many: String =
            (1..8).map(|n| pod(&format!("p{n}"), &format!("n{n}"), &format!("10.244.{n}.2"))).collect();
        assert_eq!(instead(&many, "nosuch").as_deref(), Some("n1, n2, n3, n4, n5, 2 more"));
    }

    #[test]
    fn a_name_is_right_that_a_node_or_a_pod_goes_by() {
        assert_eq!(instead(NODE, "n1"), None);
        assert_eq!(instead(&pod("a", "n2", "10.244.2.2"), "n2"), None);
        let on_host = pod("a", "n2", "10.1.0.12").replace("containers:", "hostNetwork: true, containers:");
        assert_eq!(instead(&on_host, "n2"), None);
        assert_eq!(instead(&on_host, "n1").as_deref(), Some("none"));
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
