//! What became of an attempt: the evidence weighed. Pure.

use super::{
    attempt::Attempt,
    evidence::{DropSeen, Place},
};
use crate::{
    kernel::{Places, class, is_no_drop},
    reasons::Reasons,
};
use portolan_policy::{Outcome, Protocol};

/// Which ends of an attempt have their device on this node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Locality {
    /// The source is a pod here.
    pub source: bool,
    /// The destination is a pod here.
    pub destination: bool,
}

/// What became of an attempt.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each asked by name")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conclusion {
    /// What the network was seen to do.
    pub outcome: Outcome,
    /// The kernel's name for the drop.
    pub drop_reason: Option<String>,
    /// What sort of place in the kernel dropped it.
    pub drop_location: Option<String>,
    /// There is a witness that the attempt reached the destination pod.
    pub reached_pod: bool,
    /// The drop happened inside the destination pod, after arrival.
    pub dropped_in_pod: bool,
    /// What dropped it is there to drop: no want of a route, of a listener or of room.
    pub filtered: bool,
    /// It was dropped for want of a way to its destination.
    pub no_way: bool,
    /// An ICMP error said that an administrator forbids it.
    pub forbidden: bool,
}

/// Weighs the evidence of an attempt that is over, or that is looked at early.
pub fn conclude(attempt: &Attempt, locality: Locality, reasons: &Reasons, places: &Places) -> Conclusion {
    let drop = attempt.drops.counting(locality.source, locality.destination);
    let drop = drop.and_then(|(place, seen)| Drop::named(place, seen, reasons, places));
    let drop = drop.filter(|drop| !attempt.got_through_mostly() || drop.is_refusal());
    let weighed = Weighed { attempt, locality, drop: drop.as_ref() };
    let outcome = weighed.outcome();
    let refused_here = outcome == Outcome::Refused && weighed.came_from_destination();
    let forbidden = weighed.is_forbidden();
    let drop = drop.filter(|_| matches!(outcome, Outcome::Dropped | Outcome::Rejected));
    Conclusion {
        outcome,
        reached_pod: outcome == Outcome::Established
            || refused_here
            || (locality.destination && (attempt.arrived.is_some() || attempt.answer_sent.is_some())),
        dropped_in_pod: drop
            .as_ref()
            .is_some_and(|drop| drop.place == Place::DestinationPod && !drop.of_answer),
        filtered: drop.as_ref().is_some_and(Drop::is_filter),
        no_way: drop.as_ref().is_some_and(Drop::has_no_way),
        forbidden,
        drop_location: drop.as_ref().and_then(|drop| drop.location.clone()),
        drop_reason: drop.map(|drop| drop.reason),
    }
}

/// The drop that counts, by the kernel's names.
struct Drop {
    place: Place,
    of_answer: bool,
    reason: String,
    /// The part of the kernel that dropped.
    location: Option<String>,
}

impl Drop {
    /// Gives a drop its names; `None` for what is no drop of anybody's traffic.
    fn named(place: Place, seen: DropSeen, reasons: &Reasons, places: &Places) -> Option<Self> {
        let function = places.function(seen.location);
        if is_no_drop(function) {
            return None;
        }
        let reason = reasons.name(seen.reason);
        let location = class(&reason, function);
        Some(Self { place, of_answer: seen.of_answer, reason, location })
    }

    /// Whether a host drops for this reason what it then refuses.
    fn is_refusal(&self) -> bool {
        matches!(self.reason.as_str(), "NO_SOCKET" | "IP_NOPROTO")
    }

    /// Whether this is the work of something that is there to drop.
    fn is_filter(&self) -> bool {
        matches!(self.location.as_deref(), Some("netfilter" | "nfqueue" | "tc" | "xdp" | "cgroup"))
            || self.reason == "SOCKET_FILTER"
    }

    /// Whether the router had no way to the address.
    fn has_no_way(&self) -> bool {
        matches!(self.location.as_deref(), Some("route" | "neighbour"))
    }
}

