//! How an attempt stands: what may yet come of it, and so how long it is waited for.

use super::{
    attempt::Attempt,
    evidence::{DropSeen, Drops},
};

impl Attempt {
    /// Whether there is something to tell: it was not told yet, or as one that did not get through, and did.
    pub(super) fn is_news(&self) -> bool {
        let comes_too_late = self.gave_up && !self.is_through();
        let got_through = self.is_answered() && !self.is_answer_lost() && !self.is_reset() && !comes_too_late;
        !self.told || (!self.told_as_answered && got_through)
    }

    /// Whether it was dropped, as far as is known without the kernel's reasons.
    pub(super) fn is_dropped(&self) -> bool {
        self.drops.is_any() && !self.got_through_mostly()
    }

    /// Whether any evidence says that the destination answered.
    pub(super) const fn is_answered(&self) -> bool {
        self.answer_sent.is_some() || self.answer_received.is_some() || self.answer_unwanted || self.completed
    }

    /// Whether it got through, as far as the initiator is concerned.
    pub(super) fn is_through(&self) -> bool {
        self.completed
            || self.answer_unwanted
            || self.answers_arrived > self.answers_dropped_behind
            || self.has_taken_answers()
    }

    /// Of a conversation, only the first answer is told, and what became of it is no word about the rest.
    fn has_taken_answers(&self) -> bool {
        self.answer_received.is_some() && self.got_through_mostly()
    }

    /// Whether the only answer that is known was dropped on its way.
    pub(super) fn is_answer_lost(&self) -> bool {
        let is_of_answer = |drop: Option<DropSeen>| drop.is_some_and(|drop| drop.of_answer);
        let Drops { node, source_pod, destination_pod } = self.drops;
        !self.is_through() && [node, source_pod, destination_pod].into_iter().any(is_of_answer)
    }

    /// Whether the initiator may not have taken a reset for its own, or has never seen it: it goes on trying then.
    pub(super) const fn may_be_tried_again(&self) -> bool {
        !self.socket_closed && ((self.reset_received && !self.is_answered()) || self.is_reset_lost())
    }

    /// Whether the destination turned it away and the initiator, whose device is here, has not heard of it.
    pub(super) const fn is_reset_lost(&self) -> bool {
        self.reset_sent && !self.reset_received && self.left.is_some()
    }

    /// Whether the initiator itself refused the answer: it was none to what it had sent, and it goes on trying.
    pub(super) const fn is_answer_refused(&self) -> bool {
        self.aborted && !self.completed && !self.socket_closed
    }

    /// Whether one side has finished and the other has not.
    pub(super) const fn is_half_closed(&self) -> bool {
        self.finished[0] != self.finished[1]
    }

    /// Whether the initiator gave up without a word from anybody.
    pub(super) const fn is_abandoned(&self) -> bool {
        self.gave_up && !self.is_reset()
    }

    /// Whether the initiator gave up and nothing says how far its openings came: they may be held somewhere, and be
    /// dropped there yet.
    pub(super) const fn is_given_up_unheard(&self) -> bool {
        self.is_abandoned()
            && !self.is_answered()
            && self.arrived.is_none()
            && self.unreachable.is_none()
            && !self.drops.is_any()
    }

    /// Whether its opening was sent more than once, as far as its devices or, without one, its socket can tell.
    pub(super) fn was_sent_again(&self) -> bool {
        self.tries() > 1 || (self.left.is_none() && self.retransmits.is_some_and(|count| count > 0))
    }

    /// Whether an opening of it may come to light after it was told with its end.
    pub(super) fn may_leave_stragglers(&self) -> bool {
        self.told_as_answered && self.was_sent_again() && !self.is_answer_refused()
    }

    /// Whether it was turned away by a reset.
    pub(super) const fn is_reset(&self) -> bool {
        self.reset_sent || self.reset_received
    }

    /// Whether nothing more is to be expected of a TCP connection. A socket closes after it has seen
    /// both ends finish, or when it waits no longer: its peer may be gone without a word.
    pub(super) const fn is_over(&self) -> bool {
        self.is_reset() || self.socket_closed || (self.finished[0] && self.finished[1])
    }
}
