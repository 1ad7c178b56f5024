//! The programs under test: loaded as the agent loads them, attached to nothing, run by the kernel on
//! one packet at a time.

use crate::{
    expect::{Conversation, Conversations, Record, key},
    parse::End,
};
use aya::{
    Ebpf, EbpfLoader,
    maps::{HashMap, MapData, MapError, PerCpuArray, PerCpuValues, RingBuf},
    programs::{SchedClassifier, TestRun as _, TestRunOptions},
};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    time::{ClockId, clock_gettime},
    unistd::Pid,
};
use portolan_agent::{
    event::Event,
    kernel::{KernelTypes, Layout},
    reasons::{ENUMERATIONS, Reasons, SUBSYSTEMS},
};
use portolan_ebpf_types::{self as raw, Busy, ConversationKey, NO_CONNTRACK, lost};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

/// The object that the agent embeds.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/portolan-probes"));

const PROGRAMS: [&str; 2] = ["portolan_from", "portolan_to"];

/// What the kernel runs a packet on: the loopback device of the namespace.
const DEVICE: u32 = 1;
/// TCX_NEXT, which lets every packet go on.
const GO_ON: u32 = u32::MAX;

const KEY: usize = size_of::<ConversationKey>();
const VALUE: usize = size_of::<raw::Conversation>();
const BUSY: usize = size_of::<Busy>();
const UDP: u8 = 17;

/// The loaded programs with their maps.
pub(crate) struct Probes {
    ebpf: Ebpf,
    events: RingBuf<MapData>,
    lost: PerCpuArray<MapData, u64>,
    conversations: HashMap<MapData, [u8; KEY], [u8; VALUE]>,
    busy: PerCpuArray<MapData, [u8; BUSY]>,
    devices: HashMap<MapData, u32, u32>,
    namespaces: HashMap<MapData, u32, u32>,
}

impl Probes {
    /// Loads them; `sockets_tell` as the agent sets it where closing sockets are seen.
    pub(crate) fn load(sockets_tell: bool) -> Self {
        let layout = layout();
        let sockets_tell = u32::from(sockets_tell);
        let mut loader = EbpfLoader::new();
        for (name, value) in &layout.globals {
            loader.override_global(name, value, true);
        }
        loader.override_global("SOCKETS_TELL", &sockets_tell, true);
        let mut ebpf = loader.load(OBJECT).unwrap();
        for name in PROGRAMS {
            program(&mut ebpf, name).load().unwrap();
        }
        Self {
            events: take(&mut ebpf, "EVENTS"),
            lost: take(&mut ebpf, "LOST"),
            conversations: take(&mut ebpf, "CONVERSATIONS"),
            busy: take(&mut ebpf, "BUSY"),
            devices: take(&mut ebpf, "POD_DEVICES"),
            namespaces: take(&mut ebpf, "POD_NETNS"),
            ebpf,
        }
    }

    /// Forgets everything, as if no packet had ever come.
    pub(crate) fn reset(&mut self) {
        let keys: Vec<_> = self.conversations.keys().map(Result::unwrap).collect();
        for key in keys {
            let [tuple, answer] = self.forget(&key);
            for slot in [Busy::slot(&tuple, DEVICE), Busy::slot(&answer, DEVICE)] {
                let processors = self.busy.get(&slot, 0).unwrap().len();
                let empty = PerCpuValues::try_from(vec![[0; BUSY]; processors]).unwrap();
                self.busy.set(slot, empty, 0).unwrap();
            }
        }
        for pods in [&mut self.devices, &mut self.namespaces] {
            let keys: Vec<_> = pods.keys().map(Result::unwrap).collect();
            for key in keys {
                pods.remove(&key).unwrap();
            }
        }
        while self.events.next().is_some() {}
    }

    /// Runs a program so many times on a packet, and takes what it told; nothing when the kernel refuses the packet.
    pub(crate) fn run(&mut self, name: &str, packet: &[u8], times: u32) -> Option<Vec<Record>> {
        let begun = now();
        let mut after = vec![0; packet.len()];
        let options = TestRunOptions {
            data_in: Some(packet),
            data_out: Some(&mut after),
            repeat: times,
            ..TestRunOptions::new()
        };
        let result = program(&mut self.ebpf, name).test_run(options).ok()?;
        assert_eq!(result.return_value, GO_ON, "every packet goes on");
        assert_eq!(after, packet, "no packet is changed");
        Some(self.records(begun))
    }

