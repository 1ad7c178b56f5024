//! Cells that are not told rightly yet. A gap that is closed fails the test until it is taken out of here.

use super::cells::{Cause, Cell, Way};
use portolan_lab::enforce::{Mechanism, Reject, Route};
use portolan_lab::{Direction, Protocol};

/// Cells that are known to be told wrongly.
pub(crate) struct Gap {
    /// What is wrong.
    pub(crate) why: &'static str,
    /// How it shows.
    pub(crate) shows: Shows,
    /// Which cells.
    pub(crate) holds: fn(Cell) -> bool,
}

/// How a gap shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shows {
    /// None of the attempts is told.
    Untold,
    /// All are told wrongly.
    Always,
    /// Some are told wrongly: it depends on what a router has time to say.
    Sometimes,
}

/// The gap that a cell falls into.
pub(crate) fn of(gaps: &[Gap], cell: Cell) -> Option<&Gap> {
    gaps.iter().find(|gap| (gap.holds)(cell))
}

/// On a node that routes to its pods.
pub(crate) const ROUTED: &[Gap] = &[NO_DEVICE, NO_SCTP_OVER_IPV6];

/// On a node that bridges them.
pub(crate) const BRIDGED: &[Gap] = &[
    NO_SCTP_OVER_IPV6,
    Gap {
        // The kernel sends the reset over the bridge without translating it back: no client takes it for its own.
        why: "a client that does not take a reset for its own tries again, and each try is told as an attempt",
        shows: Shows::Always,
        holds: |cell| {
            let switched = matches!(cell.way, Way::ClusterIp | Way::NodePort | Way::Hairpin)
                || (cell.way == Way::FarClusterIp && cell.direction == Direction::Egress);
            switched && cell.cause == Cause::Enforced(Mechanism::NftReject(Reject::TcpReset))
        },
    },
];

/// Where the agent hangs in clsact.
pub(crate) const ON_DEVICES: &[Gap] = &[NO_SCTP_OVER_IPV6];

/// What the collector makes of two nodes.
pub(crate) const JOINED: &[Gap] = &[
    NO_DEVICE,
    NO_SCTP_OVER_IPV6,
    Gap {
        why: "an answer that the server's node drops leaves the attempt open there, and its view comes too late",
        shows: Shows::Always,
        holds: |cell| {
            cell.cause == Cause::Enforced(Mechanism::NftAnswer)
                && cell.direction == Direction::Ingress
                && cell.protocol == Protocol::Tcp
        },
    },
    Gap {
        why: "where the other node had no way and said so, the client's node is believed that it was rejected",
        shows: Shows::Sometimes,
        holds: |cell| {
            let lost = matches!(
                cell.cause,
                Cause::Enforced(Mechanism::Route(Route::Unreachable | Route::Throw)) | Cause::StaleNeighbour
            );
            lost && cell.direction == Direction::Ingress
        },
    },
];

const NO_DEVICE: Gap = Gap {
    why: "a packet that is dropped before it has a device is not noticed",
    shows: Shows::Untold,
    holds: |cell| cell.cause == Cause::Enforced(Mechanism::NftInPod) && cell.direction == Direction::Egress,
};

const NO_SCTP_OVER_IPV6: Gap = Gap {
    why: "a pod that speaks no SCTP says so by a parameter problem in IPv6, which is not heard",
    shows: Shows::Always,
    holds: |cell| cell.cause == Cause::NoListener && cell.protocol == Protocol::Sctp && !cell.v4,
};
