//! The device programs are right on every packet: the kernel runs them on generated ones, and what they
//! tell, count and remember is compared with what a plain parser and a small model say.
//!
//! `PROPTEST_CASES` says how many cases a property is tried on. A failure names its seed;
//! `PROPTEST_RNG_SEED` takes it back.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod chance;
mod expect;
mod packet;
mod parse;
mod probes;

use chance::{Step, garbage, talks};
use expect::{Model, Record};
use packet::{Body, Datagram, Extension, Network, Packet};
use portolan_ebpf_types::{Busy, Tuple, direction, lost};
use probes::Probes;
use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed, TestCaseError, TestCaseResult, TestRunner},
};
use std::{
    cell::RefCell,
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

/// Cases of a property, unless the environment says how many.
const CASES: u32 = 4000;

/// Tries a property, and names the seed when it fails.
fn holds<S: Strategy>(strategy: S, property: impl Fn(S::Value) -> TestCaseResult)
where
    S::Value: std::fmt::Debug,
{
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    let seed = match config.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => RandomState::new().hash_one("packets"),
    };
    config.rng_seed = RngSeed::Fixed(seed);
    if let Err(error) = TestRunner::new(config).run(&strategy, property) {
        panic!("{error}\nagain with PROPTEST_RNG_SEED={seed}");
    }
}

/// Runs one packet through the programs and the model, and compares all that can be seen of both.
fn compare(
    probes: &mut Probes,
    model: &mut Model,
    bytes: &[u8],
    from_pod: bool,
    times: u32,
) -> TestCaseResult {
    let program = if from_pod { "portolan_from" } else { "portolan_to" };
    let Some(told) = probes.run(program, bytes, times) else { return Ok(()) };
    let packet = parse::framed(bytes);
    let direction = if from_pod { direction::FROM_DEVICE } else { direction::TO_DEVICE };
    let expected: Vec<Record> = (0..times).filter_map(|_| model.see(packet, direction)).collect();
    let about = || format!("{program}, {times} times on {bytes:02x?}\nwhich is {packet:?}");
    same(&told, &expected, &about)?;
    same(&probes.conversations(), &model.conversations, &about)?;
    same(&probes.pod_is_known(), &model.pod_is_known, &about)
}

fn same<T: PartialEq + std::fmt::Debug>(
    seen: &T,
    expected: &T,
    about: &dyn Fn() -> String,
) -> TestCaseResult {
    if seen == expected {
        return Ok(());
    }
    Err(TestCaseError::fail(format!("{}\nshould lead to {expected:#?}\nand did to {seen:#?}", about())))
}

#[test]
fn packets_of_every_kind_are_told_and_counted_right() {
    let probes = RefCell::new([Probes::load(false), Probes::load(true)]);
    holds(talks(), |talk| {
        let mut probes = probes.borrow_mut();
        let probes = &mut probes[usize::from(talk.sockets_tell)];
        probes.reset();
        let mut model = Model { sockets_tell: talk.sockets_tell, ..Model::default() };
        for step in &talk.steps {
            let Step { from_pod, times, .. } = *step;
            compare(probes, &mut model, &step.bytes(), from_pod, times)?;
        }
        prop_assert_eq!(probes.lost(), [0; lost::COUNT as usize]);
        Ok(())
    });
}

#[test]
fn garbage_is_told_as_what_it_happens_to_be_or_not_at_all() {
    let probes = RefCell::new(Probes::load(true));
    holds((garbage(), any::<bool>()), |(bytes, from_pod)| {
        let mut probes = probes.borrow_mut();
        probes.reset();
        let mut model = Model { sockets_tell: true, ..Model::default() };
        for direction in [from_pod, !from_pod] {
            compare(&mut probes, &mut model, &bytes, direction, 1)?;
        }
        Ok(())
    });
}

/// A plain packet from one pod to another.
fn plain(body: Body) -> Packet {
    let ends = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
    let network = Network::V4 { ends, options: 0, fragment: 0 };
    Packet {
        tags: Vec::new(),
        ether_type: None,
        datagram: Datagram { network, protocol: None, length: None, body },
    }
}

fn syn() -> Packet {
    plain(Body::Tcp { ports: [40_000, 8080], sequence: 1, flags: 2, payload: 0 })
}

fn datagram(ports: [u16; 2]) -> Packet {
    plain(Body::Udp { ports, payload: 8, length: None })
}

#[test]
fn a_datagram_in_fragments_is_counted_once_with_all_its_bytes() {
    const WHOLE: u16 = 4000;
    let ends4 = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
    let ends6 = ["fd00::1".parse().unwrap(), "fd00::2".parse().unwrap()];
    let fragment4 = |fragment| Network::V4 { ends: ends4, options: 0, fragment };
    let fragment6 = |fragment| Network::V6 { ends: ends6, extensions: vec![Extension::Fragment(fragment)] };
    let body = Body::Udp { ports: [40_000, 53], payload: 40, length: Some(WHOLE) };
    // The first one, one in the middle and the last one.
    let datagrams = [[0x2000, 0x2006, 6].map(fragment4), [1, 0x31, 0x30].map(fragment6)];
    let mut probes = Probes::load(false);
    for fragments in datagrams {
        probes.reset();
        for network in fragments {
            let datagram = Datagram { network, protocol: None, length: None, body: body.clone() };
            let packet = Packet { tags: Vec::new(), ether_type: None, datagram };
            probes.run("portolan_from", &packet.framed(), 1).unwrap();
        }
        let counted: Vec<_> =
            probes.conversations().into_values().map(|one| (one.packets, one.bytes)).collect();
        assert_eq!(counted, [([1, 0], [u64::from(WHOLE) - 8, 0])]);
    }
}

