//! The probes in the kernel: loaded one by one, attached to devices, read on a timer.
//!
//! Each probe is optional. One that fails is reported with what is lost without it, and the rest
//! goes on; without any there is nothing to do and the error says what is missing.

mod load;
mod order;

pub use load::switches;

use super::reader::Reader;
use crate::kernel::{Layout, bpf::has_tcx};
use aya::{
    Ebpf, EbpfError,
    maps::{MapData, MapError, PerCpuArray},
    programs::{
        LinkOrder, Program, ProgramError, SchedClassifier, TcAttachType,
        tc::{
            NlOptions, SchedClassifierLinkId, TcAttachOptions, TcError, qdisc_add_clsact,
            qdisc_detach_program,
        },
    },
};
use nix::net::if_::if_indextoname;
use portolan_ebpf_types::{Turn, turn};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap as Map},
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
    /// Every probe is off.
    #[error("no probe works on this kernel: {why}")]
    Nothing {
        /// Each probe with its reason.
        why: String,
    },
}

/// What is loaded, and how.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// How programs hang on the pod interfaces.
    pub attach: AttachMode,
    /// Size of the ring between kernel and agent; by the number of processors when absent.
    pub ring_bytes: Option<u32>,
    /// Probes that are not wanted, by name.
    pub without: BTreeSet<String>,
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

    /// Adds what the second program has cost; what it took, nobody missed.
    fn relieved(&mut self, second: Option<&Self>, taken: u64) {
        self.nanos += second.map_or(0, |second| second.nanos);
        self.missed = self.missed.saturating_sub(taken);
    }
}

/// Where the programs of a device hang.
#[derive(Debug)]
struct Attachment {
    /// None where the program is off.
    from_pod: Option<SchedClassifierLinkId>,
    /// None where the program is off.
    to_pod: Option<SchedClassifierLinkId>,
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
    /// The device programs that are loaded.
    device_programs: BTreeSet<&'static str>,
    turns: PerCpuArray<MapData, [u8; size_of::<Turn>()]>,
}

/// All probes, and what is not seen without each: the device programs, then the tracepoints.
pub(crate) const PROBES: [(&str, &str); 4] = [
    (FROM_POD, "openings by pods, and answers from pods"),
    (
        TO_POD,
        "arrival at pods, so that nothing is told as unenforced, and the backend behind a service address",
    ),
    TRACEPOINTS[0],
    TRACEPOINTS[1],
];

const TRACEPOINTS: [(&str, &str); 2] = [
    (DROPS, "drops and their reasons: dropped attempts show as no-reply"),
    (SOCKETS, "packets and bytes of TCP connections, and when a client gives up"),
];

/// The second program of each tracepoint, in the order of [`turn`]: it tells what happens inside a run of the first.
pub(crate) const SECONDS: [(&str, &str); turn::COUNT as usize] =
    [(DROPS, "kfree_skb_again"), (SOCKETS, "inet_sock_again")];

const DROPS: &str = "kfree_skb";
const FROM_POD: &str = "portolan_from";
const TO_POD: &str = "portolan_to";
const SOCKETS: &str = "inet_sock_set_state";

/// Filters run by priority, the lowest first, and one that takes a verdict ends the row: before it on
/// the way from the pod is right, and on the way to it the best there is.
const CLSACT_PRIORITY: u16 = 1;

impl Probes {
    /// Loads what this kernel can load.
    pub fn load(layout: &Layout, wishes: &Wishes) -> Result<(Self, Reader, Vec<ProbeOff>), ProbesError> {
        if OBJECT.is_empty() {
            return Err(ProbesError::NotBuilt);
        }
        let (mut ebpf, off) = load::object(layout, wishes)?;
        let reader = Reader::take(&mut ebpf)?;
        let turns = take_map(&mut ebpf, "TURNS")?;
        let probes = Self {
            ebpf,
            turns,
            devices: Map::new(),
            drops_told: load::is_on(&off, DROPS),
            device_programs: [FROM_POD, TO_POD]
                .into_iter()
                .filter(|probe| load::is_on(&off, probe))
                .collect(),
            tcx: match wishes.attach {
                AttachMode::Auto => has_tcx().is_ok(),
                AttachMode::Tcx => true,
                AttachMode::Clsact => false,
            },
        };
        Ok((probes, reader, off))
    }

