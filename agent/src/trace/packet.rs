//! Whose packet it is that was traced: the headers that the kernel sends along.

use crate::event::{Address, FiveTuple};
use portolan_policy::Protocol;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An opening, or an answer to one, by what tells it from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Packet {
    /// Its five-tuple.
    pub(super) tuple: FiveTuple,
    /// The initial sequence number of the connection's initiator; 0 where there is none.
    pub(super) sequence: u32,
}

impl Packet {
    /// Reads the headers; `None` for a packet that opens nothing and answers no opening.
    pub(super) fn read(network: &[u8], transport: &[u8]) -> Option<Self> {
        let (number, source, destination) = addresses(network)?;
        let protocol = Protocol::from_number(number)?;
        let (ports, sequence) = match protocol {
            Protocol::Tcp => (ports(transport)?, connection(transport)?),
            Protocol::Udp | Protocol::Sctp => (ports(transport)?, 0),
            Protocol::Icmp => ([echo(transport, 8)?, 0], 0),
            Protocol::Icmpv6 => ([echo(transport, 128)?, 0], 0),
        };
        let tuple = FiveTuple {
            protocol,
            source: Address { ip: source, port: ports[0] },
            destination: Address { ip: destination, port: ports[1] },
        };
        Some(Self { tuple, sequence })
    }
}

/// Protocol number, source and destination of a header without extensions.
fn addresses(network: &[u8]) -> Option<(u8, IpAddr, IpAddr)> {
    match network.first()? >> 4 {
        4 => {
            let at = |offset: usize| Some(Ipv4Addr::from(*network.get(offset..)?.first_chunk::<4>()?).into());
            Some((*network.get(9)?, at(12)?, at(16)?))
        }
        6 => {
            let at = |offset: usize| {
                let ip = Ipv6Addr::from(*network.get(offset..)?.first_chunk::<16>()?);
                Some(ip.to_canonical())
            };
            Some((*network.get(6)?, at(8)?, at(24)?))
        }
        _ => None,
    }
}

fn ports(transport: &[u8]) -> Option<[u16; 2]> {
    let [a, b, c, d] = *transport.first_chunk()?;
    Some([[a, b], [c, d]].map(u16::from_be_bytes))
}

/// The initiator's first number: a SYN carries it, and its answer one more.
fn connection(transport: &[u8]) -> Option<u32> {
    const SYN: u8 = 0x02;
    const ACK: u8 = 0x10;
    let number = |offset: usize| Some(u32::from_be_bytes(*transport.get(offset..)?.first_chunk()?));
    match transport.get(13)? & (SYN | ACK) {
        SYN => number(4),
        flags if flags == SYN | ACK => Some(number(8)?.wrapping_sub(1)),
        _ => None,
    }
}

/// The identifier of an echo, which stands for the port of whoever asks.
fn echo(transport: &[u8], request: u8) -> Option<u16> {
    let [kind, _, _, _, a, b] = *transport.first_chunk()?;
    (kind == request).then_some(u16::from_be_bytes([a, b]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn v4(protocol: u8) -> Vec<u8> {
        let mut header = vec![0x45, 0, 0, 60, 0, 0, 0, 0, 64, protocol, 0, 0];
        header.extend([10, 0, 0, 2, 10, 0, 0, 3]);
        header
    }

    fn v6(protocol: u8) -> Vec<u8> {
        let mut header = vec![0x60, 0, 0, 0, 0, 20, protocol, 64];
        for last in [2, 3] {
            header.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
        }
        header
    }

    fn tcp(flags: u8, sequence: u32, acknowledged: u32) -> Vec<u8> {
        let mut header = [40000_u16.to_be_bytes(), 80_u16.to_be_bytes()].concat();
        header.extend(sequence.to_be_bytes());
        header.extend(acknowledged.to_be_bytes());
        header.extend([0x50, flags, 0, 0, 0, 0, 0, 0]);
        header
    }

    #[test]
    fn a_syn_and_its_answer_have_the_same_number() {
        let opening = Packet::read(&v4(6), &tcp(0x02, 7, 0)).unwrap();
        assert_eq!(opening.sequence, 7);
        assert_eq!(opening.tuple.source, Address { ip: "10.0.0.2".parse().unwrap(), port: 40000 });
        assert_eq!(opening.tuple.destination, Address { ip: "10.0.0.3".parse().unwrap(), port: 80 });
        assert_eq!(Packet::read(&v4(6), &tcp(0x12, 99, 8)).unwrap().sequence, 7);
        assert_eq!(Packet::read(&v4(6), &tcp(0x12, 99, 0)).unwrap().sequence, u32::MAX);
        assert_eq!(Packet::read(&v4(6), &tcp(0x10, 99, 8)), None, "the middle of a connection");
    }

    #[test]
    fn an_echo_has_its_identifier_for_its_port_in_both_families() {
        for (network, kind) in [(v4(1), 8), (v6(58), 128)] {
            let packet = Packet::read(&network, &[kind, 0, 0, 0, 0x12, 0x34, 0, 1]).unwrap();
            assert_eq!([packet.tuple.source.port, packet.tuple.destination.port], [0x1234, 0]);
            assert_eq!(Packet::read(&network, &[kind + 1, 0, 0, 0, 0x12, 0x34, 0, 1]), None, "an answer");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_read_without_harm(network: Vec<u8>, transport: Vec<u8>) {
            Packet::read(&network, &transport);
        }

        #[test]
        fn ports_are_where_they_are_whatever_is_around_them(
            source: u16, destination: u16, rest in prop::collection::vec(any::<u8>(), 0..16),
            protocol in prop::sample::select(vec![17_u8, 132]), family in any::<bool>(),
        ) {
            let network = if family { v4(protocol) } else { v6(protocol) };
            let transport = [&source.to_be_bytes()[..], &destination.to_be_bytes(), &rest].concat();
            let packet = Packet::read(&network, &transport).unwrap();
            prop_assert_eq!([packet.tuple.source.port, packet.tuple.destination.port], [source, destination]);
            prop_assert_eq!(packet.tuple.protocol.number(), protocol);
        }
    }
}
