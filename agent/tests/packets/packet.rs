//! Packets as they are meant, to be written out as bytes: right ones, and some that lie.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A packet on an Ethernet device.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    /// The tags, by their EtherTypes.
    pub(crate) tags: Vec<u16>,
    /// The EtherType, when it is not what the network header asks for.
    pub(crate) ether_type: Option<u16>,
    pub(crate) datagram: Datagram,
}

/// An IP packet.
#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    pub(crate) network: Network,
    /// The protocol, when it is not what the body is.
    pub(crate) protocol: Option<u8>,
    /// The length, when it is not true.
    pub(crate) length: Option<u16>,
    pub(crate) body: Body,
}

/// An IP header.
#[derive(Clone, Debug)]
pub(crate) enum Network {
    /// With so many words of options, and the two bytes of flags and fragment offset.
    V4 { ends: [Ipv4Addr; 2], options: u8, fragment: u16 },
    /// With extension headers.
    V6 { ends: [Ipv6Addr; 2], extensions: Vec<Extension> },
}

/// An extension header of IPv6.
#[derive(Clone, Debug)]
pub(crate) enum Extension {
    /// Hop-by-hop (0), routing (43) or destination options (60), with so many blocks of eight bytes more.
    Blocks { number: u8, more: u8 },
    /// The fragment header: offset and flags.
    Fragment(u16),
    /// Authentication, with so many words more.
    Authentication { more: u8 },
}

/// What is in an IP packet.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Tcp {
        ports: [u16; 2],
        sequence: u32,
        flags: u8,
        payload: u8,
    },
    /// With the length in the header, when it is not that of the payload.
    Udp {
        ports: [u16; 2],
        payload: u8,
        length: Option<u16>,
    },
    Sctp {
        ports: [u16; 2],
        chunk: u8,
    },
    Icmp {
        kind: u8,
        code: u8,
        id: u16,
        payload: u8,
    },
    /// An ICMP error about a packet, of which so many bytes are quoted.
    Error {
        kind: u8,
        code: u8,
        about: Box<Datagram>,
        quoted: u16,
    },
    Other {
        protocol: u8,
        bytes: Vec<u8>,
    },
}

impl Packet {
    /// The frame.
    pub(crate) fn framed(&self) -> Vec<u8> {
        let own = match self.datagram.network {
            Network::V4 { .. } => 0x0800,
            Network::V6 { .. } => 0x86dd,
        };
        let mut frame = vec![0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2];
        for tag in &self.tags {
            frame.extend(tag.to_be_bytes());
            frame.extend([0, 7]);
        }
        frame.extend(self.ether_type.unwrap_or(own).to_be_bytes());
        frame.extend(self.datagram.bytes());
        frame
    }

    /// The answer to it.
    pub(crate) fn reversed(&self) -> Self {
        let mut answer = self.clone();
        match &mut answer.datagram.network {
            Network::V4 { ends, .. } => ends.reverse(),
            Network::V6 { ends, .. } => ends.reverse(),
        }
        match &mut answer.datagram.body {
            Body::Tcp { ports, .. } | Body::Udp { ports, .. } | Body::Sctp { ports, .. } => ports.reverse(),
            Body::Icmp { kind, .. } => *kind = answered(*kind),
            Body::Error { .. } | Body::Other { .. } => {}
        }
        answer
    }
}

/// The type of an echo that answers another, and the other way round.
fn answered(kind: u8) -> u8 {
    match kind {
        0 => 8,
        8 => 0,
        128 => 129,
        129 => 128,
        other => other,
    }
}

