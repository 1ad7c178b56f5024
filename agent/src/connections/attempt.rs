//! One attempt and the evidence about it.

use super::{
    evidence::{DropSeen, Drops, Place, Seen, UnreachableSeen},
    unwanted::Unwanted,
};
use crate::event::{Crossing, Drop, FiveTuple, Nanos, Sighting, SocketEnd, SocketOpen, Translation, What};
use portolan_policy::{Outcome, Protocol};
use smallvec::SmallVec;
use std::sync::{Arc, OnceLock};

/// One try to open a connection, with all that is known about it.
#[expect(clippy::struct_excessive_bools, reason = "independent pieces of evidence, each asked by name")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The five-tuple as the initiator sees it.
    pub original: FiveTuple,
    /// The same after address translation, where it was seen.
    pub translated: Option<FiveTuple>,
    /// The initial sequence number; 0 where there is none.
    pub sequence: u32,
    /// The first evidence.
    pub started: Nanos,
    /// The last evidence.
    pub last: Nanos,
    /// The opening packet came out of a device.
    pub left: Option<Seen>,
    /// The opening packet went to a device.
    pub arrived: Option<Seen>,
    /// An answer came out of a device.
    pub answer_sent: Option<Seen>,
    /// An answer went to a device.
    pub answer_received: Option<Seen>,
    /// A reset came out of the answering device.
    pub reset_sent: bool,
    /// A reset went to the initiator's device.
    pub reset_received: bool,
    /// The first ICMP unreachable.
    pub unreachable: Option<UnreachableSeen>,
    /// The initiator's socket was turned away and none of its openings had come further than where they were dropped.
    pub turned_away: bool,
    /// The first drop in each place.
    pub drops: Drops,
    /// Segments and payload bytes by the sockets' own accounts.
    pub accounts: Option<(u64, u64)>,
    /// Segments sent again, by the account of the socket that sent more of them.
    pub retransmits: Option<u64>,
    /// The smoothed round trip in microseconds, by the account of the socket that measured the longer one.
    pub srtt_us: Option<u64>,
    /// Packets that were seen one by one.
    pub packets_seen: u64,
    /// Payload bytes that were seen one by one.
    pub bytes_seen: u64,
    /// Its number in the order of openings.
    pub(super) number: u64,
    /// The tuples of its packets, all in the initiator's direction.
    pub(super) known_as: SmallVec<[FiveTuple; 3]>,
    /// The devices that count it as a conversation, and the tuples that they do so under.
    pub(super) conversations: SmallVec<[(u32, FiveTuple); 2]>,
    /// The initiator or a socket that was open came to its end: the handshake was completed, even
    /// where none of its answers was seen.
    pub(super) completed: bool,
    /// When it stands in the queue to be looked at.
    pub(super) queued: Nanos,
    pub(super) tries_left: u32,
    pub(super) tries_arrived: u32,
    pub(super) tries_dropped: u32,
    pub(super) answers_dropped: u32,
    /// Answers that went to the initiator's device: of TCP all, of a conversation the first.
    pub(super) answers_arrived: u32,
    /// Answers that were dropped behind the initiator's device.
    pub(super) answers_dropped_behind: u32,
    /// An answer came to the initiator's host, which had no use for it.
    pub(super) answer_unwanted: bool,
    /// The initiator sent a reset.
    pub(super) aborted: bool,
    pub(super) finished: [bool; 2],
    pub(super) socket_closed: bool,
    pub(super) gave_up: bool,
    pub(super) reported: bool,
    pub(super) told: bool,
    pub(super) told_as_answered: bool,
    /// What the record of its first telling says, once there is one: shared with the attempt that was told.
    pub(super) told_as: Option<Arc<OnceLock<Outcome>>>,
}

impl Attempt {
    /// An attempt of which nothing but its tuple is known yet.
    pub(super) const fn new(original: FiveTuple, sequence: u32, at: Nanos, number: u64) -> Self {
        Self {
            original,
            translated: None,
            sequence,
            started: at,
            last: at,
            left: None,
            arrived: None,
            answer_sent: None,
            answer_received: None,
            reset_sent: false,
            reset_received: false,
            unreachable: None,
            turned_away: false,
            drops: Drops { node: None, source_pod: None, destination_pod: None },
            accounts: None,
            retransmits: None,
            srtt_us: None,
            packets_seen: 0,
            bytes_seen: 0,
            number,
            known_as: SmallVec::new_const(),
            conversations: SmallVec::new_const(),
            completed: false,
            queued: Nanos::MAX,
            tries_left: 0,
            tries_arrived: 0,
            tries_dropped: 0,
            answers_dropped: 0,
            answers_arrived: 0,
            answers_dropped_behind: 0,
            answer_unwanted: false,
            aborted: false,
            finished: [false; 2],
            socket_closed: false,
            gave_up: false,
            reported: false,
            told: false,
            told_as_answered: false,
            told_as: None,
        }
    }

