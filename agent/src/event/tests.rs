//! Records of the ring, as the probes write them and as nobody should.

use super::*;
use bytemuck::Zeroable as _;
use portolan_ebpf_types::{
    ConntrackTuple, ConversationKey, Drop as RawDrop, Head, SocketEnd as RawEnd, Translated, Tuple,
    Unreachable,
};
use proptest::{array::uniform16, collection::vec, prelude::*};

const RST: u8 = tcp_flags::RST;
const SYN: u8 = tcp_flags::SYN;
const ACK: u8 = tcp_flags::ACK;
const FIN: u8 = tcp_flags::FIN;

fn bytes(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&ip.octets());
            bytes
        }
        IpAddr::V6(ip) => ip.octets(),
    }
}

fn raw_tuple(source: &str, destination: &str) -> Tuple {
    let end = |text: &str| text.parse::<std::net::SocketAddr>().unwrap();
    let (source, destination) = (end(source), end(destination));
    Tuple {
        source: bytes(source.ip()),
        destination: bytes(destination.ip()),
        source_port: source.port(),
        destination_port: destination.port(),
        reserved: 0,
    }
}

fn address(text: &str) -> Address {
    let end: std::net::SocketAddr = text.parse().unwrap();
    Address { ip: end.ip(), port: end.port() }
}

fn tuple(protocol: Protocol, source: &str, destination: &str) -> FiveTuple {
    FiveTuple { protocol, source: address(source), destination: address(destination) }
}

/// A TCP packet on its way to a pod.
fn packet(flags: u8) -> Head {
    Head {
        kind: kind::CONNECTION,
        protocol: 6,
        family: 4,
        direction: direction::TO_DEVICE,
        flags,
        time_ns: 5,
        ifindex: 3,
        sequence: 77,
        tuple: raw_tuple("10.0.0.2:40000", "10.0.0.3:8080"),
        conntrack_info: NO_CONNTRACK,
        ..Head::zeroed()
    }
}

/// What conntrack keeps: both directions, in network order.
fn entry(original: [&str; 2], reply: [&str; 2]) -> raw::Translation {
    let tuple = |[source, destination]: [&str; 2]| {
        let Tuple { source, destination, source_port, destination_port, .. } = raw_tuple(source, destination);
        ConntrackTuple {
            source,
            destination,
            source_port: source_port.to_be_bytes(),
            destination_port: destination_port.to_be_bytes(),
            ..ConntrackTuple::zeroed()
        }
    };
    raw::Translation { original: tuple(original), reply: tuple(reply) }
}

fn translated(head: Head, conntrack_info: u8, original: [&str; 2], reply: [&str; 2]) -> Translated {
    Translated { head: Head { conntrack_info, ..head }, translation: entry(original, reply) }
}

fn sighted(raw: &impl bytemuck::NoUninit) -> Sighting {
    match Event::decode(bytemuck::bytes_of(raw)) {
        Some(Event::Sighting(sighting)) => sighting,
        other => panic!("{other:?} is no sighting"),
    }
}

fn dropped(raw: &RawDrop) -> Drop {
    match Event::decode(bytemuck::bytes_of(raw)) {
        Some(Event::Drop(drop)) => drop,
        other => panic!("{other:?} is no drop"),
    }
}

#[test]
fn tcp_flags_say_what_a_packet_is() {
    let cases = [
        (SYN, What::Syn(77)),
        (SYN | ACK, What::SynAck),
        (FIN, What::Fin),
        (FIN | ACK, What::Fin),
        (RST, What::Reset),
        (RST | ACK, What::Reset),
        (RST | SYN | FIN, What::Reset),
    ];
    for (flags, what) in cases {
        assert_eq!(sighted(&packet(flags)).what, what, "flags {flags:#x}");
    }
    assert_eq!(Event::decode(bytemuck::bytes_of(&packet(ACK))), None, "data is no event");
}

#[test]
fn a_syn_through_a_service_shows_both_names_of_the_connection() {
    let original = ["10.0.0.2:40000", "10.96.0.7:80"];
    let raw = translated(packet(SYN), 2, original, ["10.0.0.3:8080", "10.0.0.2:40000"]);
    let expected = Sighting {
        at: 5,
        what: What::Syn(77),
        crossing: Crossing::ToDevice,
        ifindex: 3,
        tuple: tuple(Protocol::Tcp, "10.0.0.2:40000", "10.0.0.3:8080"),
        translation: Some(Translation {
            original: tuple(Protocol::Tcp, "10.0.0.2:40000", "10.96.0.7:80"),
            translated: tuple(Protocol::Tcp, "10.0.0.2:40000", "10.0.0.3:8080"),
            is_reply: false,
        }),
    };
    assert_eq!(sighted(&raw), expected);
}