#[test]
fn a_packet_that_is_cut_anywhere_is_told_whole_or_not_at_all() {
    /// The kernel runs nothing shorter than two headers.
    const SHORTEST: usize = 34;
    let mut probes = Probes::load(false);
    let about = || Box::new(syn().datagram);
    let bodies = [
        syn().datagram.body,
        datagram([1, 2]).datagram.body,
        Body::Sctp { ports: [1, 2], chunk: 6 },
        Body::Sctp { ports: [1, 2], chunk: 1 },
        Body::Icmp { kind: 8, code: 0, id: 1, payload: 4 },
        Body::Error { kind: 3, code: 13, about: about(), quoted: u16::MAX },
    ];
    for body in bodies {
        for tags in [vec![], vec![0x88a8, 0x8100]] {
            let whole = Packet { tags, ..plain(body.clone()) }.framed();
            let mut ran = 0;
            for length in 14..=whole.len() {
                probes.reset();
                let mut model = Model::default();
                compare(&mut probes, &mut model, &whole[..length], true, 1).unwrap();
                ran += usize::from(probes.run("portolan_to", &whole[..length], 1).is_some());
            }
            assert!(ran >= whole.len() - SHORTEST, "the kernel ran only {ran} of them");
        }
    }
}

#[test]
fn a_ring_that_is_full_is_counted_by_what_was_lost() {
    const MANY: u32 = 200_000;
    let mut probes = Probes::load(false);
    let fin = plain(Body::Tcp { ports: [40_000, 8080], sequence: 1, flags: 0x11, payload: 0 });
    probes.repeat("portolan_from", &syn().framed(), MANY);
    let [openings, records, _] = probes.lost();
    probes.repeat("portolan_from", &fin.framed(), MANY);
    let kept = probes.records(0).len() as u64;
    assert!(openings > 0 && records == 0, "{openings} {records}");
    assert_eq!(kept + openings, u64::from(MANY), "every opening is there or counted");
    assert_eq!(probes.lost(), [openings, u64::from(MANY), 0]);
    assert!(
        probes.run("portolan_from", &syn().framed(), 1).is_some_and(|told| told.len() == 1),
        "there is room again"
    );
}

#[test]
fn conversations_beyond_the_map_are_counted_and_told_when_there_is_room() {
    const ROOM: u64 = 65_536;
    let mut probes = Probes::load(false);
    let mut told = 0;
    for port in 0..=u16::MAX {
        probes.repeat("portolan_from", &datagram([port, 53]).framed(), 1);
        // The ring has less room than the map.
        if port % 16_384 == 16_383 {
            told += probes.records(0).len() as u64;
        }
    }
    assert_eq!(told, ROOM);
    let late = datagram([1, 54]).framed();
    assert_eq!(probes.run("portolan_from", &late, 1), Some(vec![]));
    assert_eq!(probes.lost()[lost::CONVERSATIONS as usize], 1);
    probes.reset();
    assert!(probes.run("portolan_from", &late, 1).is_some_and(|told| told.len() == 1));
}

#[test]
fn a_conversation_that_two_processors_open_at_once_is_told_once_and_not_counted_as_lost() {
    const MANY: u16 = 20_000;
    let mut probes = Probes::load(false);
    let openings: Vec<_> = (0..MANY).map(|port| datagram([port, 53]).framed()).collect();
    probes.race("portolan_from", &openings);
    assert_eq!(probes.records(0).len(), usize::from(MANY));
    assert_eq!(probes.lost(), [0; lost::COUNT as usize]);
}

#[test]
fn busy_conversations_that_share_a_slot_are_counted_to_the_last_packet() {
    let slot = |port: u16| {
        let mut tuple = Tuple { source_port: port, destination_port: 53, ..Tuple::default() };
        tuple.source[..4].copy_from_slice(&[10, 0, 0, 1]);
        tuple.destination[..4].copy_from_slice(&[10, 0, 0, 2]);
        Busy::slot(&tuple, 1)
    };
    let other = (2..u16::MAX).find(|port| slot(*port) == slot(1)).unwrap();
    let mut probes = Probes::load(false);
    let mut model = Model::default();
    let mut send = |port: u16, times: u32| {
        let frame = datagram([port, 53]).framed();
        compare(&mut probes, &mut model, &frame, true, times).unwrap();
    };
    for _ in 0..3 {
        for port in [1, other, 1] {
            send(port, 20);
        }
        // From now on the slot may be another's.
        std::thread::sleep(Duration::from_nanos(Busy::SPAN_NS * 2));
        send(other, 1);
        send(other, 20);
    }
}

#[test]
fn a_pod_that_takes_over_the_namespace_number_of_another_is_known_by_its_own_device() {
    let mut probes = Probes::load(true);
    probes.remember_earlier_pod();
    probes.run("portolan_from", &syn().framed(), 1).unwrap();
    assert!(probes.pod_is_known());
}
