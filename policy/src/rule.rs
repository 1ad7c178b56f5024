//! One rule of a policy: what it matches (N14, C12).

use crate::{
    peer::{Peer, PeerMatch, Surroundings},
    port::{Dialled, PortMatch},
    truth::Truth,
};

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

/// The ports that a rule is about.
#[derive(Clone, Debug)]
pub(crate) enum Ports {
    /// Any port of any protocol (N16).
    Any,
    /// This one: what most rules have.
    One(PortMatch),
    /// One of these.
    Of(Box<[PortMatch]>),
}

impl Peers {
    /// Each as it is written.
    pub(crate) fn as_slice(&self) -> &[PeerMatch] {
        match self {
            Self::Any => &[],
            Self::One(peer) => std::slice::from_ref(peer),
            Self::Of(peers) => peers,
        }
    }
}

impl Ports {
    /// Each as it is written.
    pub(crate) fn as_slice(&self) -> &[PortMatch] {
        match self {
            Self::Any => &[],
            Self::One(port) => std::slice::from_ref(port),
            Self::Of(ports) => ports,
        }
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

impl FromIterator<PortMatch> for Ports {
    /// An empty list restricts nothing.
    fn from_iter<I: IntoIterator<Item = PortMatch>>(ports: I) -> Self {
        let mut ports: Vec<PortMatch> = ports.into_iter().collect();
        match (ports.pop(), ports.is_empty()) {
            (None, _) => Self::Any,
            (Some(port), true) => Self::One(port),
            (last, false) => Self::Of(ports.into_iter().chain(last).collect()),
        }
    }
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
            Peers::One(peer) => peer.matches(&question.peer, question.surroundings),
            Peers::Of(peers) => {
                Truth::any(peers.iter().map(|peer| peer.matches(&question.peer, question.surroundings)))
            }
        }
    }

    /// N16.
    pub(crate) fn matches_port(&self, dialled: &Dialled<'_>) -> Truth {
        match &self.ports {
            Ports::Any => Truth::Yes,
            Ports::One(port) => port.matches(dialled),
            Ports::Of(ports) => Truth::any(ports.iter().map(|port| port.matches(dialled))),
        }
    }
}
