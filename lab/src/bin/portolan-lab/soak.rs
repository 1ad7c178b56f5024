//! `portolan-lab soak`: very many connections past one agent.

use std::io::{self, Write as _};
use std::path::PathBuf;

use portolan_lab::bench::soak::{self, Options};

/// How long a soak.
#[derive(Debug, clap::Args)]
pub(crate) struct Soak {
    /// The `portolan` program.
    #[arg(long, value_name = "PATH", default_value = "portolan")]
    portolan: PathBuf,
    /// Connections to open.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000_000)]
    connections: u64,
    /// By how much the agent's resident memory may have grown since the first quarter of them.
    #[arg(long, value_name = "MB", default_value_t = 24)]
    growth: u64,
}

/// Soaks; what came of it goes to standard output.
pub(crate) fn run(soak: Soak) -> anyhow::Result<bool> {
    let Soak { portolan, connections, growth } = soak;
    let mut out = io::stdout();
    let even = soak::run(&Options { portolan, connections, growth: growth * 1_000_000 }, &mut out)?;
    out.flush()?;
    Ok(even)
}