#[test]
fn the_direction_of_a_packet_is_conntracks() {
    for (info, is_reply) in [(0, false), (1, false), (2, false), (3, true), (4, true), (7, true)] {
        let ends = ["10.0.0.2:40000", "10.0.0.3:8080"];
        let raw = translated(packet(SYN | ACK), info, ends, ["10.0.0.3:8080", "10.0.0.2:40000"]);
        let translation = sighted(&raw).translation.expect("it has an entry");
        assert_eq!(translation.is_reply, is_reply, "ctinfo {info}");
    }
}

#[test]
fn an_error_goes_against_the_packet_that_it_is_about() {
    let mut offender = [0; 16];
    offender[..4].copy_from_slice(&[10, 0, 0, 1]);
    let raw = Unreachable {
        head: Head { kind: kind::UNREACHABLE, icmp: [3, 1], conntrack_info: 4, ..packet(0) },
        translation: entry(["10.0.0.2:40000", "10.0.0.3:8080"], ["10.0.0.3:8080", "10.0.0.2:40000"]),
        offender,
    };
    let sighting = sighted(&raw);
    assert_eq!(sighting.what, What::Unreachable { by: "10.0.0.1".parse().unwrap(), prohibited: false });
    assert!(!sighting.translation.expect("it has an entry").is_reply, "the tuple is the opening's");

    let by: IpAddr = "fd00::1".parse().unwrap();
    let raw = Unreachable { head: Head { icmp: [1, 1], ..raw.head }, offender: bytes(by), ..raw };
    assert_eq!(sighted(&raw).what, What::Unreachable { by, prohibited: true });
}

#[test]
fn an_echo_keeps_its_identifier_and_not_the_type_and_code_that_conntrack_has_beside_it() {
    let tuple_seen = raw_tuple("10.0.0.3:0", "10.0.0.2:7");
    let head = Head { kind: kind::ANSWER, protocol: 1, tuple: tuple_seen, ..packet(0) };
    let raw = translated(head, 3, ["10.0.0.2:7", "10.0.0.3:2048"], ["10.0.0.3:7", "10.0.0.2:0"]);
    let translation = sighted(&raw).translation.expect("it has an entry");
    let echo = tuple(Protocol::Icmp, "10.0.0.2:7", "10.0.0.3:0");
    assert_eq!(translation, Translation { original: echo, translated: echo, is_reply: true });
}

#[test]
fn an_echo_whose_identifier_was_translated_keeps_both() {
    let tuple_seen = raw_tuple("192.0.2.9:0", "10.0.0.2:7");
    let head = Head { kind: kind::ANSWER, protocol: 1, tuple: tuple_seen, ..packet(0) };
    let raw = translated(head, 3, ["10.0.0.2:7", "192.0.2.9:2048"], ["192.0.2.9:900", "10.0.0.1:0"]);
    let translation = sighted(&raw).translation.expect("it has an entry");
    assert_eq!(translation.original, tuple(Protocol::Icmp, "10.0.0.2:7", "192.0.2.9:0"));
    assert_eq!(translation.translated, tuple(Protocol::Icmp, "10.0.0.1:900", "192.0.2.9:0"));
}

#[test]
fn addresses_of_either_family_are_read_and_mapped_ones_are_ipv4() {
    let v6 = Head { family: 6, tuple: raw_tuple("[fd00::2]:40000", "[fd00::3]:80"), ..packet(SYN) };
    assert_eq!(sighted(&v6).tuple, tuple(Protocol::Tcp, "[fd00::2]:40000", "[fd00::3]:80"));
    let mapped = raw_tuple("[::ffff:10.0.0.2]:40000", "[::ffff:10.0.0.3]:8080");
    let seen = sighted(&Head { family: 6, tuple: mapped, ..packet(SYN) }).tuple;
    assert_eq!(seen, sighted(&packet(SYN)).tuple);
}

