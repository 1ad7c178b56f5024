//! What this kernel can do, each tried and not guessed from its version.

use crate::{
    kernel::{KernelTypes, Layout, Places, bpf},
    reasons::Reasons,
    witness,
};
use serde::Serialize;
use std::{fs, path::Path};

/// The kernel, as far as capture is concerned.
#[derive(Clone, Debug, Serialize)]
pub struct Abilities {
    /// Its release.
    pub release: String,
    /// What it can do, in a fixed order.
    pub abilities: Vec<Ability>,
}

/// One thing that the kernel can do, or cannot.
#[derive(Clone, Debug, Serialize)]
pub struct Ability {
    /// Its name.
    pub name: &'static str,
    /// Whether it is there.
    pub available: bool,
    /// What was found.
    pub detail: String,
    /// What it is good for.
    pub used_for: &'static str,
}

impl Ability {
    fn new(name: &'static str, used_for: &'static str, found: Result<String, String>) -> Self {
        let available = found.is_ok();
        Self { name, available, detail: found.unwrap_or_else(|why| why), used_for }
    }
}

/// Capabilities and their bits; the first three are what the agent runs with.
const CAPABILITIES: [(&str, u32, &str); 5] = [
    ("CAP_BPF", 39, "loading programs and making maps"),
    ("CAP_PERFMON", 38, "programs on tracepoints, which read kernel memory"),
    ("CAP_NET_ADMIN", 12, "attaching to interfaces"),
    ("CAP_SYS_ADMIN", 21, "this report; the agent does without"),
    ("CAP_SYSLOG", 34, "kernel addresses; the agent does without"),
];

impl Abilities {
    /// Looks.
    pub fn look() -> Self {
        let types = KernelTypes::read(Path::new(KernelTypes::PATH));
        let mut abilities = Vec::new();
        let said = match &types {
            Ok(_) => Ok(KernelTypes::PATH.to_owned()),
            Err(error) => Err(crate::capture::chain(error)),
        };
        abilities.push(Ability::new("btf", "all probes: where the kernel keeps what they read", said));
        if let Ok(types) = &types {
            abilities.extend(of_types(types));
        }
        abilities.push(tcx());
        abilities.push(netfilter());
        abilities.push(statistics());
        abilities.push(addresses());
        abilities.extend(capabilities(&read("/proc/self/status").unwrap_or_default()));
        let release = read("/proc/sys/kernel/osrelease").unwrap_or_else(|error| error);
        Self { release, abilities }
    }
}

fn of_types(types: &KernelTypes) -> [Ability; 2] {
    let names = types.enumerators("skb_drop_reason").len();
    let found = if names > 0 { Ok(format!("{names} names")) } else { Err("none".to_owned()) };
    let layout = Layout::resolve(types, &Reasons::of(types), 0);
    let missing: Vec<_> = layout.missing.iter().map(|missing| missing.member.as_str()).collect();
    let members = if missing.is_empty() { Ok("all".to_owned()) } else { Err(missing.join(", ")) };
    [
        Ability::new("drop-reasons", "why the kernel dropped a packet", found),
        Ability::new("members", "each probe needs its own; those missing are named", members),
    ]
}

fn tcx() -> Ability {
    let found = bpf::has_tcx();
    let found = found.map(|()| "a link that goes with the agent".to_owned());
    Ability::new("tcx", "attaching to interfaces; clsact filters without", found.map_err(|e| e.to_string()))
}

fn netfilter() -> Ability {
    let found = witness::is_possible().map(|()| "programs load".to_owned());
    Ability::new(
        "netfilter-links",
        "a witness beside the firewall; optional",
        found.map_err(|e| e.to_string()),
    )
}

fn statistics() -> Ability {
    let found = match read("/proc/sys/kernel/bpf_stats_enabled").as_deref() {
        Ok("1") => Ok("on".to_owned()),
        Ok(_) => Err("off: kernel.bpf_stats_enabled is 0".to_owned()),
        Err(error) => Err(error.to_owned()),
    };
    Ability::new("run-time-statistics", "runs and time of each program; --measure does without", found)
}

fn addresses() -> Ability {
    let found = if Places::new(Path::new(Places::PATH)).are_shown() {
        Ok("shown".to_owned())
    } else {
        Err("hidden: kernel.kptr_restrict, or no CAP_SYSLOG".to_owned())
    };
    Ability::new("kernel-addresses", "the place of a drop whose reason says nothing", found)
}

fn capabilities(status: &str) -> Vec<Ability> {
    let held = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let held = held.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0);
    let ability = |(name, bit, used_for): (&'static str, u32, &'static str)| {
        let found = if held & (1 << bit) != 0 { Ok("held") } else { Err("not held") };
        Ability::new(name, used_for, found.map(str::to_owned).map_err(str::to_owned))
    };
    CAPABILITIES.map(ability).into()
}

fn read(path: &str) -> Result<String, String> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).trim().to_owned()),
        Err(error) => Err(format!("{path}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read_bit_by_bit() {
        let held = |status: &str| {
            let held = capabilities(status).into_iter().filter(|ability| ability.available);
            held.map(|ability| ability.name).collect::<Vec<_>>()
        };
        assert_eq!(held("CapEff:\t000000c000001000\n"), ["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"]);
        assert_eq!(held("CapEff:\t000001ffffffffff\n").len(), CAPABILITIES.len());
        assert!(held("garbage").is_empty());
    }
}