    /// The five-tuple that policies speak about: after translation.
    pub fn effective(&self) -> FiveTuple {
        self.translated.unwrap_or(self.original)
    }

    /// The outcome that an earlier record of it told.
    pub fn told_as(&self) -> Option<Outcome> {
        self.told_as.as_ref()?.get().copied()
    }

    /// Notes what a record of it tells, for one that may come later. What no record told is revised by none.
    pub fn tell_as(&self, outcome: Outcome) {
        if let Some(told_as) = &self.told_as {
            told_as.get_or_init(|| outcome);
        }
    }

    /// When it was first answered, as far as that was seen.
    pub fn answered_at(&self) -> Nanos {
        let answers = [self.answer_sent, self.answer_received].into_iter().flatten();
        answers.map(|seen| seen.at).min().unwrap_or(self.last)
    }

    /// How often the opening packet was sent.
    pub fn tries(&self) -> u32 {
        self.tries_left.max(self.tries_arrived).max(self.tries_dropped).max(1)
    }

    /// Whether most datagrams of a conversation got through, whatever became of some.
    pub fn got_through_mostly(&self) -> bool {
        let dropped = u64::from(self.tries_dropped) + u64::from(self.answers_dropped);
        self.original.protocol != Protocol::Tcp && 2 * dropped < self.packets_seen
    }

    /// Packets and payload bytes, both directions, by the best account there is.
    pub fn traffic(&self) -> (u64, u64) {
        match self.accounts {
            Some(accounts) => accounts,
            None if self.packets_seen > 0 => (self.packets_seen, self.bytes_seen),
            None => (u64::from(self.tries()), 0),
        }
    }

    /// Nanoseconds from the opening packet to its answer, at the initiator's device where that is
    /// on this node.
    pub fn latency(&self) -> Option<Nanos> {
        let taken = self.answer_received.or_else(|| self.answer_from_same_device());
        match (self.left, taken, self.arrived, self.answer_sent) {
            (Some(opened), Some(answered), ..) | (_, _, Some(opened), Some(answered)) => {
                Some(answered.at.saturating_sub(opened.at))
            }
            _ => None,
        }
    }

    /// The answer that came out of the device which the opening came out of: both ends are behind it. Of a
    /// conversation a device tells one packet each way, and that was this one: what becomes of it on its way back,
    /// which may not even lead by the node, only a drop would tell.
    pub(super) fn answer_from_same_device(&self) -> Option<Seen> {
        let has_one_tuple = self.original.protocol != Protocol::Tcp && self.effective() == self.original;
        let is_there = |answer: &Seen| self.left.is_some_and(|left| left.ifindex == answer.ifindex);
        self.answer_sent.filter(|answer| has_one_tuple && is_there(answer))
    }

    /// Takes in a packet that belongs to this attempt. Whether it is an opening or an answer of a
    /// conversation is for its direction to say: a device may have met another packet first.
    pub(super) fn sight(&mut self, sighting: &Sighting, forward: bool) {
        self.evidence(sighting.at, sighting.translation);
        if matches!(sighting.what, What::First | What::Answer) {
            let there = if forward { sighting.tuple } else { sighting.tuple.reversed() };
            self.counted_on(sighting.ifindex, there);
        }
        match (sighting.what, forward) {
            (What::Syn(_) | What::First | What::Answer, true) => self.opened(sighting),
            (What::SynAck | What::First | What::Answer, false) => self.answered(sighting),
            (What::Reset, false) => match sighting.crossing {
                Crossing::FromDevice => self.reset_sent = true,
                Crossing::ToDevice => self.reset_received = true,
            },
            (What::Reset, true) => {
                self.aborted = true;
                self.finished = [true; 2];
            }
            (What::Fin, _) => {
                self.finished[usize::from(!forward)] = true;
                self.completed = true;
            }
            (What::Unreachable { by, prohibited }, true) => {
                let from_destination_device = sighting.crossing == Crossing::FromDevice;
                let known = self.unreachable.get_or_insert(UnreachableSeen {
                    by,
                    prohibited,
                    from_destination_device,
                });
                known.from_destination_device |= from_destination_device;
            }
            // An error about an answer, because the initiator had gone, is no word about the opening.
            (What::Syn(_) | What::Unreachable { .. }, false) | (What::SynAck, true) => {}
        }
    }