#[test]
fn a_dropped_packet_is_an_opening_an_answer_or_neither() {
    let drop = |flags, protocol| {
        let kind = kind::DROP;
        let direction = direction::NONE;
        let head = Head { kind, direction, protocol, netns: 9, ..packet(flags) };
        dropped(&RawDrop { head, reason: 12, location: 4, ..RawDrop::zeroed() })
    };
    assert_eq!((drop(SYN, 6).syn, drop(SYN, 6).is_answer), (Some(77), false));
    assert_eq!((drop(SYN | ACK, 6).syn, drop(SYN | ACK, 6).is_answer), (None, true));
    assert_eq!((drop(RST, 6).syn, drop(RST | ACK, 6).is_answer), (None, true));
    assert_eq!((drop(SYN, 17).syn, drop(SYN | ACK, 17).is_answer), (None, false), "UDP has no flags");
    assert_eq!((drop(SYN, 6).reason, drop(SYN, 6).netns, drop(SYN, 6).location), (12, 9, 4));
}

#[test]
fn a_socket_that_never_got_beyond_its_opening_gave_up() {
    let end = |old_state, srtt_us| {
        let raw = RawEnd {
            kind: kind::SOCKET_END,
            old_state,
            family: 4,
            time_ns: 8,
            segments_in: 4,
            segments_out: 5,
            bytes_sent: 100,
            bytes_received: u64::MAX,
            retransmits: 3,
            srtt_us,
            tuple: raw_tuple("10.0.0.2:40000", "10.0.0.3:80"),
            ..RawEnd::zeroed()
        };
        match Event::decode(bytemuck::bytes_of(&raw)) {
            Some(Event::SocketEnd(end)) => end,
            other => panic!("{other:?} is no socket end"),
        }
    };
    let tuple = tuple(Protocol::Tcp, "10.0.0.2:40000", "10.0.0.3:80");
    let expected = SocketEnd {
        at: 8,
        tuple,
        gave_up: true,
        turned_away: false,
        sent: 5,
        packets: 9,
        bytes: u64::MAX,
        retransmits: 3,
        srtt_us: None,
    };
    assert_eq!(end(SYN_SENT, 0), expected);
    assert_eq!(end(1, 95), SocketEnd { gave_up: false, srtt_us: Some(95), ..expected });
}

#[test]
fn a_socket_was_turned_away_by_an_error_that_somebody_sent() {
    let end = |error: i32| {
        let tuple = raw_tuple("10.0.0.2:40000", "10.0.0.3:80");
        let error = u8::try_from(error).unwrap();
        let raw = RawEnd { kind: kind::SOCKET_END, family: 4, error, tuple, ..RawEnd::zeroed() };
        match Event::decode(bytemuck::bytes_of(&raw)) {
            Some(Event::SocketEnd(end)) => end.turned_away,
            other => panic!("{other:?} is no socket end"),
        }
    };
    let sent = [libc::ECONNREFUSED, libc::EHOSTUNREACH, libc::ENETUNREACH, libc::ENOPROTOOPT, libc::EACCES];
    assert!(sent.into_iter().all(end));
    assert!(![0, libc::ETIMEDOUT, libc::EPIPE, libc::ECONNABORTED].into_iter().any(end));
}

#[test]
fn what_this_version_does_not_know_is_nothing() {
    let unknown = [
        Head { kind: 0, ..packet(SYN) },
        Head { kind: 99, ..packet(SYN) },
        Head { direction: direction::NONE, ..packet(SYN) },
        Head { direction: 9, ..packet(SYN) },
        Head { protocol: 47, ..packet(SYN) },
    ];
    for raw in unknown {
        assert_eq!(Event::decode(bytemuck::bytes_of(&raw)), None, "{raw:?}");
    }
    let unknown =
        RawDrop { head: Head { protocol: 47, kind: kind::DROP, ..packet(SYN) }, ..RawDrop::zeroed() };
    assert_eq!(Event::decode(bytemuck::bytes_of(&unknown)), None);
    assert_eq!(Event::decode(&[]), None);
    let whole = bytemuck::bytes_of(&packet(SYN)).to_vec();
    assert_eq!(Event::decode(&whole[..whole.len() - 1]), None, "cut short");
    assert_eq!(Event::decode(&[&whole[..], &[0]].concat()), None, "too long");
}