    /// Runs a program on the same packet so many times, and leaves what it tells where it is.
    pub(crate) fn repeat(&mut self, name: &str, packet: &[u8], count: u32) {
        let options = TestRunOptions { data_in: Some(packet), repeat: count, ..TestRunOptions::new() };
        program(&mut self.ebpf, name).test_run(options).unwrap();
    }

    /// Runs a program once on each of these packets, from two processors at the same time.
    pub(crate) fn race(&mut self, name: &str, packets: &[Vec<u8>]) {
        /// The other one may have no processor just now.
        const PATIENCE: u32 = 10_000;
        let program: &SchedClassifier = self.ebpf.program(name).unwrap().try_into().unwrap();
        let arrived = AtomicUsize::new(0);
        let run = |processor: usize| {
            pin_to(processor);
            for (number, packet) in packets.iter().enumerate() {
                arrived.fetch_add(1, Ordering::AcqRel);
                let mut spins = 0_u32;
                while arrived.load(Ordering::Acquire) < 2 * (number + 1) {
                    spins += 1;
                    if spins > PATIENCE { std::thread::yield_now() } else { std::hint::spin_loop() }
                }
                let options = TestRunOptions { data_in: Some(packet), ..TestRunOptions::new() };
                program.test_run(options).unwrap();
            }
        };
        let run = &run;
        std::thread::scope(|scope| {
            for processor in [0, 1] {
                scope.spawn(move || run(processor));
            }
        });
    }

    /// What is in the ring.
    pub(crate) fn records(&mut self, since: u64) -> Vec<Record> {
        let mut records = Vec::new();
        while let Some(bytes) = self.events.next() {
            assert!(Event::decode(&bytes).is_some(), "the agent does not understand {bytes:?}");
            records.push(record(&bytes, since));
        }
        records
    }

    /// Takes a conversation out of the map, as the agent does; answers with its two tuples.
    fn forget(&mut self, key: &[u8; KEY]) -> [raw::Tuple; 2] {
        self.conversations.remove(key).unwrap();
        let ConversationKey { tuple, .. } = bytemuck::cast(*key);
        [tuple, tuple.reversed()]
    }

    /// What is in the conversation map, and what processors have counted by themselves: read as the agent does.
    pub(crate) fn conversations(&self) -> Conversations {
        let entries = self.conversations.iter().map(Result::unwrap);
        let read = |(key, value): ([u8; KEY], [u8; VALUE])| {
            let (key, mut value): (ConversationKey, raw::Conversation) =
                (bytemuck::cast(key), bytemuck::cast(value));
            if value.is_busy() && key.protocol == UDP {
                self.add_busy(&key, &mut value);
            }
            conversation(&key, &value)
        };
        entries.map(read).collect()
    }

    fn add_busy(&self, key: &ConversationKey, value: &mut raw::Conversation) {
        let both = [key.tuple, key.tuple.reversed()];
        // One that talks with itself has one side only.
        let sides = if both[0] == both[1] { 1 } else { 2 };
        for (side, tuple) in both.into_iter().take(sides).enumerate() {
            let slots = self.busy.get(&Busy::slot(&tuple, DEVICE), 0).unwrap();
            let slots = slots.iter().map(|slot| bytemuck::cast::<_, Busy>(*slot));
            for slot in slots.filter(|slot| slot.is_of(&tuple, DEVICE, key.family)) {
                if slot.last_ns >= value.born_ns {
                    value.packets[side] += slot.packets;
                    value.bytes[side] += slot.bytes;
                }
            }
        }
    }

    /// Whether the pod behind the device is known, by both ways.
    pub(crate) fn pod_is_known(&self) -> bool {
        let device = self.namespaces.get(&own_namespace(), 0).ok();
        let namespace = self.devices.get(&DEVICE, 0).ok();
        let is_known = namespace.is_some();
        let expected = is_known.then_some(());
        assert_eq!((device, namespace), (expected.map(|()| DEVICE), expected.map(|()| own_namespace())));
        is_known
    }

