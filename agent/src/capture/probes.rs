//! The probes in the kernel: loaded one by one, attached to devices, read on a timer.
//!
//! Each probe is optional. One that fails is reported with what is lost without it, and the rest
//! goes on; without any there is nothing to do and the error says what is missing.

use crate::{
    connections::{ConversationCounters, Counters},
    event::{Event, FiveTuple},
    kernel::Layout,
};
use aya::{
    Btf, Ebpf, EbpfError, EbpfLoader,
    maps::{HashMap, MapData, MapError, PerCpuArray, RingBuf},
    programs::{
        BtfTracePoint, LinkOrder, ProgramError, SchedClassifier, TcAttachType,
        tc::{NlOptions, SchedClassifierLinkId, TcAttachOptions, qdisc_add_clsact, qdisc_detach_program},
    },
    util::KernelVersion,
};
use portolan_ebpf_types::{Busy, Conversation, ConversationKey, Tuple, lost};
use portolan_policy::Protocol;
use std::{
    collections::HashMap as Map,
    net::IpAddr,
    os::fd::{AsFd as _, AsRawFd as _},
};

/// The object that build.rs made; empty when it was told to skip it.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/portolan-probes"));

/// The probes cannot do their work.
#[derive(Debug, thiserror::Error)]
pub enum ProbesError {
    /// The agent was built without the object.
    #[error("this agent was built with AYA_BUILD_SKIP=1 and has no BPF programs: build it without")]
    NotBuilt,
    /// The kernel refuses maps or programs for want of a right.
    #[error(
        "the kernel refuses BPF ({what}): the agent needs root, or the capabilities CAP_BPF, CAP_PERFMON \
         and CAP_NET_ADMIN"
    )]
    NotPermitted {
        /// What was refused.
        what: String,
    },
    /// The object does not load.
    #[error("cannot load the BPF object")]
    Load(#[source] EbpfError),
    /// A map that the object must have is not there.
    #[error("the BPF map {0} is missing or of another type")]
    Map(&'static str, #[source] Option<MapError>),
    /// The device programs are what capture stands on.
    #[error("cannot load the device program {name}")]
    DeviceProgram {
        /// The program.
        name: &'static str,
        /// Why.
        #[source]
        error: ProgramError,
    },
}

/// How programs hang on a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttachMode {
    /// tcx where the kernel has it, clsact below.
    #[default]
    Auto,
    /// tcx: a link that goes with the agent, whatever ends it.
    Tcx,
    /// A clsact qdisc and filters.
    Clsact,
}

/// A probe that is off, and what is lost without it.
#[derive(Debug)]
pub struct ProbeOff {
    /// The probe.
    pub probe: &'static str,
    /// What is not seen.
    pub lost: &'static str,
    /// Why it is off.
    pub reason: String,
}

/// What a probe has cost, by the kernel's own account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// The probe.
    pub probe: String,
    /// How often it ran.
    pub runs: u64,
    /// How long it ran in all.
    pub nanos: u64,
    /// How often it did not run because it was running already.
    pub missed: u64,
}

impl Cost {
    fn read(probe: &str, fdinfo: &str) -> Self {
        let value = |field: &str| {
            let line = fdinfo.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
            line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
        };
        Self {
            probe: probe.to_owned(),
            runs: value("run_cnt"),
            nanos: value("run_time_ns"),
            missed: value("recursion_misses"),
        }
    }
}

/// Where the programs of a device hang.
#[derive(Debug)]
struct Attachment {
    from_pod: SchedClassifierLinkId,
    to_pod: SchedClassifierLinkId,
}

/// The probes in the kernel.
pub struct Probes {
    ebpf: Ebpf,
    events: RingBuf<MapData>,
    lost: PerCpuArray<MapData, u64>,
    conversations: HashMap<MapData, [u8; KEY], [u8; VALUE]>,
    busy: PerCpuArray<MapData, [u8; BUSY]>,
    devices: Map<u32, Attachment>,
    tcx: bool,
}

const KEY: usize = size_of::<ConversationKey>();
const VALUE: usize = size_of::<Conversation>();
const BUSY: usize = size_of::<Busy>();
const FROM_POD: &str = "from_pod";
const TO_POD: &str = "to_pod";
const SOCKETS: &str = "inet_sock_set_state";

