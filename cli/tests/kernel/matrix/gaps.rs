//! Cells that are not told rightly yet. A gap that is closed fails the test until it is taken out of here.

use super::cells::{Cause, Cell};
use portolan_lab::enforce::Mechanism;
use portolan_lab::{Direction, Protocol};

/// Cells that are known to be told wrongly.
pub(crate) struct Gap {
    /// What is wrong.
    pub(crate) why: &'static str,
    /// Which cells.
    pub(crate) holds: fn(Cell) -> bool,
}

/// On a node that routes to its pods.
pub(crate) const ROUTED: &[Gap] = &[
    Gap {
        why: "a packet that is dropped before it has a device is not noticed",
        holds: |cell| {
            cell.cause == Cause::Enforced(Mechanism::NftInPod) && cell.direction == Direction::Egress
        },
    },
    NO_SCTP_OVER_IPV6,
];

/// On a node that bridges them.
pub(crate) const BRIDGED: &[Gap] = &[NO_SCTP_OVER_IPV6];

const NO_SCTP_OVER_IPV6: Gap = Gap {
    why: "a pod that speaks no SCTP says so by a parameter problem in IPv6, which is not heard",
    holds: |cell| cell.cause == Cause::NoListener && cell.protocol == Protocol::Sctp && !cell.v4,
};
