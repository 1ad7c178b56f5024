//! The cells of the matrix: what stands in the way × whose way × protocol × family × path, minus what cannot be.

use portolan_lab::enforce::{Backend, Reject, Route, Target, XdpMode};
use portolan_lab::{Direction, Mechanism, Protocol};
use std::fmt;

/// What stands in the way of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Nothing, and the server answers.
    Nothing,
    /// Something that was there before the agent.
    Enforced(Mechanism),
    /// Something that came after the agent.
    Late(Mechanism),
    /// A server that takes what it gets and says nothing.
    Silence,
    /// Nobody listens.
    NoListener,
    /// SCTP is spoken, and refused.
    Abort,
    /// A listener whose backlog is full.
    FullBacklog,
    /// A route to a pod that no longer answers for its address.
    StaleNeighbour,
    /// An address of the node's pod network that no pod has.
    NoSuchPod,
}

/// What can stand in the way on a node that routes to its pods.
pub(crate) const ROUTED: &[Cause] = &[
    Cause::Nothing,
    Cause::Enforced(Mechanism::NftDrop),
    Cause::Enforced(Mechanism::NftPolicy),
    Cause::Enforced(Mechanism::NftRaw),
    Cause::Enforced(Mechanism::NftReject(Reject::TcpReset)),
    Cause::Enforced(Mechanism::NftReject(Reject::AdminProhibited)),
    Cause::Enforced(Mechanism::NftReject(Reject::PortUnreachable)),
    Cause::Enforced(Mechanism::NftReject(Reject::HostUnreachable)),
    Cause::Enforced(Mechanism::NftReject(Reject::NoRoute)),
    Cause::Enforced(Mechanism::Iptables(Backend::Legacy, Target::Drop)),
    Cause::Enforced(Mechanism::Iptables(Backend::Legacy, Target::Reject)),
    Cause::Enforced(Mechanism::Iptables(Backend::Legacy, Target::TcpReset)),
    Cause::Enforced(Mechanism::Iptables(Backend::Nft, Target::Drop)),
    Cause::Enforced(Mechanism::Iptables(Backend::Nft, Target::Reject)),
    Cause::Enforced(Mechanism::Iptables(Backend::Nft, Target::TcpReset)),
    Cause::Enforced(Mechanism::Queue { listener: true }),
    Cause::Enforced(Mechanism::Queue { listener: false }),
    Cause::Enforced(Mechanism::Tc),
    Cause::Enforced(Mechanism::Tcx),
    Cause::Late(Mechanism::Tc),
    Cause::Late(Mechanism::Tcx),
    Cause::Enforced(Mechanism::Xdp(XdpMode::Native)),
    Cause::Enforced(Mechanism::Xdp(XdpMode::Generic)),
    Cause::Enforced(Mechanism::Cgroup),
    Cause::Enforced(Mechanism::Route(Route::Blackhole)),
    Cause::Enforced(Mechanism::Route(Route::Prohibit)),
    Cause::Enforced(Mechanism::Route(Route::Unreachable)),
    Cause::Enforced(Mechanism::Route(Route::Throw)),
    Cause::Enforced(Mechanism::NftAnswer),
    Cause::Enforced(Mechanism::NftInPod),
    Cause::Silence,
    Cause::NoListener,
    Cause::Abort,
    Cause::FullBacklog,
    Cause::StaleNeighbour,
    Cause::NoSuchPod,
];

/// What can stand in the way on a node that bridges its pods.
pub(crate) const BRIDGED: &[Cause] = &[
    Cause::Nothing,
    Cause::Enforced(Mechanism::NftBridge),
    Cause::Enforced(Mechanism::NftDrop),
    Cause::Enforced(Mechanism::NftReject(Reject::TcpReset)),
    Cause::Enforced(Mechanism::NftReject(Reject::AdminProhibited)),
    Cause::Enforced(Mechanism::Iptables(Backend::Legacy, Target::Drop)),
    Cause::Enforced(Mechanism::Iptables(Backend::Legacy, Target::Reject)),
    Cause::Enforced(Mechanism::Queue { listener: true }),
    Cause::Enforced(Mechanism::Tc),
    Cause::Enforced(Mechanism::Tcx),
    Cause::Enforced(Mechanism::Xdp(XdpMode::Native)),
    Cause::Enforced(Mechanism::NftAnswer),
    Cause::Silence,
    Cause::NoListener,
];

/// What shares a device with an agent that hangs in clsact.
pub(crate) const ON_DEVICES: &[Cause] = &[
    Cause::Nothing,
    Cause::Enforced(Mechanism::NftDrop),
    Cause::Enforced(Mechanism::Tc),
    Cause::Late(Mechanism::Tc),
    Cause::Enforced(Mechanism::Tcx),
    Cause::Late(Mechanism::Tcx),
    Cause::Enforced(Mechanism::Xdp(XdpMode::Native)),
    Cause::Enforced(Mechanism::Xdp(XdpMode::Generic)),
    Cause::NoListener,
];