    /// Behaves as if a pod with this namespace had been behind another device before.
    pub(crate) fn remember_earlier_pod(&mut self) {
        self.namespaces.insert(own_namespace(), DEVICE + 1, 0).unwrap();
    }

    /// The counters of what could not be kept.
    pub(crate) fn lost(&self) -> [u64; lost::COUNT as usize] {
        std::array::from_fn(|index| self.lost.get(&(index as u32), 0).unwrap().iter().sum())
    }
}

fn layout() -> Layout {
    let types = KernelTypes::read(Path::new(KernelTypes::PATH)).unwrap();
    let reasons = ENUMERATIONS.into_iter().flat_map(|name| types.enumerators(name));
    let reasons = Reasons::new(reasons, types.enumerators(SUBSYSTEMS));
    Layout::resolve(&types, &reasons, own_namespace())
}

fn own_namespace() -> u32 {
    std::fs::metadata("/proc/self/ns/net").unwrap().ino() as u32
}

/// Keeps this thread on one of the processors that it may run on: by number, round and round.
fn pin_to(number: usize) {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this).unwrap();
    let allowed: Vec<_> = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap()).collect();
    let mut one = CpuSet::new();
    one.set(allowed[number % allowed.len()]).unwrap();
    sched_setaffinity(this, &one).unwrap();
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> &'a mut SchedClassifier {
    ebpf.program_mut(name).unwrap().try_into().unwrap()
}

fn take<M: TryFrom<aya::maps::Map, Error = MapError>>(ebpf: &mut Ebpf, name: &str) -> M {
    M::try_from(ebpf.take_map(name).unwrap()).unwrap()
}

/// The kernel's monotonic time.
pub(crate) fn now() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
}

fn record(bytes: &[u8], since: u64) -> Record {
    let (head, offender) = if bytes.len() == size_of::<raw::Unreachable>() {
        let record: raw::Unreachable = bytemuck::pod_read_unaligned(bytes);
        assert_eq!(record.translation, raw::Translation::default());
        (record.head, Some(record.offender))
    } else {
        (bytemuck::pod_read_unaligned::<raw::Head>(bytes), None)
    };
    assert!((since..=now()).contains(&head.time_ns), "the time of {head:?}");
    assert_eq!((head.ifindex, head.netns, head.conntrack_info), (DEVICE, 0, NO_CONNTRACK), "{head:?}");
    let family = if head.icmp[0] == 1 { 6 } else { 4 };
    Record {
        kind: head.kind,
        direction: head.direction,
        protocol: head.protocol,
        ends: ends(head.family, &head.tuple),
        flags: head.flags,
        sequence: head.sequence,
        icmp: head.icmp,
        offender: offender.map(|ip| address(family, &ip)),
    }
}

fn conversation(at: &ConversationKey, value: &raw::Conversation) -> ((u8, [End; 2]), Conversation) {
    assert_eq!(at.ifindex, DEVICE);
    let ends = ends(at.family, &at.tuple);
    let opener = usize::from(value.source_first == 0);
    let by_side = |both: [u64; 2]| [both[opener], both[1 - opener]];
    let conversation = Conversation {
        opener: ends[opener],
        packets: by_side(value.packets),
        bytes: by_side(value.bytes),
        answered: value.answered != 0,
    };
    (key(at.protocol, ends), conversation)
}

fn ends(family: u8, tuple: &raw::Tuple) -> [End; 2] {
    [
        (address(family, &tuple.source), tuple.source_port),
        (address(family, &tuple.destination), tuple.destination_port),
    ]
}

/// What is behind an IPv4 address must be empty: it is a part of the key.
fn address(family: u8, bytes: &[u8; 16]) -> IpAddr {
    let [a, b, c, d, rest @ ..] = *bytes;
    match family {
        4 => {
            assert_eq!(rest, [0; 12], "behind an IPv4 address");
            Ipv4Addr::new(a, b, c, d).into()
        }
        6 => Ipv6Addr::from(*bytes).into(),
        _ => panic!("family {family}"),
    }
}