impl Datagram {
    fn bytes(&self) -> Vec<u8> {
        let is_v6 = matches!(self.network, Network::V6 { .. });
        let body = self.body.bytes();
        let protocol = self.protocol.unwrap_or_else(|| self.body.protocol(is_v6));
        match &self.network {
            Network::V4 { ends, options, fragment } => {
                let length = 20 + u16::from(*options) * 4;
                let total = self.length.unwrap_or(length + body.len() as u16);
                let mut bytes = vec![0x45 + options, 0];
                bytes.extend(total.to_be_bytes());
                bytes.extend([0, 1]);
                bytes.extend(fragment.to_be_bytes());
                bytes.extend([64, protocol, 0, 0]);
                bytes.extend(ends.iter().flat_map(Ipv4Addr::octets));
                // "No operation".
                bytes.resize(length.into(), 1);
                [bytes, body].concat()
            }
            Network::V6 { ends, extensions } => {
                let (next, chain) = chain(extensions, protocol);
                let length = self.length.unwrap_or((chain.len() + body.len()) as u16);
                let mut bytes = vec![0x60, 0, 0, 0];
                bytes.extend(length.to_be_bytes());
                bytes.extend([next, 64]);
                bytes.extend(ends.iter().flat_map(Ipv6Addr::octets));
                [bytes, chain, body].concat()
            }
        }
    }
}

/// The number of the first header of a chain before `protocol`, and the chain.
fn chain(extensions: &[Extension], protocol: u8) -> (u8, Vec<u8>) {
    extensions.iter().rev().fold((protocol, Vec::new()), |(next, rest), extension| {
        let (number, mut bytes) = match extension {
            Extension::Blocks { number, more } => {
                let mut bytes = vec![next, *more];
                bytes.resize((usize::from(*more) + 1) * 8, 0);
                (*number, bytes)
            }
            Extension::Fragment(offset) => {
                let [high, low] = offset.to_be_bytes();
                (44, vec![next, 0, high, low, 0, 0, 0, 1])
            }
            Extension::Authentication { more } => {
                let mut bytes = vec![next, *more];
                bytes.resize((usize::from(*more) + 2) * 4, 0);
                (51, bytes)
            }
        };
        bytes.extend(rest);
        (number, bytes)
    })
}

impl Body {
    fn protocol(&self, is_v6: bool) -> u8 {
        match self {
            Self::Tcp { .. } => 6,
            Self::Udp { .. } => 17,
            Self::Sctp { .. } => 132,
            Self::Icmp { .. } | Self::Error { .. } if is_v6 => 58,
            Self::Icmp { .. } | Self::Error { .. } => 1,
            Self::Other { protocol, .. } => *protocol,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Tcp { ports, sequence, flags, payload } => {
                let mut bytes = ports_of(*ports);
                bytes.extend(sequence.to_be_bytes());
                bytes.extend([0, 0, 0, 0, 0x50, *flags, 0xff, 0xff, 0, 0, 0, 0]);
                padded(bytes, *payload)
            }
            Self::Udp { ports, payload, length } => {
                let mut bytes = ports_of(*ports);
                bytes.extend(length.unwrap_or(8 + u16::from(*payload)).to_be_bytes());
                bytes.extend([0, 0]);
                padded(bytes, *payload)
            }
            Self::Sctp { ports, chunk } => {
                let mut bytes = ports_of(*ports);
                bytes.extend([0, 0, 0, 9, 0, 0, 0, 0]);
                bytes.extend([*chunk, 0, 0, 4]);
                bytes
            }
            Self::Icmp { kind, code, id, payload } => {
                let [high, low] = id.to_be_bytes();
                padded(vec![*kind, *code, 0, 0, high, low, 0, 1], *payload)
            }
            Self::Error { kind, code, about, quoted } => {
                let mut bytes = vec![*kind, *code, 0, 0, 0, 0, 0, 0];
                bytes.extend(about.bytes().into_iter().take((*quoted).into()));
                bytes
            }
            Self::Other { bytes, .. } => bytes.clone(),
        }
    }
}

fn ports_of(ports: [u16; 2]) -> Vec<u8> {
    ports.into_iter().flat_map(u16::to_be_bytes).collect()
}

fn padded(mut bytes: Vec<u8>, payload: u8) -> Vec<u8> {
    bytes.resize(bytes.len() + usize::from(payload), 0x5a);
    bytes
}
