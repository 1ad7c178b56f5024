//! Packets by chance: few addresses and ports, so that packets meet; every kind of header; and damage.

use crate::packet::{Body, Datagram, Extension, Network, Packet};
use proptest::{
    collection::vec,
    option::weighted,
    prelude::*,
    sample::{Index, select},
};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Packets that belong together.
#[derive(Clone, Debug)]
pub(crate) struct Talk {
    /// Whether closing sockets are told elsewhere.
    pub(crate) sockets_tell: bool,
    pub(crate) steps: Vec<Step>,
}

/// One packet of them.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) packet: Packet,
    /// From the pod, or to it.
    pub(crate) from_pod: bool,
    pub(crate) damage: Vec<Damage>,
    /// How often it comes.
    pub(crate) times: u32,
}

/// What happened to the bytes of a packet.
#[derive(Clone, Debug)]
pub(crate) enum Damage {
    Flip(Index, u8),
    Put(Index, u8),
    Cut(Index),
    Grow(u8),
}

impl Step {
    /// The packet as it crosses the device.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.packet.framed();
        for damage in &self.damage {
            match damage {
                Damage::Flip(at, bit) if !bytes.is_empty() => *at.get_mut(&mut bytes) ^= 1 << bit,
                Damage::Put(at, byte) if !bytes.is_empty() => *at.get_mut(&mut bytes) = *byte,
                Damage::Cut(at) if !bytes.is_empty() => bytes.truncate(at.index(bytes.len())),
                Damage::Grow(by) => bytes.resize(bytes.len() + usize::from(*by), 0),
                _ => {}
            }
        }
        bytes
    }
}

/// Some packets, and some steps that each take one of them, turned or not, whole or damaged.
pub(crate) fn talks() -> impl Strategy<Value = Talk> {
    let times = prop_oneof![4 => Just(1_u32), 1 => 2..40_u32];
    let step = (any::<Index>(), any::<bool>(), any::<bool>(), damages(), times);
    (any::<bool>(), vec(packets(), 1..4), vec(step, 1..10)).prop_map(|(sockets_tell, packets, steps)| {
        let step = |(which, reversed, from_pod, damage, times): (Index, _, _, _, _)| {
            let packet = which.get(&packets);
            let packet = if reversed { packet.reversed() } else { packet.clone() };
            Step { packet, from_pod, damage, times }
        };
        Talk { sockets_tell, steps: steps.into_iter().map(step).collect() }
    })
}

/// Bytes that may begin like a packet.
pub(crate) fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let ether_type = select(vec![0x0800_u16, 0x86dd, 0x8100, 0x88a8, 0x0806, 0xffff]);
    let first = prop_oneof![select(vec![0x45_u8, 0x46, 0x4f, 0x40, 0x60]), any::<u8>()];
    let number = prop_oneof![select(vec![6_u8, 17, 132, 1, 58, 44, 51, 0, 43, 60]), any::<u8>()];
    (vec(any::<u8>(), 14..200), ether_type, first, number).prop_map(
        |(mut bytes, ether_type, first, number)| {
            bytes[12..14].copy_from_slice(&ether_type.to_be_bytes());
            // The protocol stands here in IPv4, and here in IPv6.
            for (at, byte) in [(14, first), (20, 0), (21, 0), (23, number)] {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            if first >> 4 == 6 && bytes.len() > 20 {
                bytes[20] = number;
            }
            bytes
        },
    )
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let damage = prop_oneof![
        (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Put(at, byte)),
        any::<Index>().prop_map(Damage::Cut),
        any::<u8>().prop_map(Damage::Grow),
    ];
    prop_oneof![3 => Just(Vec::new()), 2 => vec(damage, 1..3)]
}

fn packets() -> impl Strategy<Value = Packet> {
    let tag = select(vec![0x8100_u16, 0x88a8]);
    let tags = prop_oneof![6 => Just(Vec::new()), 4 => vec(tag, 1..4)];
    let ether_type = weighted(0.05, select(vec![0x0800, 0x86dd, 0x0806, 0x8864]));
    (tags, ether_type, outer()).prop_map(|(tags, ether_type, datagram)| Packet { tags, ether_type, datagram })
}

fn outer() -> impl Strategy<Value = Datagram> {
    prop_oneof![3 => datagrams(bodies().boxed()), 1 => datagrams(errors().boxed())]
}

