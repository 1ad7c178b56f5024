//! The agents that have programs in this kernel, by the kernel's account.

use super::{
    InspectError,
    holders::holders,
    hooks::{Hook, hooks},
    maps::{Fill, counters, fill},
};
use crate::capture::{Cost, KERNEL_LOSSES, LossCause, PROBES, SECONDS};
use aya::{
    maps::{MapInfo, MapType},
    programs::{ProgramInfo, loaded_programs},
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::{
        fd::{AsFd as _, AsRawFd as _},
        unix::fs::MetadataExt as _,
    },
};

/// An agent that has programs in the kernel.
#[derive(Clone, Debug, Serialize)]
pub struct Running {
    /// Its process; none when programs were left behind by an agent that was killed.
    pub process: Option<u32>,
    /// The number of the network namespace that it looks at.
    pub netns: Option<u64>,
    /// Its programs, in a fixed order.
    pub programs: Vec<Program>,
    /// Probes that it should have and has not.
    pub off: Vec<Off>,
    /// Where its device programs stand.
    pub devices: Vec<Hook>,
    /// How full its maps are.
    pub maps: Vec<Fill>,
    /// What the kernel could not keep for it.
    pub lost: Vec<Losses>,
}

/// A loaded program.
#[derive(Clone, Debug, Serialize)]
pub struct Program {
    /// The probe.
    pub probe: &'static str,
    /// Its number in the kernel.
    pub id: u32,
    /// How often it ran, while statistics were on.
    pub runs: u64,
    /// How long it ran in all, while statistics were on.
    pub nanos: u64,
    /// How long one run took.
    pub nanos_per_run: Option<u64>,
    /// How often it did not run because it was running already.
    pub missed: u64,
}

/// A probe that is off.
#[derive(Clone, Debug, Serialize)]
pub struct Off {
    /// The probe.
    pub probe: &'static str,
    /// What is not seen without it.
    pub lost: &'static str,
}

/// What was lost for one cause.
#[derive(Clone, Debug, Serialize)]
pub struct Losses {
    /// The cause.
    pub cause: &'static str,
    /// How many.
    pub count: u64,
}

impl Running {
    /// Every agent that has programs in this kernel; those with a process first.
    pub fn all() -> Result<Vec<Self>, InspectError> {
        let holders = holders();
        let mut agents = Vec::new();
        for group in groups()?.into_values() {
            agents.push(group.describe(&holders)?);
        }
        agents.sort_by_key(|agent| (agent.process.is_none(), agent.process));
        Ok(agents)
    }

    /// Runs and time since an earlier look at the same agent.
    pub fn subtract(&mut self, earlier: &Self) {
        for program in &mut self.programs {
            let before = earlier.programs.iter().find(|before| before.id == program.id);
            let (runs, nanos) = before.map_or((0, 0), |before| (before.runs, before.nanos));
            program.runs = program.runs.saturating_sub(runs);
            program.nanos = program.nanos.saturating_sub(nanos);
            program.nanos_per_run = program.nanos.checked_div(program.runs);
        }
    }
}

/// Programs that write to the same ring are one agent's.
#[derive(Default)]
struct Group {
    programs: Vec<(&'static str, ProgramInfo)>,
    maps: BTreeMap<u32, MapInfo>,
}

const RING: &[u8] = b"EVENTS";
const LOST: &[u8] = b"LOST";

fn groups() -> Result<BTreeMap<u32, Group>, InspectError> {
    let mut groups: BTreeMap<u32, Group> = BTreeMap::new();
    for info in loaded_programs() {
        let info = match info {
            Ok(info) => info,
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(InspectError::Programs(error)),
        };
        let Some(probe) = known(info.name()) else { continue };
        let Some(maps) = maps_of(&info) else { continue };
        let is_ring = |map: &&MapInfo| map.name() == RING && matches!(map.map_type(), Ok(MapType::RingBuf));
        let Some(ring) = maps.iter().find(is_ring).map(MapInfo::id) else { continue };
        let group = groups.entry(ring).or_default();
        group.programs.push((probe, info));
        group.maps.extend(maps.into_iter().map(|map| (map.id(), map)));
    }
    Ok(groups)
}

/// The names of all programs, in the order in which they are told.
fn programs() -> impl Iterator<Item = &'static str> {
    PROBES.iter().map(|(probe, _)| *probe).chain(SECONDS.iter().map(|(_, second)| *second))
}

