//! Who may be at the other end, as rules name them (N11–N13, N22–N24, C7–C11).

use crate::{
    address::{holds, parse_cidr},
    api,
    domain_name::DomainName,
    fingerprint::Fingerprint,
    ip_block::IpBlock,
    labels::{Labels, Prints},
    marks::Marks,
    selector::Selector,
    service::Service,
    template::{Namespace, Template},
    truth::{Fact, Truth},
};
use ipnet::IpNet;
use k8s_openapi::api::networking::v1 as k8s;
use std::net::IpAddr;

/// One entry of a rule's list of peers.
#[derive(Clone, Debug)]
pub(crate) enum PeerMatch {
    /// Pods of one namespace: that of the policy.
    PodsIn { namespace: Fingerprint, pods: Selector },
    /// Pods of the selected namespaces.
    PodsOf { namespaces: Selector, pods: Selector },
    /// Whoever holds an address of the block (N24).
    Block(Box<IpBlock>),
    /// Whoever holds an address of one of the blocks (C10).
    Networks(Box<[IpNet]>),
    /// The addresses of the selected nodes (C9).
    Nodes(Selector),
    /// The addresses that one of the names leads to (C11).
    Names(Box<[DomainName]>),
    /// What the API would reject (§8).
    Nothing,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer<'a> {
    /// The address in use.
    pub(crate) ip: IpAddr,
    /// The pod that holds it.
    pub(crate) pod: Option<PeerPod<'a>>,
}

/// The pod at the other end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerPod<'a> {
    /// The fingerprint of its namespace's name.
    pub(crate) namespace: Fingerprint,
    pub(crate) labels: &'a Prints,
    pub(crate) namespace_labels: Labels<'a>,
    pub(crate) template: &'a Template,
}

/// What is known beside the two ends.
pub(crate) trait Surroundings {
    /// Whether the address is one of a node whose labels the selector matches.
    fn is_of_node(&self, ip: IpAddr, nodes: &Selector) -> Truth;

    /// The first of its nodes whose labels are not known.
    fn unlabelled_node(&self, ip: IpAddr) -> Option<&str>;

    /// Whether one of the names leads to the address.
    fn has_name(&self, ip: IpAddr, names: &[DomainName]) -> Truth;

    /// The service that hides who the peer is: what stands behind it is not known.
    fn hidden_behind(&self) -> Option<&Service> {
        None
    }
}

impl PeerMatch {
    /// N11; an entry of no form or of two forms matches nothing (§8).
    pub(crate) fn of_network_policy(peer: &k8s::NetworkPolicyPeer, namespace: &Namespace) -> Self {
        let k8s::NetworkPolicyPeer { ip_block, namespace_selector, pod_selector } = peer;
        match (ip_block, namespace_selector, pod_selector) {
            (Some(block), None, None) => {
                IpBlock::compile(block).map_or(Self::Nothing, |block| Self::Block(Box::new(block)))
            }
            (None, None, Some(pods)) => {
                Self::PodsIn { namespace: namespace.print, pods: Selector::compile(pods) }
            }
            (None, Some(namespaces), pods) => Self::PodsOf {
                namespaces: Selector::compile(namespaces),
                pods: pods.as_ref().map(Selector::compile).unwrap_or_default(),
            },
            _ => Self::Nothing,
        }
    }

    /// C7; `None` for an entry without a field that is known in this place (C17).
    pub(crate) fn of_cluster_policy(peer: &api::Peer, place: Place) -> Option<Self> {
        let api::Peer { namespaces, pods, nodes, networks, domain_names, unknown } = peer;
        if !unknown.is_empty() {
            return None;
        }
        match (namespaces, pods, nodes, networks, domain_names) {
            (Some(namespaces), None, None, None, None) => {
                Some(Self::PodsOf { namespaces: compile(namespaces)?, pods: Selector::default() })
            }
            (None, Some(pods), None, None, None) => Self::of_pods(pods),
            (None, None, Some(nodes), None, None) if place.addresses => Some(Self::Nodes(compile(nodes)?)),
            (None, None, None, Some(networks), None) if place.addresses => {
                Some(Self::Networks(networks.iter().filter_map(|network| parse_cidr(network)).collect()))
            }
            (None, None, None, None, Some(names)) if place.names => {
                Some(Self::Names(names.iter().filter_map(|name| DomainName::read(name)).collect()))
            }
            _ => None,
        }
    }

    fn of_pods(pods: &api::NamespacedPods) -> Option<Self> {
        let (namespaces, pods) = compile_pods(pods)?;
        Some(Self::PodsOf { namespaces, pods })
    }

    /// What whoever it matches carries.
    pub(crate) fn needs(&self) -> Marks {
        match self {
            Self::PodsIn { namespace, pods } => Marks::POD | Marks::of(*namespace) | pods.needs(),
            Self::PodsOf { namespaces, pods } => Marks::POD | namespaces.needs() | pods.needs(),
            Self::Block(_) | Self::Networks(_) | Self::Nodes(_) | Self::Names(_) | Self::Nothing => {
                Marks::NONE
            }
        }
    }