/// Filters run by priority, the lowest first, and one that takes a verdict ends the row: before it on
/// the way from the pod is right, and on the way to it the best there is.
const CLSACT_PRIORITY: u16 = 1;

/// Records read in one round at the most, so that ticks and commands have their turn.
const ROUND: usize = 131_072;

/// tcx came with this kernel; below it the programs hang in clsact.
const TCX_SINCE: KernelVersion = KernelVersion::new(6, 6, 0);

impl Probes {
    /// Loads what this kernel can load.
    pub fn load(layout: &Layout, attachment: AttachMode) -> Result<(Self, Vec<ProbeOff>), ProbesError> {
        if OBJECT.is_empty() {
            return Err(ProbesError::NotBuilt);
        }
        let (mut ebpf, off) = load_object(layout)?;
        let probes = Self {
            events: take_map(&mut ebpf, "EVENTS")?,
            lost: take_map(&mut ebpf, "LOST")?,
            conversations: take_map(&mut ebpf, "CONVERSATIONS")?,
            busy: take_map(&mut ebpf, "BUSY")?,
            ebpf,
            devices: Map::new(),
            tcx: match attachment {
                AttachMode::Auto => KernelVersion::current().is_ok_and(|version| version >= TCX_SINCE),
                AttachMode::Tcx => true,
                AttachMode::Clsact => false,
            },
        };
        Ok((probes, off))
    }

    /// Attaches to a device, once. What others drop must be seen: first of all on the way from the
    /// pod, last of all on the way to it.
    pub fn attach(&mut self, ifindex: u32, name: &str) -> Result<bool, ProgramError> {
        if self.devices.contains_key(&ifindex) {
            return Ok(false);
        }
        if !self.tcx {
            prepare_clsact(name);
        }
        let from_pod = self.attach_one(FROM_POD, name, TcAttachType::Ingress, LinkOrder::first())?;
        match self.attach_one(TO_POD, name, TcAttachType::Egress, LinkOrder::last()) {
            Ok(to_pod) => {
                self.devices.insert(ifindex, Attachment { from_pod, to_pod });
                Ok(true)
            }
            Err(error) => {
                self.detach_one(FROM_POD, from_pod);
                Err(error)
            }
        }
    }

    /// Lets go of a device that is gone or going.
    pub fn detach(&mut self, ifindex: u32) {
        if let Some(Attachment { from_pod, to_pod }) = self.devices.remove(&ifindex) {
            self.detach_one(FROM_POD, from_pod);
            self.detach_one(TO_POD, to_pod);
        }
    }

    /// The devices that the programs hang on, by index.
    pub fn attached(&self) -> impl ExactSizeIterator<Item = u32> {
        self.devices.keys().copied()
    }

    /// Reads every event that waits, and hands each to `take`; answers how many were not understood.
    pub fn drain(&mut self, mut take: impl FnMut(Event)) -> u64 {
        let mut unknown = 0;
        for _ in 0..ROUND {
            let Some(record) = self.events.next() else { break };
            match Event::decode(&record) {
                Some(event) => take(event),
                None => unknown += 1,
            }
        }
        unknown
    }

    /// Events and conversations that the kernel could not keep, since load.
    pub fn lost(&self) -> [u64; lost::COUNT as usize] {
        std::array::from_fn(|index| {
            self.lost.get(&(index as u32), 0).map_or(0, |counters| counters.iter().sum())
        })
    }

    /// What each loaded probe has cost so far. The kernel counts time and runs only while
    /// `kernel.bpf_stats_enabled` is 1; runs that it missed it always counts.
    pub fn costs(&self) -> Vec<Cost> {
        let loaded = self.ebpf.programs().filter_map(|(name, program)| {
            let fd = program.fd().ok()?;
            let info =
                std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd())).ok()?;
            Some(Cost::read(name, &info))
        });
        loaded.collect()
    }

    fn attach_one(
        &mut self,
        program: &'static str,
        device: &str,
        direction: TcAttachType,
        order: LinkOrder,
    ) -> Result<SchedClassifierLinkId, ProgramError> {
        let options = if self.tcx {
            TcAttachOptions::TcxOrder(order)
        } else {
            TcAttachOptions::Netlink(NlOptions { priority: CLSACT_PRIORITY, ..NlOptions::default() })
        };
        device_program(&mut self.ebpf, program)?.attach_with_options(device, direction, options)
    }

    fn detach_one(&mut self, program: &'static str, link: SchedClassifierLinkId) {
        if let Ok(program) = device_program(&mut self.ebpf, program) {
            // The device may have taken the link with it.
            drop(program.detach(link));
        }
    }
}

