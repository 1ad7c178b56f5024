//! One rule of a policy: what it matches (N14, C12).

use crate::{
    peer::{Peer, PeerMatch, Surroundings},
    port::{Dialled, PortMatch},
    truth::Truth,
};
use smallvec::SmallVec;

/// Matches what one of its peers and one of its ports match.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Who is matched.
    pub(crate) peers: Peers,
    /// Which ports; an empty list restricts nothing (N16).
    pub(crate) ports: SmallVec<[PortMatch; 1]>,
}

/// Who a rule is about.
#[derive(Clone, Debug)]
pub(crate) enum Peers {
    /// Any peer at all (N12).
    Any,
    /// One of these.
    Of(SmallVec<[PeerMatch; 1]>),
}

/// What a rule is asked: who is at the other end, and which port of the destination is dialled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a, S> {
    pub(crate) peer: Peer<'a>,
    pub(crate) dialled: Dialled<'a>,
    pub(crate) surroundings: &'a S,
}

impl Rule {
    pub(crate) fn matches<S: Surroundings>(&self, question: &Question<'_, S>) -> Truth {
        match self.matches_port(&question.dialled) {
            Truth::No => Truth::No,
            Truth::Yes => self.matches_peer(question),
            unknown @ Truth::Unknown(_) => self.matches_peer(question).and(|| unknown),
        }
    }

    /// N12.
    pub(crate) fn matches_peer<S: Surroundings>(&self, question: &Question<'_, S>) -> Truth {
        match &self.peers {
            Peers::Any => Truth::Yes,
            Peers::Of(peers) => {
                Truth::any(peers.iter().map(|peer| peer.matches(&question.peer, question.surroundings)))
            }
        }
    }

    /// N16.
    pub(crate) fn matches_port(&self, dialled: &Dialled<'_>) -> Truth {
        if self.ports.is_empty() {
            return Truth::Yes;
        }
        Truth::any(self.ports.iter().map(|port| port.matches(dialled)))
    }
}