    fn counted_on(&mut self, ifindex: u32, tuple: FiveTuple) {
        if !self.conversations.contains(&(ifindex, tuple)) {
            self.conversations.push((ifindex, tuple));
        }
    }

    fn evidence(&mut self, at: Nanos, translation: Option<Translation>) {
        self.started = self.started.min(at);
        self.last = self.last.max(at);
        if let Some(translation) = translation {
            self.translated = Some(translation.translated);
        }
    }

    fn opened(&mut self, sighting: &Sighting) {
        let (tries, place) = match sighting.crossing {
            Crossing::FromDevice => (&mut self.tries_left, &mut self.left),
            Crossing::ToDevice => (&mut self.tries_arrived, &mut self.arrived),
        };
        // A bridge that does not know where to floods: each of its devices sees each try.
        *tries += u32::from(place.get_or_insert(seen(sighting)).ifindex == sighting.ifindex);
    }

    fn answered(&mut self, sighting: &Sighting) {
        let place = match sighting.crossing {
            Crossing::FromDevice => &mut self.answer_sent,
            // Whoever has given up takes no answer any more.
            Crossing::ToDevice if self.gave_up => return,
            Crossing::ToDevice => {
                self.answers_arrived += 1;
                &mut self.answer_received
            }
        };
        place.get_or_insert(seen(sighting));
    }

    /// Whether an answer that the kernel says it dropped had come to the initiator: behind its device, or in the
    /// node where that has none.
    pub(super) fn is_answer_come(&self, drop: &Drop, in_node: bool, unwanted: &Unwanted) -> bool {
        let is = |seen: Option<Seen>| seen.is_some_and(|seen| seen.ifindex == drop.ifindex);
        match (self.left.is_some(), in_node) {
            (true, false) if is(self.left) => unwanted.in_pod(drop.reason),
            // It may have come by another interface of the pod.
            (true, false) => !is(self.arrived) && unwanted.by_sockets(drop.reason),
            (false, true) => unwanted.by_sockets(drop.reason),
            (true, true) | (false, false) => false,
        }
    }

    /// Takes in an answer that came to the initiator's host. Whoever has given up takes it no more.
    pub(super) fn answer_come(&mut self, drop: &Drop) {
        self.evidence(drop.at, drop.translation);
        self.answer_unwanted |= !self.gave_up;
    }

    /// Takes in a drop that belongs to this attempt.
    pub(super) fn drop_seen(&mut self, drop: &Drop, forward: bool, in_node: bool) {
        self.evidence(drop.at, drop.translation);
        if forward {
            self.tries_dropped += 1;
        } else {
            self.answers_dropped += 1;
        }
        let place = if in_node { Place::Node } else { self.pod_place(drop.ifindex, forward) };
        self.answers_dropped_behind += u32::from(!forward && place == Place::SourcePod);
        self.drops.of_mut(place).get_or_insert(DropSeen {
            reason: drop.reason,
            location: drop.location,
            of_answer: !forward,
        });
    }

    /// Behind which end's device a drop happened. One of an opening that never showed itself outside
    /// can only be the source's.
    fn pod_place(&self, ifindex: u32, forward: bool) -> Place {
        let is = |seen: Option<Seen>| seen.is_some_and(|seen| seen.ifindex == ifindex);
        if is(self.arrived) {
            Place::DestinationPod
        } else if is(self.left) || (forward && self.left.is_none()) {
            Place::SourcePod
        } else {
            Place::DestinationPod
        }
    }

    /// Takes in that the server's socket completed the handshake.
    pub(super) fn socket_open(&mut self, open: &SocketOpen) {
        self.last = self.last.max(open.at);
        self.completed = true;
    }

    /// Takes in the end of one of its sockets.
    pub(super) fn socket_end(&mut self, end: &SocketEnd) {
        self.last = self.last.max(end.at);
        self.socket_closed = true;
        self.gave_up |= end.gave_up;
        // Had one got through, the word might be the peer's.
        self.turned_away |= end.gave_up && end.turned_away && u64::from(self.tries_dropped) >= end.sent;
        self.completed |= !end.gave_up;
        self.retransmits = self.retransmits.max(Some(end.retransmits));
        self.srtt_us = self.srtt_us.max(end.srtt_us);
        if end.gave_up && end.bytes == 0 && !self.is_answered() {
            return;
        }
        let (packets, bytes) = self.accounts.unwrap_or_default();
        self.accounts = Some((packets.max(end.packets), bytes.max(end.bytes)));
    }
}

const fn seen(sighting: &Sighting) -> Seen {
    Seen { at: sighting.at, ifindex: sighting.ifindex }
}
