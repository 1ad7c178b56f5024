//! What each cell must be told as: from the design, not from the agent.

use super::cells::{Cause, Cell, Way};
use portolan_lab::enforce::{Mechanism, Route, Target};
use portolan_lab::{Direction, Protocol, Seen};
use portolan_policy::{Outcome, Verdict};

/// What an attempt is told as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) outcome: Outcome,
    pub(crate) reason: Option<&'static str>,
    pub(crate) location: Option<&'static str>,
    /// Whether it ended inside the destination pod.
    pub(crate) in_pod: bool,
    /// Whether it reached the destination pod.
    pub(crate) arrived: bool,
}

impl Expected {
    /// The verdict where the policies admit the attempt, or where they deny it.
    pub(crate) fn verdict(self, denied: bool) -> Verdict {
        match (self.outcome, denied) {
            (Outcome::Established | Outcome::Delivered, false) => Verdict::Allowed,
            (Outcome::Dropped | Outcome::Rejected, false) if self.in_pod => Verdict::Failed,
            (Outcome::Dropped | Outcome::Rejected, false) => Verdict::Blocked,
            (Outcome::Refused | Outcome::NoReply, false) => Verdict::Failed,
            (Outcome::Dropped | Outcome::Rejected, true) => Verdict::Denied,
            (Outcome::NoReply, true) if !self.arrived => Verdict::Denied,
            (_, true) => Verdict::Unenforced,
        }
    }
}

/// What a cell must be told as, once the client has said what it saw: a router limits how often it says that it
/// prohibits, and who was told nothing was not turned away.
pub(crate) fn expected_of(cell: Cell, seen: Seen) -> Expected {
    let expected = expected(cell);
    let prohibits = cell.cause.mechanism() == Some(Mechanism::Route(Route::Prohibit));
    let told = !matches!(seen, Seen::TimedOut | Seen::Silent);
    if prohibits && !told { Expected { outcome: Outcome::Dropped, ..expected } } else { expected }
}

/// What a cell must be told as.
pub(crate) fn expected(cell: Cell) -> Expected {
    match cell.cause {
        Cause::Nothing => seen(Outcome::Established),
        Cause::Silence => seen(Outcome::Delivered),
        Cause::NoListener | Cause::Abort => seen(Outcome::Refused),
        // The kernel counts it as consumed: nothing is dropped that anybody could see.
        Cause::FullBacklog => seen(Outcome::NoReply),
        // The IPv6 side of the kernel gives no reason here.
        Cause::StaleNeighbour => dropped(if cell.v4 { "NEIGH_FAILED" } else { "NOT_SPECIFIED" }, "neighbour"),
        Cause::NoSuchPod => dropped("NOT_SPECIFIED", "route"),
        Cause::Enforced(mechanism) | Cause::Late(mechanism) => enforced(mechanism, cell),
    }
}

fn enforced(mechanism: Mechanism, cell: Cell) -> Expected {
    let egress = cell.direction == Direction::Egress;
    match mechanism {
        Mechanism::NftDrop
        | Mechanism::NftPolicy
        | Mechanism::NftRaw
        | Mechanism::NftBridge
        | Mechanism::Iptables(_, Target::Drop) => dropped("NETFILTER_DROP", "netfilter"),
        Mechanism::NftAnswer => Expected { arrived: true, ..dropped("NETFILTER_DROP", "netfilter") },
        Mechanism::NftReject(_) | Mechanism::Iptables(_, Target::Reject | Target::TcpReset) => {
            Expected { outcome: Outcome::Rejected, ..dropped("NETFILTER_DROP", "netfilter") }
        }
        Mechanism::NftInPod => in_pod_if(!egress, dropped("NETFILTER_DROP", "netfilter")),
        Mechanism::Queue { .. } => dropped("NOT_SPECIFIED", "nfqueue"),
        Mechanism::Tc | Mechanism::Tcx if egress => dropped("TC_INGRESS", "tc"),
        Mechanism::Tc | Mechanism::Tcx => dropped("TC_EGRESS", "tc"),
        Mechanism::Xdp(_) => in_pod_if(!egress, dropped("NOT_SPECIFIED", "xdp")),
        Mechanism::Cgroup if egress => dropped("BPF_CGROUP_EGRESS", "cgroup"),
        Mechanism::Cgroup => in_pod_if(true, dropped("SOCKET_FILTER", "socket")),
        Mechanism::Route(route) => lost(route, cell),
    }
}