impl Probes {
    /// Adds what CPUs have counted by themselves of one side of a busy conversation.
    fn add_busy(&self, ifindex: u32, tuple: &FiveTuple, born_ns: u64, counters: &mut Counters) {
        let (family, tuple) = raw_tuple(tuple);
        let Ok(slots) = self.busy.get(&Busy::slot(&tuple, ifindex), 0) else { return };
        let slots = slots.iter().filter_map(|slot| bytemuck::try_pod_read_unaligned::<Busy>(slot).ok());
        for slot in slots.filter(|slot| slot.is_of(&tuple, ifindex, family) && slot.last_ns >= born_ns) {
            counters.packets += slot.packets;
            counters.bytes += slot.bytes;
            counters.last = counters.last.max(slot.last_ns);
        }
    }
}

impl ConversationCounters for Probes {
    fn read(&mut self, ifindex: u32, tuple: &FiveTuple) -> Option<Counters> {
        let value = self.conversations.get(&key(ifindex, tuple), 0).ok()?;
        let value: Conversation = bytemuck::try_pod_read_unaligned(&value).ok()?;
        let mut counters = Counters {
            packets: value.packets.iter().sum(),
            bytes: value.bytes.iter().sum(),
            last: value.last_ns,
        };
        if value.is_busy() && tuple.protocol == Protocol::Udp {
            for tuple in [tuple, &tuple.reversed()] {
                self.add_busy(ifindex, tuple, value.born_ns, &mut counters);
            }
        }
        Some(counters)
    }

    fn forget(&mut self, ifindex: u32, tuple: &FiveTuple) {
        // It is gone already when the other end of the tuple was asked for.
        drop(self.conversations.remove(&key(ifindex, tuple)));
    }
}

fn key(ifindex: u32, tuple: &FiveTuple) -> [u8; KEY] {
    let (family, raw) = raw_tuple(tuple);
    let mut key = ConversationKey::default();
    key.set(ifindex, tuple.protocol.number(), family, &raw);
    bytemuck::cast(key)
}