/// Canonical addresses of one family.
fn ips() -> impl Strategy<Value = [IpAddr; 2]> {
    let v4 = any::<[[u8; 4]; 2]>().prop_map(|pair| pair.map(IpAddr::from));
    let v6 = any::<[[u8; 16]; 2]>().prop_map(|pair| pair.map(IpAddr::from));
    let v6 = v6.prop_filter("mapped ones are IPv4", |pair| pair.iter().all(|ip| ip.to_canonical() == *ip));
    prop_oneof![v4, v6]
}

/// The lengths that a record of this kind may have.
fn lengths(kind: u8) -> Vec<usize> {
    match kind {
        kind::SOCKET_END => vec![size_of::<RawEnd>()],
        kind::SOCKET_OPEN => vec![size_of::<Head>()],
        kind::DROP => vec![size_of::<RawDrop>()],
        kind::UNREACHABLE => vec![size_of::<Unreachable>()],
        _ => vec![size_of::<Head>(), size_of::<Translated>()],
    }
}

proptest! {
    #[test]
    fn any_bytes_are_an_event_or_nothing(bytes in vec(any::<u8>(), 0..400)) {
        if let Some(event) = Event::decode(&bytes) {
            prop_assert!(lengths(bytes[0]).contains(&bytes.len()), "{:?}", event);
        }
    }

    #[test]
    fn any_bytes_of_the_right_length_keep_their_time(
        kind in 0..8_u8,
        direction in 0..4_u8,
        protocol in proptest::sample::select(vec![1_u8, 6, 17, 58, 132]),
        rest in vec(any::<u8>(), 400),
    ) {
        let bytes = [&[kind, protocol, 4, direction], &rest[..]].concat();
        let at = u64::from_ne_bytes(bytes[8..16].try_into().unwrap());
        for length in lengths(kind) {
            match Event::decode(&bytes[..length]) {
                Some(Event::Sighting(Sighting { at: told, .. }) | Event::Drop(Drop { at: told, .. })
                    | Event::SocketOpen(SocketOpen { at: told, .. })
                    | Event::SocketEnd(SocketEnd { at: told, .. })) => prop_assert_eq!(told, at),
                None => {}
            }
        }
    }

    #[test]
    fn constructed_packets_come_back_as_they_were(
        ips in ips(),
        ports in any::<[u16; 2]>(),
        protocol in proptest::sample::select(Protocol::ALL.to_vec()),
        what in prop_oneof![Just(What::First), Just(What::Answer)],
        crossing in prop_oneof![Just(Crossing::FromDevice), Just(Crossing::ToDevice)],
        at in any::<u64>(),
        ifindex in any::<u32>(),
    ) {
        let family = if ips[0].is_ipv4() { 4 } else { 6 };
        let raw = Head {
            kind: if what == What::First { kind::FIRST } else { kind::ANSWER },
            protocol: protocol.number(),
            family,
            direction: match crossing {
                Crossing::FromDevice => direction::FROM_DEVICE,
                Crossing::ToDevice => direction::TO_DEVICE,
            },
            time_ns: at,
            ifindex,
            tuple: Tuple {
                source: bytes(ips[0]),
                destination: bytes(ips[1]),
                source_port: ports[0],
                destination_port: ports[1], reserved: 0 },
            conntrack_info: NO_CONNTRACK,
            ..Head::zeroed()
        };
        let end = |index: usize| Address { ip: ips[index], port: ports[index] };
        let tuple = FiveTuple { protocol, source: end(0), destination: end(1) };
        let expected = Sighting { at, what, crossing, ifindex, tuple, translation: None };
        prop_assert_eq!(sighted(&raw), expected);
        prop_assert_eq!(tuple.reversed().reversed(), tuple);
    }

    #[test]
    fn both_directions_of_a_conversation_have_one_key(
        source in uniform16(any::<u8>()),
        destination in uniform16(any::<u8>()),
        ports in any::<[u16; 2]>(),
    ) {
        let there = Tuple { source, destination, source_port: ports[0], destination_port: ports[1], reserved: 0 };
        let (mut key_there, mut key_back) = (ConversationKey::default(), ConversationKey::default());
        let first_there = key_there.set(3, 17, 4, &there);
        let first_back = key_back.set(3, 17, 4, &there.reversed());
        prop_assert_eq!(key_there, key_back);
        prop_assert!(first_there != first_back || there == there.reversed(), "one of them is the source");
    }
}