    /// Attaches to a device, once. What others drop must be seen: first of all on the way from the
    /// pod, last of all on the way to it.
    pub fn attach(&mut self, ifindex: u32) -> Result<bool, ProgramError> {
        if self.devices.contains_key(&ifindex) || self.device_programs.is_empty() {
            return Ok(false);
        }
        let name = current_name(ifindex)?;
        if !self.tcx {
            // It may be there already. What matters is whether attaching works.
            drop(qdisc_add_clsact(&name));
        }
        remove_leftovers(&name);
        self.hang(ifindex, None, 0)?;
        Ok(true)
    }

    /// Hangs the programs on a device, but for the one on the way to the pod where that hangs there still. Half a
    /// device would stand in the way of attaching to it again: it is all or nothing.
    fn hang(
        &mut self,
        ifindex: u32,
        still: Option<SchedClassifierLinkId>,
        moves: u8,
    ) -> Result<(), ProgramError> {
        let name = current_name(ifindex);
        let from_pod =
            name.and_then(|name| self.attach_one(FROM_POD, &name, TcAttachType::Ingress, LinkOrder::first()));
        let from_pod = match from_pod {
            Ok(from_pod) => from_pod,
            Err(error) => {
                self.detach_one(TO_POD, still);
                return Err(error);
            }
        };
        let to_pod = match still {
            Some(still) => Ok(Some(still)),
            None => current_name(ifindex)
                .and_then(|name| self.attach_one(TO_POD, &name, TcAttachType::Egress, LinkOrder::last())),
        };
        match to_pod {
            Ok(to_pod) => {
                self.devices.insert(ifindex, Attachment { from_pod, to_pod, moves });
                Ok(())
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
        let programs: BTreeMap<&str, Cost> =
            self.ebpf.programs().filter_map(|(name, program)| Some((name, cost(name, program)?))).collect();
        let whole = PROBES.iter().filter_map(|(probe, _)| {
            let mut cost = programs.get(probe)?.clone();
            if let Some(index) = SECONDS.iter().position(|(first, _)| first == probe) {
                let taken = self.taken(index as u32);
                cost.relieved(programs.get(SECONDS[index].1), taken);
            }
            Some(cost)
        });
        whole.collect()
    }

    /// How often the second program of a tracepoint ran for the first.
    fn taken(&self, tracepoint: u32) -> u64 {
        let slots = self.turns.get(&tracepoint, 0);
        let turn = |slot: &[u8; size_of::<Turn>()]| bytemuck::pod_read_unaligned::<Turn>(slot).taken;
        slots.map_or(0, |slots| slots.iter().map(turn).sum())
    }

    fn attach_one(
        &mut self,
        program: &'static str,
        device: &str,
        direction: TcAttachType,
        order: LinkOrder,
    ) -> Result<Option<SchedClassifierLinkId>, ProgramError> {
        if !self.device_programs.contains(program) {
            return Ok(None);
        }
        let options = if self.tcx {
            TcAttachOptions::TcxOrder(order)
        } else {
            TcAttachOptions::Netlink(NlOptions { priority: CLSACT_PRIORITY, ..NlOptions::default() })
        };
        device_program(&mut self.ebpf, program)?.attach_with_options(device, direction, options).map(Some)
    }

    fn detach_one(&mut self, program: &'static str, link: Option<SchedClassifierLinkId>) {
        if let (Ok(program), Some(link)) = (device_program(&mut self.ebpf, program), link) {
            // The device may have taken the link with it.
            drop(program.detach(link));
        }
    }
}

fn cost(name: &str, program: &Program) -> Option<Cost> {
    let fd = program.fd().ok()?;
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd())).ok()?;
    Some(Cost::read(name, &info))
}

/// What a device is called now: it may have been renamed since we heard of it.
pub(super) fn current_name(ifindex: u32) -> Result<String, ProgramError> {
    let name = if_indextoname(ifindex).map_err(|errno| TcError::IoError(errno.into()))?;
    Ok(name.to_string_lossy().into_owned())
}

/// Takes away what an agent left behind that hung in clsact and was killed, however this one hangs on devices. Mostly
/// there is nothing.
fn remove_leftovers(device: &str) {
    for (direction, program) in [(TcAttachType::Ingress, FROM_POD), (TcAttachType::Egress, TO_POD)] {
        drop(qdisc_detach_program(device, direction, program));
    }
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

    #[test]
    fn what_the_second_program_took_was_not_missed() {
        let cost = |runs, nanos, missed| Cost { probe: "kfree_skb".to_owned(), runs, nanos, missed };
        let mut both = cost(10, 1200, 5);
        both.relieved(Some(&cost(10, 100, 1)), 4);
        assert_eq!(both, cost(10, 1300, 1));
        both.relieved(None, 2);
        assert_eq!(both.missed, 0, "counters are not read at one instant");
    }
}
