//! The benchmark on the real kernel: the same traffic unwatched, under an agent, and under a simple observer of flows, in
//! one run and in changing order, so that they differ in nothing else.
//!
//! ```text
//!   scene (a full node) ─► rounds: load under nobody, agent, baseline ─► kept rounds ─┐
//!                       └► probes: one round with the kernel's statistics ────────────┴─► report
//! ```
//! A round in which other programs took processor time is dropped. What the agent printed is counted against what the
//! clients did.

mod agent;
mod bpf;
pub mod cpu;
pub mod document;
mod exposition;
pub mod figures;
mod goals;
mod load;
mod naive;
mod probes;
pub mod quiet;
mod report;
mod rounds;
mod scene;
pub mod soak;

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::error::LabError;
use rounds::Rounds;
use scene::Scene;

/// Where the tables begin in a document.
const BEGIN: &str = "<!-- written by `cargo xtask bench capture --into` -->";

/// The switch that would slow every probe down.
const STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// What to measure.
#[derive(Debug, Clone)]
pub struct Options {
    /// The `portolan` program, from a release build.
    pub portolan: PathBuf,
    /// Undisturbed rounds to reach; a workload whose rounds differ much gets up to three times as many.
    pub rounds: usize,
    /// How long a workload runs in a round.
    pub length: Duration,
    /// How long to wait for a quiet moment before a round; one that is disturbed after all is played again.
    pub patience: Duration,
    /// When to stop trying for more rounds.
    pub budget: Duration,
    /// Of the node's processor time, what others may take in a round that is kept.
    pub disturbance: f64,
    /// The document that gets the tables, instead of the output.
    pub into: Option<PathBuf>,
}

impl Default for Options {
    /// What a machine can do that is left alone for some minutes.
    fn default() -> Self {
        Self {
            portolan: PathBuf::from("portolan"),
            rounds: 7,
            length: Duration::from_secs(2),
            patience: Duration::from_secs(4),
            budget: Duration::from_mins(25),
            disturbance: 0.03,
            into: None,
        }
    }
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The lab failed.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// The agent ended badly.
    #[error("the agent ended with {status}; its last lines:\n{tail}")]
    Agent {
        /// How it ended.
        status: String,
        /// What it said.
        tail: String,
    },
    /// A line that is no flow.
    #[error("the agent printed a line that is no flow: {line}")]
    Flow {
        /// The line.
        line: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The baseline does not run.
    #[error("cannot run the baseline; it needs tcx, which came with kernel 6.6")]
    Baseline(#[source] io::Error),
    /// The kernel's statistics cannot be had.
    #[error("cannot use the kernel's run-time statistics of BPF programs")]
    Statistics(#[source] io::Error),
    /// Something cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// A file or a page.
        path: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file of the kernel has another form than expected.
    #[error("{path} does not have the form that Linux documents")]
    Form {
        /// The file.
        path: String,
    },
    /// A document that has no place for the tables.
    #[error("{path} has no lines `{begin}` and, after it, `{end}` to put the tables between")]
    Document {
        /// The document.
        path: String,
        /// Where the tables begin.
        begin: String,
        /// Where they end.
        end: &'static str,
    },
    /// Something cannot be written.
    #[error("cannot write {what}")]
    Write {
        /// A file or the terminal.
        what: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl BenchError {
    /// Whether the machine is at fault: it lacks a privilege, a program or a kernel feature.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Lab(LabError::Missing { .. }))
    }
}

/// Measures, and writes tables to the document or `out`, and what goes on to `progress`. True when every attempt of the clients is in
/// the agent's flows or counted as lost.
pub fn run(options: &Options, out: &mut dyn Write, progress: &mut dyn Write) -> Result<bool, BenchError> {
    refuse_statistics()?;
    let begun = Instant::now();
    let scene = Scene::build()?;
    say(progress, &format!("A node with {} pods stands; the workloads warm up.", scene::PODS))?;
    for workload in load::Workload::ALL {
        load::run(&scene, workload, options.length / 2)?;
    }
    let mut rounds = Rounds::default();
    while let Some(workload) = rounds.next(options.rounds)
        && begun.elapsed() < options.budget
    {
        quiet::wait(options.patience)?;
        rounds.add(&scene, workload, options)?;
        say(progress, &rounds.progress())?;
    }
    say(progress, "One round with the kernel's statistics of BPF programs.")?;
    let costs = probes::measure(&scene, options)?;
    let text = report::render(options, &rounds, &costs, begun.elapsed());
    match &options.into {
        Some(path) => document::put(path, BEGIN, &text)?,
        None => say(out, &text)?,
    }
    Ok(rounds.check().holds())
}

/// With the statistics on all the time, there is nothing to compare.
fn refuse_statistics() -> Result<(), BenchError> {
    let on = fs::read_to_string(STATISTICS).is_ok_and(|value| value.trim() != "0");
    if !on {
        return Ok(());
    }
    let missing =
        "kernel.bpf_stats_enabled is on and slows every probe; `sysctl kernel.bpf_stats_enabled=0` first";
    Err(LabError::Missing { missing: vec![missing.to_owned()] }.into())
}

fn say(out: &mut dyn Write, line: &str) -> Result<(), BenchError> {
    let written = writeln!(out, "{line}").and_then(|()| out.flush());
    written.map_err(|source| BenchError::Write { what: "to the terminal".to_owned(), source })
}
