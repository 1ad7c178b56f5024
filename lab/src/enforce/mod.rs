//! Enforcement of every kind that network plugins use, for the traffic of one pod: installed by hand, so that it is a
//! witness independent of what it is compared with.
//!
//! The files below are pure text or one kernel interface each; [`Lab::enforce`](crate::Lab::enforce) puts them to work.

pub(crate) mod cgroup;
pub(crate) mod cut;
pub(crate) mod drop_program;
pub(crate) mod iptables;
pub(crate) mod lead_program;
pub(crate) mod nft;
pub(crate) mod queue;
pub(crate) mod routes;
pub(crate) mod tc;

pub use cut::{Direction, Traffic};

/// How a packet is kept from its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mechanism {
    /// An nftables rule that drops, in the forward hook.
    NftDrop,
    /// The policy of an nftables chain.
    NftPolicy,
    /// An nftables rule that drops before connection tracking, so before translation.
    NftRaw,
    /// An nftables rule that rejects.
    NftReject(Reject),
    /// An nftables rule that drops the answers only.
    NftAnswer,
    /// An nftables rule inside the pod.
    NftInPod,
    /// An nftables rule of the bridge family; the pod's node must be bridged.
    NftBridge,
    /// A rule of iptables, in the forward chain. On a bridged node it meets switched packets by way of br_netfilter.
    Iptables(Backend, Target),
    /// A queue to user space, where a program drops, or where nobody listens.
    Queue {
        /// Whether there is a program.
        listener: bool,
    },
    /// A classifier in the clsact qdisc of the node's end of the veth.
    Tc,
    /// The same as a tcx program.
    Tcx,
    /// An XDP program: on the node's end of the veth for what the pod sends, on the pod's end for what it receives.
    Xdp(XdpMode),
    /// A program at the cgroup of the pod's sockets. Counts for clients and servers that start afterwards.
    Cgroup,
    /// A route that leads nowhere.
    Route(Route),
}

/// What a firewall says when it rejects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reject {
    /// A TCP reset.
    TcpReset,
    /// ICMP: administratively prohibited.
    AdminProhibited,
    /// ICMP: port unreachable.
    PortUnreachable,
    /// ICMP: host unreachable; for IPv6 address unreachable.
    HostUnreachable,
    /// ICMP: no route; for IPv4 network unreachable.
    NoRoute,
}

/// Which kernel part iptables writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Backend {
    /// x_tables.
    Legacy,
    /// nftables.
    Nft,
}

/// What a rule of iptables does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// `DROP`.
    Drop,
    /// `REJECT` as it comes: port unreachable.
    Reject,
    /// `REJECT --reject-with tcp-reset`.
    TcpReset,
}

/// Where the kernel runs an XDP program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum XdpMode {
    /// In the driver of the device.
    Native,
    /// On the buffer, after the driver.
    Generic,
}

/// Kinds of routes that deliver nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Route {
    /// Says nothing.
    Blackhole,
    /// Says: administratively prohibited.
    Prohibit,
    /// Says: host unreachable.
    Unreachable,
    /// Ends the search in its table; no other table has a route either.
    Throw,
}
