//! Every probe tried out, without an agent: loaded and attached for a moment, in a network namespace
//! that is made for it and goes with it.

use super::InspectError;
use crate::{
    capture::{AttachMode, PROBES, Probes, Wishes, chain},
    kernel::{KernelTypes, Layout},
    reasons::Reasons,
};
use nix::sched::{CloneFlags, unshare};
use serde::Serialize;
use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Trial {
    /// The probes, in a fixed order.
    pub probes: Vec<Tried>,
    /// The ways to attach to a device.
    pub attaching: Vec<Attached>,
}

/// A probe that was tried.
#[derive(Clone, Debug, Serialize)]
pub struct Tried {
    /// The probe.
    pub probe: &'static str,
    /// Whether it loads and attaches.
    pub works: bool,
    /// Why not.
    pub reason: Option<String>,
    /// What is not seen without it.
    pub lost: &'static str,
}

/// A way to attach that was tried.
#[derive(Clone, Debug, Serialize)]
pub struct Attached {
    /// `tcx` or `clsact`.
    pub hook: &'static str,
    /// Whether it works.
    pub works: bool,
    /// Why not.
    pub reason: Option<String>,
    /// How long it took to attach both programs to a device, in microseconds; the median of some.
    pub attach_micros: Option<u64>,
}

impl Trial {
    /// Tries.
    pub fn run() -> Result<Self, InspectError> {
        let inside = |error| InspectError::Namespace { whose: "the trial".to_owned(), error };
        let alone = || -> io::Result<Self> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            Ok(Self::here())
        };
        // The namespace goes with the thread.
        std::thread::scope(|scope| scope.spawn(alone).join().expect("a trial does not panic")).map_err(inside)
    }

    /// Whether an agent could start.
    pub fn can_start(&self) -> bool {
        self.probes.iter().any(|tried| tried.works)
    }

    fn here() -> Self {
        let (probes, off) = match load(AttachMode::Tcx) {
            Ok((probes, off)) => (Ok(probes), off),
            Err(reason) => {
                let all = PROBES.iter().map(|&(probe, _)| (probe, reason.clone())).collect();
                (Err(reason), all)
            }
        };
        let tried = PROBES.iter().map(|&(probe, lost)| {
            let reason = off.iter().find(|(off, _)| *off == probe).map(|(_, reason)| reason.clone());
            Tried { probe, works: reason.is_none(), reason, lost }
        });
        let clsact = || load(AttachMode::Clsact).map(|(probes, _)| probes);
        Self { probes: tried.collect(), attaching: vec![attach("tcx", probes), attach("clsact", clsact())] }
    }
}

type Loaded = (Probes, Vec<(&'static str, String)>);

fn load(mode: AttachMode) -> Result<Loaded, String> {
    let types = KernelTypes::read(Path::new(KernelTypes::PATH)).map_err(|error| chain(&error))?;
    let reasons = Reasons::of(&types);
    // No namespace has this number: the trial sees nothing.
    let layout = Layout::resolve(&types, &reasons, 0);
    let wishes = Wishes { attach: mode, ..Wishes::default() };
    let (probes, _reader, off) = Probes::load(&layout, &wishes).map_err(|error| chain(&error))?;
    Ok((probes, off.into_iter().map(|off| (off.probe, off.reason)).collect()))
}

fn attach(hook: &'static str, probes: Result<Probes, String>) -> Attached {
    let (reason, took) = match probes.and_then(|mut probes| time(&mut probes)) {
        Ok(took) => (None, Some(took.as_micros() as u64)),
        Err(reason) => (Some(reason), None),
    };
    Attached { hook, works: reason.is_none(), reason, attach_micros: took }
}

/// The median of some attachments to the namespace's loopback.
fn time(probes: &mut Probes) -> Result<Duration, String> {
    const LOOPBACK: u32 = 1;
    const TIMES: usize = 7;
    let mut took = Vec::new();
    for _ in 0..TIMES {
        let begun = Instant::now();
        probes.attach(LOOPBACK).map_err(|error| chain(&error))?;
        took.push(begun.elapsed());
        probes.detach(LOOPBACK);
    }
    took.sort_unstable();
    Ok(took[TIMES / 2])
}