/// An attempt with the evidence that counts.
struct Weighed<'a> {
    attempt: &'a Attempt,
    locality: Locality,
    drop: Option<&'a Drop>,
}

impl Weighed<'_> {
    fn outcome(&self) -> Outcome {
        let Self { attempt, locality, drop } = self;
        if self.is_established() {
            return Outcome::Established;
        }
        if self.came_from_destination() {
            return Outcome::Refused;
        }
        let turned_away = attempt.reset_received || attempt.unreachable.is_some() || attempt.turned_away;
        match drop {
            Some(drop) if turned_away && !self.is_routing_failure(drop) => Outcome::Rejected,
            Some(_) => Outcome::Dropped,
            None if attempt.unreachable.is_some() => Outcome::Rejected,
            // A reset that no pod of this node sent is a firewall's where the pod would be here.
            None if attempt.reset_received && locality.destination => Outcome::Rejected,
            None if self.is_reset_lost() => Outcome::NoReply,
            None if attempt.reset_received || attempt.reset_sent => Outcome::Refused,
            None => self.silence(),
        }
    }

    /// The handshake was completed, or the initiator got an answer; where its device is not here, that
    /// one was sent must do.
    fn is_established(&self) -> bool {
        let Self { attempt, locality, drop } = self;
        if attempt.completed || attempt.answer_unwanted || (attempt.is_through() && locality.source) {
            return true;
        }
        let would_be_seen_coming = attempt.left.is_some() && attempt.answer_from_same_device().is_none();
        let lost_on_the_way =
            locality.source && would_be_seen_coming || drop.is_some_and(|drop| drop.of_answer);
        attempt.is_answered() && !lost_on_the_way
    }

    /// The destination itself said no: a reset or an ICMP error out of its device, or in its name,
    /// or a datagram for which it had no socket.
    fn came_from_destination(&self) -> bool {
        let Self { attempt, locality, drop } = self;
        let reset = attempt.reset_sent && locality.destination && !self.is_reset_lost();
        let unreachable = attempt.unreachable.is_some_and(|seen| {
            // A firewall's word goes out in the name of the service, or of the pod on a bridge: where
            // it dropped the opening, the name is no witness.
            let in_its_name = !drop.is_some_and(|drop| drop.place == Place::Node && !drop.of_answer)
                && [attempt.original.destination.ip, attempt.effective().destination.ip].contains(&seen.by);
            // Nor is that a host's own word which says that an administrator forbids it: its firewall says so.
            let out_of_it = seen.from_destination_device && locality.destination;
            out_of_it || (in_its_name && !seen.prohibited)
        });
        // Where there was no socket for it, it had arrived: at the pod, or at the node it was for.
        let no_socket =
            drop.is_some_and(|drop| drop.place != Place::SourcePod && !drop.of_answer && drop.is_refusal());
        reset || unreachable || no_socket
    }

    /// The initiator, which is here, has not heard of the reset: it was seen dropped, or it tried again.
    fn is_reset_lost(&self) -> bool {
        let went_on = self.attempt.tries() > 1 || self.drop.is_some_and(|drop| drop.of_answer);
        self.locality.source && self.attempt.is_reset_lost() && went_on
    }

    /// The router had no way to the address: that it also said so makes it no firewall. A route that
    /// forbids is one.
    fn is_routing_failure(&self, drop: &Drop) -> bool {
        !self.attempt.reset_received && !self.is_forbidden() && drop.has_no_way()
    }

    fn is_forbidden(&self) -> bool {
        self.attempt.unreachable.is_some_and(|seen| seen.prohibited)
    }

    /// Nothing came back. A datagram may have been delivered all the same; one that never showed at the device of a
    /// pod on this node was not, and what opens with a handshake waits for a word in vain.
    fn silence(&self) -> Outcome {
        let is_unseen = self.attempt.arrived.is_none();
        match self.attempt.original.protocol {
            Protocol::Tcp => Outcome::NoReply,
            Protocol::Sctp if is_unseen => Outcome::NoReply,
            _ if is_unseen && self.locality.destination => Outcome::NoReply,
            _ => Outcome::Delivered,
        }
    }
}
