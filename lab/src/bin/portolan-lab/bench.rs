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
    /// Undisturbed rounds to reach.
    #[arg(long, value_name = "COUNT", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// How long a workload runs in a round.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    seconds: u16,
    /// How long to wait for other programs to be quiet before a round.
    #[arg(long, value_name = "SECONDS", default_value_t = 4)]
    patience: u64,
    /// No further round begins after this long.
    #[arg(long, value_name = "SECONDS", default_value_t = 100)]
    budget: u64,
}

/// Measures; the tables go to standard output, what goes on to standard error.
pub(crate) fn run(bench: Bench) -> anyhow::Result<bool> {
    let options = Options {
        portolan: bench.portolan,
        rounds: bench.rounds.into(),
        length: Duration::from_secs(bench.seconds.into()),
        patience: Duration::from_secs(bench.patience),
        budget: Duration::from_secs(bench.budget),
    };
    let (mut out, mut progress) = (io::stdout(), io::stderr());
    let complete = bench::run(&options, &mut out, &mut progress)?;
    out.flush()?;
    Ok(complete)
}
