//! A plain packet parser, written from the RFCs: slices and bounds, slow and obvious. It shares nothing
//! with the probes, so that the two are witnesses of each other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address with a port; of an echo, whoever asks has the identifier for it.
pub(crate) type End = (IpAddr, u16);

/// What the probes are to make of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    /// TCP.
    Tcp { ends: [End; 2], flags: u8, sequence: u32 },
    /// A packet of a conversation, and whether it may be the first.
    Talk { protocol: u8, ends: [End; 2], payload: u64, may_open: bool },
    /// SCTP that turns away.
    Abort { ends: [End; 2] },
    /// ICMP destination unreachable, about a packet.
    Unreachable { icmp: [u8; 2], by: IpAddr, protocol: u8, ends: [End; 2] },
}

/// A packet on an Ethernet device.
pub(crate) fn framed(frame: &[u8]) -> Option<Packet> {
    let (mut ether_type, mut rest) = (number(frame, 12)?, frame.get(14..)?);
    for _ in 0..2 {
        if matches!(ether_type, 0x8100 | 0x88a8) {
            (ether_type, rest) = (number(rest, 2)?, rest.get(4..)?);
        }
    }
    match ether_type {
        0x0800 => transport(&ipv4(rest)?),
        0x86dd => transport(&ipv6(rest)?),
        _ => None,
    }
}

/// An IP packet without its headers.
struct Datagram<'a> {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    /// What is there.
    body: &'a [u8],
    /// How much the header says is there.
    length: usize,
    /// Whether more fragments follow.
    more: bool,
}

impl Datagram<'_> {
    fn ends(&self, ports: [u16; 2]) -> [End; 2] {
        [(self.source, ports[0]), (self.destination, ports[1])]
    }
}

/// RFC 791. A fragment after the first has no transport header.
fn ipv4(bytes: &[u8]) -> Option<Datagram<'_>> {
    let header = bytes.get(..20)?;
    let length = usize::from(header[0] & 0xf) * 4;
    if header[0] >> 4 != 4 || length < 20 || number(header, 6)? & 0x1fff != 0 {
        return None;
    }
    let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(header.get(at..at + 4)?).ok()?));
    Some(Datagram {
        source: address(12)?.into(),
        destination: address(16)?.into(),
        protocol: header[9],
        body: bytes.get(length..)?,
        length: usize::from(number(header, 2)?).saturating_sub(length),
        more: number(header, 6)? & 0x2000 != 0,
    })
}

/// RFC 8200, with no more than four extension headers. Mapped addresses (RFC 4291) are on no wire.
fn ipv6(bytes: &[u8]) -> Option<Datagram<'_>> {
    let header = bytes.get(..40)?;
    let address = |at: usize| Some(Ipv6Addr::from(<[u8; 16]>::try_from(header.get(at..at + 16)?).ok()?));
    let (source, destination) = (address(8)?, address(24)?);
    if header[0] >> 4 != 6 || [source, destination].iter().any(|ip| ip.to_ipv4_mapped().is_some()) {
        return None;
    }
    let (mut protocol, mut body, mut more) = (header[6], &bytes[40..], false);
    for _ in 0..4 {
        let length = match protocol {
            0 | 43 | 60 => (usize::from(*body.get(1)?) + 1) * 8,
            44 if number(body, 2)? >> 3 == 0 => 8,
            44 => return None,
            51 => (usize::from(*body.get(1)?) + 2) * 4,
            _ => break,
        };
        more |= protocol == 44 && body[3] & 1 == 1;
        (protocol, body) = (body[0], body.get(length..)?);
    }
    let extensions = bytes.len() - 40 - body.len();
    let length = usize::from(number(header, 4)?).saturating_sub(extensions);
    Some(Datagram { source: source.into(), destination: destination.into(), protocol, body, length, more })
}

/// Headers that are not whole are none.
fn transport(datagram: &Datagram<'_>) -> Option<Packet> {
    let (body, protocol) = (datagram.body, datagram.protocol);
    let ports = || Some([number(body, 0)?, number(body, 2)?]);
    match protocol {
        6 => Some(Packet::Tcp {
            ends: datagram.ends(ports()?),
            flags: *body.get(..20)?.get(13)?,
            sequence: u32::from_be_bytes(body.get(4..8)?.try_into().ok()?),
        }),
        17 => udp(datagram, ports()?),
        132 if body.len() < 16 => None,
        132 if body[12] == 6 => Some(Packet::Abort { ends: datagram.ends(ports()?) }),
        132 => talk(datagram, ports()?, 12, body[12] != 2),
        1 | 58 => icmp(datagram),
        _ => None,
    }
}

/// RFC 768: the length in the header is that of the whole datagram, in however many fragments it comes.
fn udp(datagram: &Datagram<'_>, ports: [u16; 2]) -> Option<Packet> {
    let whole = usize::from(number(datagram.body, 4)?);
    let length = if datagram.more { whole } else { datagram.length };
    talk(&Datagram { length, ..*datagram }, ports, 8, true)
}

fn talk(datagram: &Datagram<'_>, ports: [u16; 2], header: usize, may_open: bool) -> Option<Packet> {
    datagram.body.get(..header)?;
    let payload = datagram.length.checked_sub(header)? as u64;
    Some(Packet::Talk { protocol: datagram.protocol, ends: datagram.ends(ports), payload, may_open })
}

/// RFC 792 and RFC 4443. "Fragmentation needed" turns nobody away.
fn icmp(datagram: &Datagram<'_>) -> Option<Packet> {
    let header = datagram.body.get(..8)?;
    let inner = match (is_of_family(datagram)?, header[0], header[1]) {
        (4, 3, code) if code != 4 => ipv4(&datagram.body[8..])?,
        // RFC 4443, 3.4: "unrecognized next header" is how a host says that it does not speak a protocol.
        (6, 1, _) | (6, 4, 1) => ipv6(&datagram.body[8..])?,
        _ => {
            let request = echo(datagram)?;
            return talk(datagram, asker(request, number(header, 4)?), 8, request);
        }
    };
    inner.body.get(..8)?;
    let ports = match inner.protocol {
        6 | 17 | 132 => [number(inner.body, 0)?, number(inner.body, 2)?],
        _ => asker(echo(&inner)?, number(inner.body, 4)?),
    };
    Some(Packet::Unreachable {
        icmp: [header[0], header[1]],
        by: datagram.source,
        protocol: inner.protocol,
        ends: inner.ends(ports),
    })
}

/// The family of an ICMP message, when it came by its own.
fn is_of_family(datagram: &Datagram<'_>) -> Option<u8> {
    match (datagram.protocol, datagram.source) {
        (1, IpAddr::V4(_)) => Some(4),
        (58, IpAddr::V6(_)) => Some(6),
        _ => None,
    }
}

/// Whether an echo is a request.
fn echo(datagram: &Datagram<'_>) -> Option<bool> {
    match (is_of_family(datagram)?, datagram.body.first()?) {
        (4, 8) | (6, 128) => Some(true),
        (4, 0) | (6, 129) => Some(false),
        _ => None,
    }
}

/// The ports of an echo: its identifier where it was asked for, nothing where it is answered.
fn asker(request: bool, identifier: u16) -> [u16; 2] {
    if request { [identifier, 0] } else { [0, identifier] }
}

/// A number of two bytes in network order.
fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}