    /// Selectors match pods only (N13); a block matches whoever holds the address (N24).
    pub(crate) fn matches(&self, peer: &Peer<'_>, surroundings: &impl Surroundings) -> Truth {
        match (self, peer.pod) {
            (Self::PodsIn { namespace, pods }, Some(pod)) if pod.namespace == *namespace => {
                pods.admits(Labels::Known(pod.labels))
            }
            (Self::PodsOf { namespaces, pods }, Some(pod)) => {
                namespaces.admits(pod.namespace_labels).and(|| pods.admits(Labels::Known(pod.labels)))
            }
            (Self::Block(block), _) => block.contains(peer.ip).into(),
            (Self::Networks(networks), _) => networks.iter().any(|network| holds(network, peer.ip)).into(),
            (Self::Nodes(nodes), None) => surroundings.is_of_node(peer.ip, nodes),
            (Self::Names(names), _) => surroundings.has_name(peer.ip, names),
            (Self::PodsIn { .. } | Self::PodsOf { .. } | Self::Nodes(_) | Self::Nothing, _) => Truth::No,
        }
    }
}

/// Whoever stands behind a service, in the family that is dialled.
impl PeerMatch {
    /// Whether it matches whoever that may be: certain is what matches everybody or nobody.
    pub(crate) fn matches_hidden(&self, dialled: IpAddr) -> Truth {
        let unless_nobody =
            |selector: &Selector| HIDDEN.and(|| selector.admits(Labels::Unknown(Fact::Backend)));
        match self {
            Self::PodsIn { pods, .. } => unless_nobody(pods),
            Self::PodsOf { namespaces, pods } => unless_nobody(namespaces).and(|| unless_nobody(pods)),
            Self::Nodes(nodes) => unless_nobody(nodes),
            Self::Block(block) if block.except.is_empty() => holds_hidden(&block.cidr, dialled),
            Self::Block(block) => holds_hidden(&block.cidr, dialled).and(|| HIDDEN),
            Self::Networks(networks) => {
                Truth::any(networks.iter().map(|network| holds_hidden(network, dialled)))
            }
            Self::Names(names) if !names.is_empty() => HIDDEN,
            Self::Names(_) | Self::Nothing => Truth::No,
        }
    }
}

const HIDDEN: Truth = Truth::Unknown(Fact::Backend);

/// Whether the block holds an address of which only the family is known.
fn holds_hidden(block: &IpNet, dialled: IpAddr) -> Truth {
    match block.prefix_len() {
        _ if block.addr().is_ipv4() != dialled.is_ipv4() => Truth::No,
        0 => Truth::Yes,
        _ => HIDDEN,
    }
}

/// Which forms of peers are known where a rule stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// `nodes` and `networks`: on egress.
    pub(crate) addresses: bool,
    /// `domainNames`: on egress, in rules that accept.
    pub(crate) names: bool,
}

/// Whom a cluster-wide policy is about (C6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Pods by their namespace and their labels.
    Pods { namespaces: Selector, pods: Selector },
    /// Nobody can say (§8).
    Unreadable,
}

impl Subject {
    pub(crate) fn compile(subject: &api::Subject) -> Self {
        let api::Subject { namespaces, pods, unknown } = subject;
        let selectors = match (namespaces, pods) {
            _ if !unknown.is_empty() => None,
            (Some(namespaces), None) => {
                compile(namespaces).map(|namespaces| (namespaces, Selector::default()))
            }
            (None, Some(pods)) => compile_pods(pods),
            _ => None,
        };
        selectors.map_or(Self::Unreadable, |(namespaces, pods)| Self::Pods { namespaces, pods })
    }

    /// Whether it selects the pods of a template (C6).
    pub(crate) fn selects(&self, template: &Template, namespace: Labels<'_>) -> Truth {
        match self {
            Self::Pods { namespaces, pods } => {
                let of_namespace = match namespaces.selects(namespace) {
                    Truth::Unknown(Fact::PeerNamespaceLabels) => Truth::Unknown(Fact::SubjectNamespaceLabels),
                    known => known,
                };
                of_namespace.and(|| pods.selects(Labels::Known(template.labels.prints())))
            }
            Self::Unreadable => Truth::Unknown(Fact::Subject),
        }
    }
}

/// A selector; `None` where it has keys that the API does not have (A5).
fn compile(selector: &api::LabelSelector) -> Option<Selector> {
    selector.unknown.is_empty().then(|| Selector::compile(&selector.known()))
}

/// The namespaces and the pods, all where none are given.
fn compile_pods(pods: &api::NamespacedPods) -> Option<(Selector, Selector)> {
    let api::NamespacedPods { namespace_selector, pod_selector, unknown } = pods;
    if !unknown.is_empty() {
        return None;
    }
    let or_all =
        |selector: &Option<api::LabelSelector>| selector.as_ref().map_or(Some(Selector::default()), compile);
    Some((or_all(namespace_selector)?, or_all(pod_selector)?))
}