fn datagrams(body: BoxedStrategy<Body>) -> impl Strategy<Value = Datagram> {
    let network = prop_oneof![networks_v4().boxed(), networks_v6().boxed()];
    let protocol = weighted(0.05, select(vec![1_u8, 6, 17, 58, 132, 47, 59]));
    let length = weighted(0.1, prop_oneof![0..80_u16, any::<u16>()]);
    (network, protocol, length, body).prop_map(|(network, protocol, length, body)| Datagram {
        network,
        protocol,
        length,
        body,
    })
}

fn networks_v4() -> impl Strategy<Value = Network> {
    let end =
        || select(vec![[10, 0, 0, 1], [10, 0, 0, 2], [192, 0, 2, 255], [0; 4]]).prop_map(Ipv4Addr::from);
    let options = prop_oneof![4 => Just(0_u8), 1 => 1..=10_u8];
    // None, don't fragment, the first of some, a later one, the reserved bit.
    let fragment =
        prop_oneof![6 => select(vec![0_u16, 0x4000, 0x2000, 0x8000]), 1 => select(vec![0x2001, 0x0100, 1])];
    ([end(), end()], options, fragment).prop_map(|(ends, options, fragment)| Network::V4 {
        ends,
        options,
        fragment,
    })
}

fn networks_v6() -> impl Strategy<Value = Network> {
    let end = || {
        let plain = select(vec![0xfd00 << 112 | 1_u128, 0xfd00 << 112 | 2, 1, 0x0a00_0001]);
        let mapped = Just(0xffff_0a00_0001_u128);
        prop_oneof![12 => plain, 1 => mapped].prop_map(Ipv6Addr::from)
    };
    let extension = prop_oneof![
        (select(vec![0_u8, 43, 60]), 0..4_u8).prop_map(|(number, more)| Extension::Blocks { number, more }),
        select(vec![0_u16, 1, 0, 6, 8, 0xfff8]).prop_map(Extension::Fragment),
        (0..6_u8).prop_map(|more| Extension::Authentication { more }),
    ];
    let extensions = prop_oneof![1 => Just(Vec::new()), 1 => vec(extension, 1..6)];
    ([end(), end()], extensions).prop_map(|(ends, extensions)| Network::V6 { ends, extensions })
}

fn ports() -> impl Strategy<Value = [u16; 2]> {
    let port = || select(vec![0_u16, 53, 8080, 40_000, 65_535]);
    [port(), port()]
}

fn bodies() -> impl Strategy<Value = Body> {
    let flags = prop_oneof![select(vec![2_u8, 0x12, 0x11, 0x10, 0x18, 4, 0x14, 0, 0x3f]), any::<u8>()];
    let chunk = prop_oneof![select(vec![1_u8, 2, 0, 6, 10, 11, 3, 14]), any::<u8>()];
    let kind = prop_oneof![4 => select(vec![0_u8, 8, 128, 129]), 1 => any::<u8>()];
    let code = prop_oneof![4 => Just(0_u8), 1 => any::<u8>()];
    let id = select(vec![0_u16, 1, 7]);
    let protocol = prop_oneof![select(vec![47_u8, 50, 2]), any::<u8>()];
    prop_oneof![
        4 => (ports(), any::<u32>(), flags, 0..4_u8)
            .prop_map(|(ports, sequence, flags, payload)| Body::Tcp { ports, sequence, flags, payload }),
        4 => (ports(), 0..60_u8, weighted(0.2, prop_oneof![0..80_u16, any::<u16>()]))
            .prop_map(|(ports, payload, length)| Body::Udp { ports, payload, length }),
        3 => (ports(), chunk).prop_map(|(ports, chunk)| Body::Sctp { ports, chunk }),
        3 => (kind, code, id, 0..60_u8)
            .prop_map(|(kind, code, id, payload)| Body::Icmp { kind, code, id, payload }),
        2 => (protocol, vec(any::<u8>(), 0..40))
            .prop_map(|(protocol, bytes)| Body::Other { protocol, bytes }),
    ]
}

fn errors() -> impl Strategy<Value = Body> {
    // Unreachable, packet too big, time exceeded.
    let kind = prop_oneof![6 => select(vec![3_u8, 1]), 1 => select(vec![2, 11, 3])];
    let quoted = prop_oneof![2 => Just(u16::MAX), 1 => 0..80_u16];
    (kind, 0..17_u8, datagrams(bodies().boxed()), quoted)
        .prop_map(|(kind, code, about, quoted)| Body::Error { kind, code, about: Box::new(about), quoted })
}
