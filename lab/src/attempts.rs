//! The truth of a lab: every connection a client tried, and what the client saw.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::place::Place;
use crate::spec::Protocol;

/// What a client saw of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// A TCP connection stood.
    Connected {
        /// Bytes the client sent.
        sent: usize,
        /// Bytes it got back.
        received: usize,
        /// Both sides ended it in order.
        closed: bool,
    },
    /// A datagram or echo was answered.
    Answered {
        /// Bytes of the answer.
        received: usize,
    },
    /// A datagram or echo was not answered in time.
    Silent,
    /// The answer was a refusal: a reset, or for UDP a port unreachable.
    Refused,
    /// A TCP connection did not come about in time.
    TimedOut,
    /// The network said that there is no way: the errno.
    Unreachable(i32),
    /// Anything else: the errno.
    Failed(i32),
}

impl Seen {
    /// Whether the other side answered as an open port does.
    pub fn succeeded(self) -> bool {
        matches!(self, Self::Connected { .. } | Self::Answered { .. })
    }
}

/// One attempt of a client and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempted {
    /// Counted from 0 in the lab.
    pub id: usize,
    /// Where the client ran.
    pub from: Place,
    /// The protocol.
    pub protocol: Protocol,
    /// The client's address. The port of ICMP is its identifier. None when the kernel refused before choosing one.
    pub local: Option<SocketAddr>,
    /// What the client dialled: before any translation. The port of ICMP is 0.
    pub destination: SocketAddr,
    /// What the client saw.
    pub result: Seen,
    /// When it began.
    pub started: Timestamp,
    /// When its outcome was known to the client.
    pub ended: Timestamp,
}

/// The log of all attempts.
#[derive(Debug, Default)]
pub(crate) struct AttemptLog(Mutex<Vec<Attempted>>);

impl AttemptLog {
    /// Enters an attempt and gives it its number.
    pub(crate) fn enter(&self, mut attempt: Attempted) -> Attempted {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        attempt.id = log.len();
        log.push(attempt.clone());
        attempt
    }

    /// All attempts so far.
    pub(crate) fn all(&self) -> Vec<Attempted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
