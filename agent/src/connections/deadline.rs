//! When an attempt is to be looked at again. Pure.

use super::attempt::Attempt;
use crate::event::Nanos;
use portolan_policy::Protocol;
use std::time::Duration;

/// When attempts are closed, and how many may be open.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A UDP or ICMP conversation is over when it was silent for this long.
    pub idle: Duration,
    /// After the last evidence, wait this long for evidence from elsewhere in the node.
    pub linger: Duration,
    /// A dropped datagram may still get through on a later try: this long.
    pub dropped: Duration,
    /// A dropped opening of TCP likewise, for as long as its socket tries: it does so after one second and after three.
    /// As long, what came to nothing that is known may still be dropped: a router looks for its neighbour for three.
    pub retried: Duration,
    /// An opening without an answer is reported after this long.
    pub no_reply: Duration,
    /// A reported attempt is remembered this long after its last packet, so that later tries of the
    /// same opening are not taken for new ones. A connection of which one side has finished is given
    /// as long for the other.
    pub memory: Duration,
    /// An opening that its initiator gave up may still be dropped or answered for this long, and so may one
    /// of many of a connection that has ended: a queue holds it, or a router that looks for its neighbour.
    pub stragglers: Duration,
    /// Attempts that may be open at once.
    pub attempts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(10),
            linger: Duration::from_millis(150),
            dropped: Duration::from_millis(1500),
            retried: Duration::from_millis(3500),
            no_reply: Duration::from_secs(8),
            memory: Duration::from_secs(130),
            stragglers: Duration::from_secs(10),
            attempts: 262_144,
        }
    }
}

impl Limits {
    /// When an attempt is to be looked at again; `None` while only new evidence can end it.
    pub(super) fn due(&self, attempt: &Attempt) -> Option<Nanos> {
        let is_tcp = attempt.original.protocol == Protocol::Tcp;
        match (attempt.reported, is_tcp) {
            (true, true) if attempt.is_abandoned() || attempt.may_leave_stragglers() => {
                Some(after(attempt.last, self.stragglers))
            }
            (true, true)
                if attempt.is_over() && !attempt.may_be_tried_again() && !attempt.is_answer_refused() =>
            {
                Some(after(attempt.last, self.linger))
            }
            (true, true) if attempt.is_answer_refused() => Some(after(attempt.last, self.no_reply)),
            (true, true) => Some(after(attempt.last, self.memory)),
            (true, false) => Some(after(attempt.last, self.idle)),
            (false, true) => self.connection(attempt),
            (false, false) => Some(self.conversation(attempt)),
        }
    }

    fn connection(&self, attempt: &Attempt) -> Option<Nanos> {
        if attempt.is_reset_lost() && !attempt.socket_closed {
            Some(after(attempt.started, self.retried))
        } else if attempt.is_given_up_unheard() {
            Some(after(attempt.started, self.retried).max(after(attempt.last, self.linger)))
        } else if attempt.is_over() {
            Some(after(attempt.last, self.linger))
        } else if attempt.is_answer_lost() {
            Some(after(attempt.started, self.retried))
        } else if attempt.is_answered() {
            attempt.is_half_closed().then(|| after(attempt.last, self.memory))
        } else if attempt.unreachable.is_some() {
            Some(after(attempt.last, self.linger))
        } else if attempt.drops.is_any() {
            Some(after(attempt.started, self.retried))
        } else {
            Some(after(attempt.started, self.no_reply))
        }
    }

    fn conversation(&self, attempt: &Attempt) -> Nanos {
        if attempt.is_answered() {
            after(attempt.last, self.idle)
        } else if attempt.unreachable.is_some() || attempt.is_reset() {
            after(attempt.last, self.linger)
        } else if attempt.is_dropped() {
            after(attempt.started, self.dropped.min(self.idle))
        } else {
            after(attempt.last, self.idle)
        }
    }
}

/// A moment later than another.
pub(super) fn after(from: Nanos, wait: Duration) -> Nanos {
    from.saturating_add(wait.as_nanos() as Nanos)
}
