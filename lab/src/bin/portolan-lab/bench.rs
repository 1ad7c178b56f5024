//! `portolan-lab bench`: what the probes cost on this kernel.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use portolan_lab::bench::{self, Options};

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    /// The `portolan` program, from a release build.
    #[arg(long, value_name = "PATH", default_value = "portolan")]
    portolan: PathBuf,
    /// Undisturbed rounds to reach [default: 7].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// How long a workload runs in a round [default: 2].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..))]
    seconds: Option<u16>,
    /// How long to wait for other programs to be quiet before a round [default: 4].
    #[arg(long, value_name = "SECONDS")]
    patience: Option<u64>,
    /// No further round begins after this long [default: 900].
    #[arg(long, value_name = "SECONDS")]
    budget: Option<u64>,
    /// What others may take of the processors in a round that is kept [default: 3].
    #[arg(long, value_name = "PERCENT")]
    disturbance: Option<u8>,
    /// Put the tables into this document, between the lines that it has for them.
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
}

/// Measures; the tables go to the document or to standard output, what goes on to standard error.
pub(crate) fn run(bench: Bench) -> anyhow::Result<bool> {
    let Bench { portolan, rounds, seconds, patience, budget, disturbance, into } = bench;
    let usual = Options::default();
    let time = |seconds: Option<u64>, usual| seconds.map_or(usual, Duration::from_secs);
    let options = Options {
        portolan,
        rounds: rounds.map_or(usual.rounds, usize::from),
        length: time(seconds.map(u64::from), usual.length),
        patience: time(patience, usual.patience),
        budget: time(budget, usual.budget),
        disturbance: disturbance.map_or(usual.disturbance, |percent| f64::from(percent) / 100.0),
        into,
    };
    let (mut out, mut progress) = (io::stdout(), io::stderr());
    let complete = bench::run(&options, &mut out, &mut progress)?;
    out.flush()?;
    Ok(complete)
}