impl Cause {
    /// In the words of the documentation.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Enforced(mechanism) => named(mechanism),
            Self::Late(Mechanism::Tc) => "tc program (clsact), added after the agent",
            Self::Late(_) => "tcx program, attached after the agent",
            Self::Silence => "a server that says nothing",
            Self::NoListener => "no listener",
            Self::Abort => "a server that aborts",
            Self::FullBacklog => "a full backlog",
            Self::StaleNeighbour => "a pod that is gone, its route is not",
            Self::NoSuchPod => "an address that no pod has",
        }
    }

    /// For names of pods.
    pub(crate) fn slug(self) -> String {
        let letters = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let slug: String = self.name().chars().map(letters).collect();
        slug.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
    }

    /// Whether it is the server's doing and no enforcement.
    pub(crate) fn is_the_servers(self) -> bool {
        !matches!(self, Self::Nothing | Self::Enforced(_) | Self::Late(_))
    }

    /// Whether it stands between a pod and its own node, which no rule of the forward chain and no route does.
    fn meets_own_node(self, egress: bool) -> bool {
        match self.mechanism() {
            None => self != Self::NoSuchPod,
            Some(Mechanism::NftRaw) => egress,
            Some(
                Mechanism::Tc | Mechanism::Tcx | Mechanism::Xdp(_) | Mechanism::Cgroup | Mechanism::NftInPod,
            ) => true,
            Some(_) => false,
        }
    }

    /// The mechanism, when there is one.
    pub(crate) fn mechanism(self) -> Option<Mechanism> {
        match self {
            Self::Enforced(mechanism) | Self::Late(mechanism) => Some(mechanism),
            _ => None,
        }
    }
}

fn named(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::NftDrop => "nftables drop",
        Mechanism::NftPolicy => "nftables chain policy drop",
        Mechanism::NftRaw => "nftables drop in prerouting (raw)",
        Mechanism::NftReject(Reject::TcpReset) => "nftables reject with tcp reset",
        Mechanism::NftReject(Reject::AdminProhibited) => "nftables reject with icmpx admin-prohibited",
        Mechanism::NftReject(Reject::PortUnreachable) => "nftables reject with icmpx port-unreachable",
        Mechanism::NftReject(Reject::HostUnreachable) => "nftables reject with icmpx host-unreachable",
        Mechanism::NftReject(Reject::NoRoute) => "nftables reject with icmpx no-route",
        Mechanism::NftAnswer => "nftables drop of the answer only",
        Mechanism::NftInPod => "nftables drop inside the pod",
        Mechanism::NftBridge => "nftables drop, bridge family",
        Mechanism::Iptables(Backend::Legacy, Target::Drop) => "iptables-legacy DROP",
        Mechanism::Iptables(Backend::Legacy, Target::Reject) => "iptables-legacy REJECT",
        Mechanism::Iptables(Backend::Legacy, Target::TcpReset) => "iptables-legacy REJECT, tcp-reset",
        Mechanism::Iptables(Backend::Nft, Target::Drop) => "iptables-nft DROP",
        Mechanism::Iptables(Backend::Nft, Target::Reject) => "iptables-nft REJECT",
        Mechanism::Iptables(Backend::Nft, Target::TcpReset) => "iptables-nft REJECT, tcp-reset",
        Mechanism::Queue { listener: true } => "NFQUEUE, user space drops",
        Mechanism::Queue { listener: false } => "NFQUEUE without a listener",
        Mechanism::Tc => "tc program (clsact)",
        Mechanism::Tcx => "tcx program",
        Mechanism::Xdp(XdpMode::Native) => "XDP program, native",
        Mechanism::Xdp(XdpMode::Generic) => "XDP program, generic",
        Mechanism::Cgroup => "cgroup program",
        Mechanism::Route(Route::Blackhole) => "blackhole route",
        Mechanism::Route(Route::Prohibit) => "prohibit route",
        Mechanism::Route(Route::Unreachable) => "unreachable route",
        Mechanism::Route(Route::Throw) => "throw route",
    }
}

/// The path of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From pod to pod on one node.
    Near,
    /// The same between pods whose policies deny it.
    Denied,
    /// Through the ClusterIP of a pod on the same node.
    ClusterIp,
    /// From a pod through a port of its own node.
    NodePort,
    /// From outside the cluster through a port of the node.
    Outside,
    /// From a pod through its own service to itself.
    Hairpin,
    /// From a pod to outside, in the name of its node.
    Masqueraded,
    /// From outside the cluster to the pod's own address.
    FromOutside,
    /// Between a pod and its own node.
    OwnNode,
    /// Between a pod and another node.
    FarNode,
    /// Between two nodes.
    Far,
    /// Between two nodes, through a ClusterIP.
    FarClusterIp,
}

