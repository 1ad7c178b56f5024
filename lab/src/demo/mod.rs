//! The demo: a shop over two nodes, the policies of the tutorials, a firewall written by hand, and traffic of every
//! fate. Portolan watches as it would in a cluster, and its flows are compared with what the clients saw.
//!
//! ```text
//!   shop ─► lab ◄─ firewall            traffic ─► expectations ─┐
//!            │                                                   ├─► compare ─► table
//!   programs: API server, collector, agents, observe ─► flows ──┘
//! ```

mod acts;
pub mod compare;
pub mod expect;
mod firewall;
pub mod flow;
mod host;
mod programs;
mod shop;
mod table;
mod traffic;

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::error::LabError;
use crate::lab::Lab;
use programs::Programs;

/// How long flows may take after the last attempt.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long nothing new must come before the flows count as complete: longer than the collector waits for the other
/// node's view, so that a view that was not joined shows as one flow too many.
const QUIET: Duration = Duration::from_secs(6);

/// How often a customer comes while the demo is kept.
const PACE: Duration = Duration::from_secs(2);

/// What to show.
#[derive(Debug, Clone)]
pub struct Options {
    /// The `portolan` program.
    pub portolan: PathBuf,
    /// Where to write the flows as JSON lines.
    pub jsonl: Option<PathBuf>,
    /// Leave it running after the table, until a signal.
    pub keep: bool,
}

/// Why the demo could not be shown to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The lab failed.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// This machine lacks something that the demo needs beyond the lab.
    #[error("this machine cannot run the demo: {}", missing.join("; "))]
    Missing {
        /// One sentence per missing thing, each with its mend.
        missing: Vec<String>,
    },
    /// A program of Portolan did not start as it should.
    #[error("{program} did not start: {why}")]
    Program {
        /// The program and its verb.
        program: String,
        /// Its exit status, or what was waited for, and its last words.
        why: String,
        /// Whether it ended because the machine lacks something.
        unavailable: bool,
    },
    /// A line that is no flow.
    #[error("`portolan observe` printed a line that is no flow: {line}")]
    Flow {
        /// The line.
        line: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// Text could not be written.
    #[error("cannot write {what}")]
    Write {
        /// A file or the terminal.
        what: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl DemoError {
    /// Whether the machine is at fault: it lacks a privilege, a program or a kernel feature.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Missing { .. } | Self::Lab(LabError::Missing { .. }) => true,
            Self::Program { unavailable, .. } => *unavailable,
            _ => false,
        }
    }
}

/// Shows it all. True when every flow agrees with what the clients saw.
pub fn run(options: &Options, out: &mut dyn Write) -> Result<bool, DemoError> {
    host::check()?;
    let begun = Instant::now();
    say(out, "A cluster of two nodes is made out of network namespaces.")?;
    let mut lab = Lab::new("demo")?;
    shop::build(&mut lab)?;
    firewall::load(&lab)?;
    let servers = shop::serve(&lab)?;
    say(out, "API server, collector and one agent per node start.")?;
    let mut programs = Programs::start(&lab, &options.portolan)?;
    say(out, "Traffic; the flows as `portolan observe --follow` prints them:\n")?;
    let told = traffic::run(&lab)?;
    let attempts = told.expectations.iter().map(|expected| expected.attempts() as u64).sum();
    let lines = programs.collect_flows(attempts, PATIENCE, QUIET)?;
    programs.stop_printing();
    let flows = flow::parse_all(&lines)?;
    if let Some(path) = &options.jsonl {
        fs::write(path, lines.join("\n") + "\n")
            .map_err(|source| DemoError::Write { what: path.display().to_string(), source })?;
    }
    let differences = compare::compare(&told.expectations, &flows);
    say(out, &format!("\n{}", table::render(&flows)))?;
    let agree = report(out, attempts, &told.surprises, &differences, begun.elapsed())?;
    if options.keep {
        let end = lab.claim_end();
        say(out, &programs.addresses(&options.portolan))?;
        while !end.comes_within(PACE) {
            traffic::welcome_customer(&lab)?;
        }
    }
    drop((programs, servers));
    Ok(agree)
}

fn report(
    out: &mut dyn Write,
    attempts: u64,
    surprises: &[String],
    differences: &[compare::Difference],
    took: Duration,
) -> Result<bool, DemoError> {
    for surprise in surprises {
        say(out, &format!("! a client saw something else than the firewall was told to do: {surprise}"))?;
    }
    for difference in differences {
        say(out, &format!("! {difference}"))?;
    }
    let agree = surprises.is_empty() && differences.is_empty();
    let verdict = if agree {
        "each is in the flows exactly once, as its client saw it".to_owned()
    } else {
        format!("{} differences from the flows", surprises.len() + differences.len())
    };
    say(out, &format!("{attempts} attempts by clients: {verdict}. ({:.0} s)", took.as_secs_f64()))?;
    Ok(agree)
}

fn say(out: &mut dyn Write, line: &str) -> Result<(), DemoError> {
    let written = writeln!(out, "{line}").and_then(|()| out.flush());
    written.map_err(|source| DemoError::Write { what: "to the terminal".to_owned(), source })
}
