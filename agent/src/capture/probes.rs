//! The probes in the kernel: loaded one by one, attached to devices, read on a timer.
//!
//! Each probe is optional. One that fails is reported with what is lost without it, and the rest
//! goes on; without any there is nothing to do and the error says what is missing.

mod order;

use super::reader::Reader;
use crate::kernel::Layout;
use aya::{
    Btf, Ebpf, EbpfError, EbpfLoader,
    maps::MapError,
    programs::{
        BtfTracePoint, LinkOrder, ProgramError, SchedClassifier, TcAttachType,
        tc::{
            NlOptions, SchedClassifierLinkId, TcAttachOptions, TcError, qdisc_add_clsact,
            qdisc_detach_program,
        },
    },
    util::KernelVersion,
};
use nix::net::if_::if_indextoname;
use std::{
    collections::HashMap as Map,
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
    /// Reads what the kernel says of a program's descriptor.
    pub(crate) fn read(probe: &str, fdinfo: &str) -> Self {
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
    /// How often they were moved back to their place.
    moves: u8,
}

/// The probes in the kernel.
pub struct Probes {
    ebpf: Ebpf,
    devices: Map<u32, Attachment>,
    tcx: bool,
    /// Whether the kernel tells us of drops.
    drops_told: bool,
}

/// All probes, and what is not seen without each: the device programs, then the tracepoints.
pub(crate) const PROBES: [(&str, &str); 4] = [
    (FROM_POD, "openings by pods, and answers from pods: the agent does not start"),
    (TO_POD, "arrival at pods, and the backend behind a service address: the agent does not start"),
    TRACEPOINTS[0],
    TRACEPOINTS[1],
];

const TRACEPOINTS: [(&str, &str); 2] = [
    ("kfree_skb", "drops and their reasons: dropped attempts show as no-reply"),
    (SOCKETS, "packets and bytes of TCP connections, and when a client gives up"),
];

const FROM_POD: &str = "from_pod";
const TO_POD: &str = "to_pod";
const SOCKETS: &str = "inet_sock_set_state";

/// Filters run by priority, the lowest first, and one that takes a verdict ends the row: before it on
/// the way from the pod is right, and on the way to it the best there is.
const CLSACT_PRIORITY: u16 = 1;

/// tcx came with this kernel; below it the programs hang in clsact.
const TCX_SINCE: KernelVersion = KernelVersion::new(6, 6, 0);

impl Probes {
    /// Loads what this kernel can load.
    pub fn load(
        layout: &Layout,
        attachment: AttachMode,
        ring_bytes: Option<u32>,
    ) -> Result<(Self, Reader, Vec<ProbeOff>), ProbesError> {
        if OBJECT.is_empty() {
            return Err(ProbesError::NotBuilt);
        }
        let (mut ebpf, off) = load_object(layout, ring_bytes)?;
        let reader = Reader::take(&mut ebpf)?;
        let probes = Self {
            ebpf,
            devices: Map::new(),
            drops_told: off.iter().all(|off| off.probe != TRACEPOINTS[0].0),
            tcx: match attachment {
                AttachMode::Auto => KernelVersion::current().is_ok_and(|version| version >= TCX_SINCE),
                AttachMode::Tcx => true,
                AttachMode::Clsact => false,
            },
        };
        Ok((probes, reader, off))
    }

    /// Attaches to a device, once. What others drop must be seen: first of all on the way from the
    /// pod, last of all on the way to it.
    pub fn attach(&mut self, ifindex: u32) -> Result<bool, ProgramError> {
        if self.devices.contains_key(&ifindex) {
            return Ok(false);
        }
        let name = &current_name(ifindex)?;
        if !self.tcx {
            prepare_clsact(name);
        }
        let from_pod = self.attach_one(FROM_POD, name, TcAttachType::Ingress, LinkOrder::first())?;
        match self.attach_one(TO_POD, name, TcAttachType::Egress, LinkOrder::last()) {
            Ok(to_pod) => {
                self.devices.insert(ifindex, Attachment { from_pod, to_pod, moves: 0 });
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
        if let Some(Attachment { from_pod, to_pod, .. }) = self.devices.remove(&ifindex) {
            self.detach_one(FROM_POD, from_pod);
            self.detach_one(TO_POD, to_pod);
        }
    }

    /// Whether the programs hang on a device.
    pub fn is_attached(&self, ifindex: u32) -> bool {
        self.devices.contains_key(&ifindex)
    }

    /// The devices that the programs hang on, by index.
    pub fn attached(&self) -> impl ExactSizeIterator<Item = u32> {
        self.devices.keys().copied()
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

/// What a device is called now: it may have been renamed since we heard of it.
pub(super) fn current_name(ifindex: u32) -> Result<String, ProgramError> {
    let name = if_indextoname(ifindex).map_err(|errno| TcError::IoError(errno.into()))?;
    Ok(name.to_string_lossy().into_owned())
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
fn load_object(layout: &Layout, ring_bytes: Option<u32>) -> Result<(Ebpf, Vec<ProbeOff>), ProbesError> {
    if supported(layout, SOCKETS).is_ok() {
        let (ebpf, off) = load_programs(layout, ring_bytes, true)?;
        if off.iter().all(|off| off.probe != SOCKETS) {
            return Ok((ebpf, off));
        }
    }
    load_programs(layout, ring_bytes, false)
}

fn load_programs(
    layout: &Layout,
    ring_bytes: Option<u32>,
    sockets_tell: bool,
) -> Result<(Ebpf, Vec<ProbeOff>), ProbesError> {
    let sockets_tell = u32::from(sockets_tell);
    let mut loader = EbpfLoader::new();
    for (name, value) in &layout.globals {
        loader.override_global(name, value, true);
    }
    loader.override_global("SOCKETS_TELL", &sockets_tell, true);
    if let Some(bytes) = ring_bytes {
        loader.map_max_entries("EVENTS", bytes);
    }
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
    let btf = Btf::from_sys_fs();
    let mut off = Vec::new();
    if let Err(reason) = supported(layout, "conntrack") {
        let lost = "the backend behind a service address where only the packet tells it";
        off.push(ProbeOff { probe: "conntrack", lost, reason });
    }
    if let Err(reason) = supported(layout, "connect") {
        let lost = "the service that was dialled where a load balancer at the sockets led to the backend";
        off.push(ProbeOff { probe: "connect", lost, reason });
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

pub(super) fn take_map<M: TryFrom<aya::maps::Map, Error = MapError>>(
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
