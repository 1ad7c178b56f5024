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
    /// What the agent may hold resident at any time.
    #[arg(long, value_name = "MB", default_value_t = 256)]
    memory: u64,
}

/// Soaks; what came of it goes to standard output.
pub(crate) fn run(soak: Soak) -> anyhow::Result<bool> {
    let Soak { portolan, connections, memory } = soak;
    let mut out = io::stdout();
    let even = soak::run(&Options { portolan, connections, memory: memory * 1_000_000 }, &mut out)?;
    out.flush()?;
    Ok(even)
}
