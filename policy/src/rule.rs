//! One rule of a policy: what it matches (N14, C12).

use crate::{
    marks::Marks,
    peer::{Peer, PeerMatch, Surroundings},
    port::{Dialled, PortMatch},
    truth::Truth,
};
use smallvec::SmallVec;
use std::ops::BitAnd;

/// Matches what one of its peers and one of its ports match.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Who is matched.
    pub(crate) peers: Peers,
    /// Which ports.
    pub(crate) ports: Ports,
}

/// Who a rule is about.
#[derive(Clone, Debug)]
pub(crate) enum Peers {
    /// Any peer at all (N12).
    Any,
    /// This one: what most rules have.
    One(PeerMatch),
    /// One of these.
    Of(Box<[PeerMatch]>),
}

/// The ports that a rule is about; an empty list restricts nothing (N16).
pub(crate) type Ports = SmallVec<[PortMatch; 2]>;

impl Peers {
    /// Each as it is written.
    pub(crate) fn as_slice(&self) -> &[PeerMatch] {
        match self {
            Self::Any => &[],
            Self::One(peer) => std::slice::from_ref(peer),
            Self::Of(peers) => peers,
        }
    }

    /// What whoever they match carries.
    pub(crate) fn needs(&self) -> Marks {
        self.as_slice().iter().map(PeerMatch::needs).reduce(BitAnd::bitand).unwrap_or(Marks::NONE)
    }
}

impl FromIterator<PeerMatch> for Peers {
    fn from_iter<I: IntoIterator<Item = PeerMatch>>(peers: I) -> Self {
        let mut peers: Vec<PeerMatch> = peers.into_iter().collect();
        match (peers.pop(), peers.is_empty()) {
            (Some(peer), true) => Self::One(peer),
            (last, _) => Self::Of(peers.into_iter().chain(last).collect()),
        }
    }
}

/// What a rule is asked: who is at the other end, and which port of the destination is dialled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a, S> {
    pub(crate) peer: Peer<'a>,
    /// What the peer carries.
    pub(crate) marks: Marks,
    pub(crate) dialled: Dialled<'a>,
    pub(crate) surroundings: &'a S,
}

impl Rule {
    pub(crate) fn matches<S: Surroundings>(&self, question: &Question<'_, S>) -> Truth {
        if question.surroundings.hidden_behind().is_some() {
            return self.matches_hidden(question);
        }
        match self.matches_port(&question.dialled) {
            Truth::No => Truth::No,
            Truth::Yes => self.matches_peer(question),
            unknown @ Truth::Unknown(_) => self.matches_peer(question).and(|| unknown),
        }
    }

    /// Of whoever stands behind a service, only the family and the protocol are known.
    fn matches_hidden<S>(&self, question: &Question<'_, S>) -> Truth {
        let ip = question.peer.ip;
        let peers = match &self.peers {
            Peers::Any => Truth::Yes,
            peers => Truth::any(peers.as_slice().iter().map(|peer| peer.matches_hidden(ip))),
        };
        let protocol = question.dialled.protocol;
        peers.and(|| match self.ports.as_slice() {
            [] => Truth::Yes,
            ports => Truth::any(ports.iter().map(|port| port.matches_hidden(protocol))),
        })
    }

    /// N12.
    pub(crate) fn matches_peer<S: Surroundings>(&self, question: &Question<'_, S>) -> Truth {
        match &self.peers {
            Peers::Any => Truth::Yes,
            Peers::One(peer) => peer.matches(&question.peer, question.surroundings),
            Peers::Of(peers) => {
                Truth::any(peers.iter().map(|peer| peer.matches(&question.peer, question.surroundings)))
            }
        }
    }

    /// N16.
    pub(crate) fn matches_port(&self, dialled: &Dialled<'_>) -> Truth {
        match self.ports.as_slice() {
            [] => Truth::Yes,
            ports => Truth::any(ports.iter().map(|port| port.matches(dialled))),
        }
    }
}