/// The family and the tuple as the kernel's side writes them.
fn raw_tuple(tuple: &FiveTuple) -> (u8, Tuple) {
    let family = if tuple.source.ip.is_ipv4() { 4 } else { 6 };
    let raw = Tuple {
        source: octets(tuple.source.ip),
        destination: octets(tuple.destination.ip),
        source_port: tuple.source.port,
        destination_port: tuple.destination.port,
    };
    (family, raw)
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// Makes a device ready for filters. A qdisc may be there already, and filters too: those of an agent
/// that was killed. What matters is whether attaching works.
fn prepare_clsact(device: &str) {
    drop(qdisc_add_clsact(device));
    for (direction, program) in [(TcAttachType::Ingress, FROM_POD), (TcAttachType::Egress, TO_POD)] {
        drop(qdisc_detach_program(device, direction, program));
    }
}

/// Loads the programs. Where closing sockets are not told, the device programs must tell every end.
fn load_object(layout: &Layout) -> Result<(Ebpf, Vec<ProbeOff>), ProbesError> {
    if supported(layout, SOCKETS).is_ok() {
        let (ebpf, off) = load_programs(layout, true)?;
        if off.iter().all(|off| off.probe != SOCKETS) {
            return Ok((ebpf, off));
        }
    }
    load_programs(layout, false)
}

fn load_programs(layout: &Layout, sockets_tell: bool) -> Result<(Ebpf, Vec<ProbeOff>), ProbesError> {
    let sockets_tell = u32::from(sockets_tell);
    let mut loader = EbpfLoader::new();
    for (name, value) in &layout.globals {
        loader.override_global(name, value, true);
    }
    loader.override_global("SOCKETS_TELL", &sockets_tell, true);
    let mut ebpf = loader.load(OBJECT).map_err(load_error)?;
    for name in [FROM_POD, TO_POD] {
        device_program(&mut ebpf, name)
            .and_then(SchedClassifier::load)
            .map_err(|error| program_error(name, error))?;
    }
    let off = load_tracepoints(&mut ebpf, layout);
    Ok((ebpf, off))
}

/// Loads and attaches the tracepoints; one that this kernel refuses is off.
fn load_tracepoints(ebpf: &mut Ebpf, layout: &Layout) -> Vec<ProbeOff> {
    const TRACEPOINTS: [(&str, &str); 2] = [
        ("kfree_skb", "drops and their reasons: dropped attempts show as no-reply"),
        (SOCKETS, "packets and bytes of TCP connections, and when a client gives up"),
    ];
    let btf = Btf::from_sys_fs();
    let mut off = Vec::new();
    if let Err(reason) = supported(layout, "conntrack") {
        let lost = "the backend behind a service address where only the packet tells it";
        off.push(ProbeOff { probe: "conntrack", lost, reason });
    }
    for (probe, lost) in TRACEPOINTS {
        let result = match &btf {
            Ok(btf) => supported(layout, probe)
                .and_then(|()| attach_tracepoint(ebpf, probe, btf).map_err(|error| chain(&error))),
            Err(error) => Err(chain(error)),
        };
        if let Err(reason) = result {
            off.push(ProbeOff { probe, lost, reason });
        }
    }
    off
}

/// Whether the kernel has every member that a probe reads.
fn supported(layout: &Layout, probe: &str) -> Result<(), String> {
    let missing = layout.missing.iter().filter(|missing| missing.probe == probe);
    let members: Vec<&str> = missing.map(|missing| missing.member.as_str()).collect();
    if members.is_empty() { Ok(()) } else { Err(format!("this kernel has no {}", members.join(", "))) }
}

fn attach_tracepoint(ebpf: &mut Ebpf, name: &'static str, btf: &Btf) -> Result<(), ProgramError> {
    let program: &mut BtfTracePoint = ebpf.program_mut(name).ok_or(ProgramError::NotLoaded)?.try_into()?;
    program.load(name, btf)?;
    program.attach()?;
    Ok(())
}

fn device_program<'a>(
    ebpf: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut SchedClassifier, ProgramError> {
    ebpf.program_mut(name).ok_or(ProgramError::NotLoaded)?.try_into()
}

fn take_map<M: TryFrom<aya::maps::Map, Error = MapError>>(
    ebpf: &mut Ebpf,
    name: &'static str,
) -> Result<M, ProbesError> {
    let map = ebpf.take_map(name).ok_or(ProbesError::Map(name, None))?;
    M::try_from(map).map_err(|error| ProbesError::Map(name, Some(error)))
}

fn load_error(error: EbpfError) -> ProbesError {
    if is_permission(&error) {
        ProbesError::NotPermitted { what: "creating a map".to_owned() }
    } else {
        ProbesError::Load(error)
    }
}

fn program_error(name: &'static str, error: ProgramError) -> ProbesError {
    if is_permission(&error) || !may_read_kernel_memory() {
        ProbesError::NotPermitted { what: format!("loading {name}") }
    } else {
        ProbesError::DeviceProgram { name, error }
    }
}

/// Whether the verifier lets our programs do what they do. Without CAP_PERFMON it refuses them with EACCES and the
/// same long words that it has for a broken program.
fn may_read_kernel_memory() -> bool {
    const SYS_ADMIN: u64 = 1 << 21;
    const PERFMON: u64 = 1 << 38;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    effective.is_none_or(|set| set & (SYS_ADMIN | PERFMON) != 0)
}

/// Whether EPERM without a verifier's word is at the bottom of an error.
fn is_permission(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && io.raw_os_error() == Some(libc::EPERM)
        {
            return true;
        }
        current = error.source();
    }
    false
}

/// An error with all its causes, for people.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_a_probe_is_read_from_its_descriptor() {
        let info = "pos:\t0\nprog_type:\t3\nrun_time_ns:\t1200\nrun_cnt:\t10\nrecursion_misses:\t2\n";
        let cost = Cost { probe: "kfree_skb".to_owned(), runs: 10, nanos: 1200, missed: 2 };
        assert_eq!(Cost::read("kfree_skb", info), cost);
        assert_eq!(Cost::read("kfree_skb", "pos:\t0\n").runs, 0);
    }
}
