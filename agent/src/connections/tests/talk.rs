//! Two ends that talk, their packets, and where those were seen.

use super::scene::{CLIENT, NODE_NETNS, POD_NETNS, UPLINK};
use crate::event::{
    Address, Crossing, Drop, Event, FiveTuple, Sighting, SocketEnd, SocketOpen, Translation, What,
};
use portolan_policy::Protocol;
use std::net::SocketAddr;

/// Two ends that talk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Talk {
    original: FiveTuple,
    translated: FiveTuple,
    tracked: bool,
}

pub(crate) fn tcp(source: &str, destination: &str) -> Talk {
    talk(Protocol::Tcp, address(source), address(destination))
}

pub(crate) fn udp(source: &str, destination: &str) -> Talk {
    talk(Protocol::Udp, address(source), address(destination))
}

pub(crate) fn ping(source: &str, destination: &str, identifier: u16) -> Talk {
    let end = |ip: &str, port| Address { ip: ip.parse().unwrap(), port };
    talk(Protocol::Icmp, end(source, identifier), end(destination, 0))
}

fn talk(protocol: Protocol, source: Address, destination: Address) -> Talk {
    let original = FiveTuple { protocol, source, destination };
    Talk { original, translated: original, tracked: true }
}

pub(crate) fn address(text: &str) -> Address {
    let address: SocketAddr = text.parse().unwrap();
    Address { ip: address.ip(), port: address.port() }
}

impl Talk {
    /// The destination is translated to a backend.
    pub(crate) fn through_to(mut self, backend: &str) -> Self {
        self.translated.destination = address(backend);
        self
    }

    /// The source is translated: masquerade.
    pub(crate) fn seen_as(mut self, source: &str) -> Self {
        self.translated.source = address(source);
        self
    }

    /// No conntrack entry is read on its packets.
    pub(crate) const fn untracked(mut self) -> Self {
        self.tracked = false;
        self
    }

    /// The five-tuple as the initiator sees it.
    pub(crate) const fn tuple(self) -> FiveTuple {
        self.original
    }

    /// The five-tuple as the destination sees it.
    pub(crate) const fn translated(self) -> FiveTuple {
        self.translated
    }

    pub(crate) const fn syn(self, isn: u32) -> Packet {
        self.there(What::Syn(isn))
    }

    pub(crate) const fn syn_ack(self) -> Packet {
        self.back(What::SynAck)
    }

    pub(crate) const fn first(self) -> Packet {
        self.there(What::First)
    }

    pub(crate) const fn answer(self) -> Packet {
        self.back(What::Answer)
    }

    /// A packet there that a device takes for an answer.
    pub(crate) const fn taken_for_an_answer(self) -> Packet {
        self.there(What::Answer)
    }

    /// A packet back that a device takes for the first one.
    pub(crate) const fn taken_for_the_first(self) -> Packet {
        self.back(What::First)
    }

    pub(crate) const fn fin(self) -> Packet {
        self.there(What::Fin)
    }

    pub(crate) const fn fin_back(self) -> Packet {
        self.back(What::Fin)
    }

    pub(crate) const fn reset(self) -> Packet {
        self.there(What::Reset)
    }

    pub(crate) const fn reset_back(self) -> Packet {
        self.back(What::Reset)
    }

    /// An ICMP unreachable about a packet there.
    pub(crate) fn unreachable(self, by: &str) -> Packet {
        let what = What::Unreachable { by: by.parse().unwrap(), prohibited: false };
        Packet { talk: self, what, about_there: true, goes_there: false }
    }

    /// An ICMP error that says that an administrator forbids a packet there.
    pub(crate) fn prohibited(self, by: &str) -> Packet {
        let what = What::Unreachable { by: by.parse().unwrap(), prohibited: true };
        Packet { talk: self, what, about_there: true, goes_there: false }
    }

    /// An ICMP unreachable about an answer.
    pub(crate) fn answer_unreachable(self, by: &str) -> Packet {
        let what = What::Unreachable { by: by.parse().unwrap(), prohibited: false };
        Packet { talk: self, what, about_there: false, goes_there: true }
    }

    /// The initiator's socket closes after the handshake.
    pub(crate) const fn client_closes(self, packets: u64, bytes: u64) -> Event {
        Event::SocketEnd(closed(self.original, [packets, bytes, 2], 80))
    }