/// The program with this name; the kernel keeps the first fifteen letters.
fn known(name: &[u8]) -> Option<&'static str> {
    const KEPT: usize = 15;
    programs().find(|probe| {
        let probe = probe.as_bytes();
        &probe[..probe.len().min(KEPT)] == name
    })
}

fn maps_of(info: &ProgramInfo) -> Option<Vec<MapInfo>> {
    let ids = info.map_ids().ok()??;
    Some(ids.into_iter().filter_map(|id| MapInfo::from_id(id).ok()).collect())
}

/// Programs come and go while they are listed.
fn is_gone(error: &aya::programs::ProgramError) -> bool {
    matches!(error, aya::programs::ProgramError::SyscallError(call)
        if call.io_error.raw_os_error() == Some(libc::ENOENT))
}

impl Group {
    fn describe(mut self, holders: &BTreeMap<u32, u32>) -> Result<Running, InspectError> {
        let order = |probe: &str| programs().position(|known| known == probe);
        self.programs.sort_by_key(|(probe, info)| (order(probe), info.id()));
        let process = self.programs.iter().find_map(|(_, info)| holders.get(&info.id()).copied());
        let ids: BTreeSet<u32> = self.programs.iter().map(|(_, info)| info.id()).collect();
        let is_loaded = |probe: &str| self.programs.iter().any(|(loaded, _)| *loaded == probe);
        let off = PROBES.iter().filter(|(probe, _)| !is_loaded(probe));
        Ok(Running {
            process,
            netns: process.and_then(netns),
            devices: hooks(process, &ids)?,
            off: off.map(|&(probe, lost)| Off { probe, lost }).collect(),
            programs: self.programs.iter().map(|(probe, info)| program(probe, info)).collect(),
            maps: self.maps.values().filter_map(fill).collect(),
            lost: self.lost(),
        })
    }

    fn lost(&self) -> Vec<Losses> {
        let map = self.maps.values().find(|map| map.name() == LOST);
        let counts = map.and_then(|map| counters(map.id())).unwrap_or_default();
        let named = KERNEL_LOSSES.into_iter().map(LossCause::as_str);
        named.zip(counts).map(|(cause, count)| Losses { cause, count }).collect()
    }
}

fn program(probe: &'static str, info: &ProgramInfo) -> Program {
    let described = info
        .fd()
        .ok()
        .and_then(|fd| fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd())).ok());
    let Cost { runs, nanos, missed, .. } = Cost::read(probe, &described.unwrap_or_default());
    Program { probe, id: info.id(), runs, nanos, nanos_per_run: nanos.checked_div(runs), missed }
}

fn netns(process: u32) -> Option<u64> {
    fs::metadata(format!("/proc/{process}/ns/net")).ok().map(|metadata| metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_the_kernel_cut_is_known() {
        assert_eq!(known(b"portolan_from"), Some("portolan_from"));
        assert_eq!(known(b"inet_sock_set_s"), Some("inet_sock_set_state"));
        assert_eq!(known(b"inet_sock"), None);
        assert_eq!(known(b""), None);
    }

    #[test]
    fn what_was_measured_is_the_difference_of_two_looks() {
        let look = |runs, nanos| Running {
            process: None,
            netns: None,
            programs: vec![Program {
                probe: "portolan_to",
                id: 7,
                runs,
                nanos,
                nanos_per_run: None,
                missed: 0,
            }],
            off: vec![],
            devices: vec![],
            maps: vec![],
            lost: vec![],
        };
        let mut later = look(30, 4000);
        later.subtract(&look(10, 1000));
        let program = &later.programs[0];
        assert_eq!((program.runs, program.nanos, program.nanos_per_run), (20, 3000, Some(150)));
        later.subtract(&later.clone());
        assert_eq!(later.programs[0].nanos_per_run, None, "it did not run");
    }
}