impl Way {
    pub(crate) const ALL: [Self; 12] = [
        Self::Near,
        Self::Denied,
        Self::ClusterIp,
        Self::NodePort,
        Self::Outside,
        Self::Hairpin,
        Self::Masqueraded,
        Self::FromOutside,
        Self::OwnNode,
        Self::FarNode,
        Self::Far,
        Self::FarClusterIp,
    ];

    /// Through a service of some kind.
    pub(crate) fn is_translated(self) -> bool {
        matches!(self, Self::ClusterIp | Self::NodePort | Self::Outside | Self::Hairpin | Self::FarClusterIp)
    }

    /// What stays on a bridge, where there is one.
    fn is_switched(self) -> bool {
        matches!(self, Self::Near | Self::Denied | Self::ClusterIp)
    }
}

pub(crate) const PROTOCOLS: [Protocol; 4] = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp, Protocol::Icmp];

/// One cell.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) bridged: bool,
    pub(crate) cause: Cause,
    pub(crate) direction: Direction,
    pub(crate) protocol: Protocol,
    pub(crate) v4: bool,
    pub(crate) way: Way,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bridged, cause, direction, protocol, v4, way } = self;
        let (protocol, family) = (protocol.as_str(), if *v4 { "IPv4" } else { "IPv6" });
        let bridge = if *bridged { ", bridged" } else { "" };
        write!(f, "{} | pod {direction:?} | {protocol} | {family} | {way:?}{bridge}", cause.name())
    }
}

/// Every cell of these causes that can be.
pub(crate) fn product(causes: &[Cause], bridged: bool) -> Vec<Cell> {
    let mut cells = Vec::new();
    for cause in causes {
        for direction in [Direction::Egress, Direction::Ingress] {
            for protocol in PROTOCOLS {
                for way in Way::ALL {
                    let cell = |v4| Cell { bridged, cause: *cause, direction, protocol, v4, way };
                    cells.extend([true, false].map(cell));
                }
            }
        }
    }
    cells.retain(|cell| impossible(*cell).is_none());
    cells
}

/// Why a cell cannot be, if so.
pub(crate) fn impossible(cell: Cell) -> Option<&'static str> {
    let Cell { bridged, cause, direction, protocol, way, .. } = cell;
    let (egress, icmp) = (direction == Direction::Egress, protocol == Protocol::Icmp);
    let tcp_only = matches!(
        cause.mechanism(),
        Some(Mechanism::NftReject(Reject::TcpReset) | Mechanism::Iptables(_, Target::TcpReset))
    ) || cause == Cause::FullBacklog;
    let own_node = way == Way::OwnNode;
    let by_rule = [
        (own_node && !cause.meets_own_node(egress), "between a pod and its own node nothing is forwarded"),
        (own_node && bridged, "a node answers its bridge's pods from the bridge's address"),
        (
            cause.mechanism() == Some(Mechanism::NftBridge) && !way.is_switched(),
            "the bridge family sees only what is switched",
        ),
        (egress && cause.is_the_servers(), "the cause lies with the server"),
        (icmp && way.is_translated(), "ICMP has no services"),
        (egress && matches!(way, Way::Outside | Way::FromOutside), "what comes from outside leaves no pod"),
        (!egress && way == Way::Masqueraded, "what is outside is no pod"),
        (tcp_only && protocol != Protocol::Tcp, "only TCP has it"),
        (cause == Cause::Abort && protocol != Protocol::Sctp, "only SCTP aborts"),
        (cause == Cause::Silence && protocol == Protocol::Tcp, "the kernel answers for a TCP server"),
        (matches!(cause, Cause::Silence | Cause::NoListener) && icmp, "the kernel answers an echo request"),
        (
            cause == Cause::NoSuchPod && !matches!(way, Way::Near),
            "what no pod has belongs to no service and to no policy; from elsewhere it is no pod's of this node",
        ),
        (cause == Cause::StaleNeighbour && way == Way::Hairpin, "a pod that is gone opens nothing"),
        (
            cause.mechanism() == Some(Mechanism::NftRaw) && !egress && way.is_translated(),
            "ahead of translation nothing names the pod behind a service",
        ),
        (cause.mechanism() == Some(Mechanism::Cgroup) && !egress && icmp, "no socket takes an echo request"),
    ];
    by_rule.into_iter().find(|(holds, _)| *holds).map(|(_, why)| why)
}