    /// The server's socket completes the handshake.
    pub(crate) const fn server_opens(self) -> Event {
        Event::SocketOpen(SocketOpen { at: 0, tuple: self.translated.reversed() })
    }

    /// The other socket closes.
    pub(crate) const fn server_closes(self, packets: u64, bytes: u64) -> Event {
        Event::SocketEnd(closed(self.translated.reversed(), [packets, bytes, 3], 60))
    }

    /// The initiator's socket closes before the handshake is done.
    pub(crate) const fn client_gives_up(self) -> Event {
        let closed = closed(self.original, [1, 0, 1], 0);
        Event::SocketEnd(SocketEnd { gave_up: true, srtt_us: None, ..closed })
    }

    /// The initiator's socket is turned away after it has sent so many openings.
    pub(crate) const fn client_is_turned_away(self, sent: u64) -> Event {
        let closed = closed(self.original, [sent, 0, sent - 1], 0);
        Event::SocketEnd(SocketEnd { gave_up: true, turned_away: true, sent, srtt_us: None, ..closed })
    }

    const fn there(self, what: What) -> Packet {
        Packet { talk: self, what, about_there: true, goes_there: true }
    }

    const fn back(self, what: What) -> Packet {
        Packet { talk: self, what, about_there: false, goes_there: false }
    }
}

/// What a socket that closes after the handshake says: packets, bytes, retransmits and its smoothed round trip.
const fn closed(tuple: FiveTuple, [packets, bytes, retransmits]: [u64; 3], srtt_us: u64) -> SocketEnd {
    let (gave_up, turned_away, sent) = (false, false, packets);
    SocketEnd {
        at: 0,
        tuple,
        gave_up,
        turned_away,
        sent,
        packets,
        bytes,
        retransmits,
        srtt_us: Some(srtt_us),
    }
}

/// One packet of a talk. An error goes the other way than the packet that it is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    talk: Talk,
    what: What,
    about_there: bool,
    goes_there: bool,
}

impl Packet {
    /// It came out of a device: as its sender made it, ahead of conntrack.
    pub(crate) fn left(self, ifindex: u32) -> Event {
        let tuple = self.oriented(if self.goes_there { self.talk.original } else { self.talk.translated });
        self.sighted(ifindex, Crossing::FromDevice, tuple, None)
    }

    /// It went to a device: translated, with its conntrack entry.
    pub(crate) fn reached(self, ifindex: u32) -> Event {
        let tuple = self.oriented(if self.goes_there { self.talk.translated } else { self.talk.original });
        self.sighted(ifindex, Crossing::ToDevice, tuple, self.translation())
    }

    /// The node drops it on its way, after translation.
    pub(crate) fn dropped(self, reason: u32) -> Event {
        self.drop_at(NODE_NETNS, UPLINK, reason, self.translation())
    }

    /// It is dropped in the network namespace behind a device.
    pub(crate) fn dropped_behind(self, ifindex: u32, reason: u32) -> Event {
        self.drop_at(POD_NETNS, ifindex, reason, None)
    }

    fn drop_at(self, netns: u32, ifindex: u32, reason: u32, translation: Option<Translation>) -> Event {
        let at_client = translation.is_none() && ifindex == CLIENT;
        let there = if at_client { self.talk.original } else { self.talk.translated };
        let syn = match self.what {
            What::Syn(sequence) => Some(sequence),
            _ => None,
        };
        Event::Drop(Drop {
            at: 0,
            tuple: self.oriented(there),
            translation,
            syn,
            is_answer: matches!(self.what, What::SynAck | What::Reset),
            netns,
            ifindex,
            reason,
            location: 0xffff_ffff_8100_0000,
        })
    }

    const fn oriented(self, there: FiveTuple) -> FiveTuple {
        if self.about_there { there } else { there.reversed() }
    }

    fn translation(self) -> Option<Translation> {
        let Talk { original, translated, tracked } = self.talk;
        tracked.then_some(Translation { original, translated, is_reply: !self.about_there })
    }

    const fn sighted(
        self,
        ifindex: u32,
        crossing: Crossing,
        tuple: FiveTuple,
        translation: Option<Translation>,
    ) -> Event {
        let what = self.what;
        Event::Sighting(Sighting { at: 0, what, crossing, ifindex, tuple, translation })
    }
}