/// Routes say why they lead nowhere; only the one that prohibits is somebody's will.
fn lost(route: Route, cell: Cell) -> Expected {
    let reason = match (route, cell.v4) {
        (Route::Throw, _) | (Route::Unreachable | Route::Prohibit, false) => "IP_INNOROUTES",
        _ => "NOT_SPECIFIED",
    };
    let outcome = if route == Route::Prohibit { Outcome::Rejected } else { Outcome::Dropped };
    Expected { outcome, ..dropped(reason, "route") }
}

fn seen(outcome: Outcome) -> Expected {
    Expected { outcome, reason: None, location: None, in_pod: false, arrived: true }
}

fn dropped(reason: &'static str, location: &'static str) -> Expected {
    let (reason, location) = (Some(reason), Some(location));
    Expected { outcome: Outcome::Dropped, reason, location, in_pod: false, arrived: false }
}

fn in_pod_if(inside: bool, expected: Expected) -> Expected {
    Expected { in_pod: inside, arrived: inside, ..expected }
}

/// Whether it ends before anything was translated: what was dialled is all that is known then.
pub(crate) fn ends_untranslated(cell: Cell) -> bool {
    let ahead = match cell.cause.mechanism() {
        Some(Mechanism::NftRaw) => true,
        Some(
            Mechanism::Tc | Mechanism::Tcx | Mechanism::Xdp(_) | Mechanism::Cgroup | Mechanism::NftInPod,
        ) => cell.direction == Direction::Egress,
        _ => false,
    };
    ahead && cell.way.is_translated()
}

/// Whether the agent on the first node sees the translation.
pub(crate) fn is_translated_here(cell: Cell) -> bool {
    cell.way.is_translated() && !is_translated_elsewhere(cell)
}

/// Whether the client's own node, the second one, translates.
pub(crate) fn is_translated_elsewhere(cell: Cell) -> bool {
    cell.way == Way::FarClusterIp && cell.direction == Direction::Ingress
}

/// Whether the policies of the scene deny it.
pub(crate) fn is_denied(cell: Cell) -> bool {
    cell.way == Way::Denied
}

/// Whether the agent on the other node has anything to tell: its pod sent it, or it came that far.
pub(crate) fn is_seen_elsewhere(cell: Cell) -> bool {
    let far = matches!(cell.way, Way::Far | Way::FarClusterIp);
    far && (cell.direction == Direction::Ingress || expected(cell).arrived)
}

/// What the agent on the other node may say, which sees only its own half.
pub(crate) fn outcomes_elsewhere(cell: Cell, seen: Seen) -> &'static [Outcome] {
    use Outcome::{Delivered, Dropped, Established, NoReply, Refused, Rejected};
    match (expected_of(cell, seen).outcome, cell.cause.mechanism()) {
        (Established, _) => &[Established],
        (Refused, _) => &[Refused],
        // It saw its own answer leave, and not that it was dropped.
        (_, Some(Mechanism::NftAnswer)) if cell.direction == Direction::Egress => &[Established, NoReply],
        // A reset tells nobody who sent it.
        (Rejected, _) if cell.protocol == Protocol::Tcp => &[Rejected, Refused],
        (Rejected, _) => &[Rejected],
        // A router says so where it has no way.
        (Dropped, Some(Mechanism::Route(_))) => &[NoReply, Delivered, Rejected],
        _ if cell.cause == Cause::StaleNeighbour => &[NoReply, Delivered, Rejected],
        _ => &[NoReply, Delivered],
    }
}
