//! `portolan-lab`: a cluster of network namespaces on this machine, and the demo in it.

mod bench;
mod soak;
mod up;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use portolan_lab::LabError;
use portolan_lab::bench::BenchError;
use portolan_lab::demo::{self, DemoError};

/// The machine lacks something: sysexits' `EX_UNAVAILABLE`.
const UNAVAILABLE: u8 = 69;

/// A cluster of network namespaces on this machine.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show Portolan on a shop over two nodes: real traffic, a real firewall, flows compared with what clients saw.
    Demo(Demo),
    /// Measure what the probes cost: the same traffic unwatched, under an agent and under a simple observer, in one run.
    Bench(bench::Bench),
    /// Open very many connections past one agent, and count what it told of them.
    Soak(soak::Soak),
    /// Make an empty cluster with an API server and leave it standing until Ctrl-C.
    Up(up::Up),
}

#[derive(Debug, clap::Args)]
struct Demo {
    /// The `portolan` program.
    #[arg(long, value_name = "PATH", default_value = "portolan")]
    portolan: PathBuf,
    /// Write the flows to this file as JSON lines.
    #[arg(long, value_name = "FILE")]
    jsonl: Option<PathBuf>,
    /// Leave everything running after the table, until Ctrl-C.
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn")),
        )
        .with_writer(io::stderr)
        .init();
    match run(Arguments::parse().verb) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(err) => {
            // With stderr gone, the exit code still tells.
            drop(writeln!(io::stderr(), "portolan-lab: {err:#}"));
            ExitCode::from(if is_unavailable(&err) { UNAVAILABLE } else { 1 })
        }
    }
}

fn run(verb: Verb) -> anyhow::Result<bool> {
    match verb {
        Verb::Demo(Demo { portolan, jsonl, keep }) => {
            let options = demo::Options { portolan, jsonl, keep };
            Ok(demo::run(&options, &mut io::stdout())?)
        }
        Verb::Bench(bench) => bench::run(bench),
        Verb::Soak(soak) => soak::run(soak),
        Verb::Up(up) => up::run(&up, &mut io::stdout()).map(|()| true),
    }
}

fn is_unavailable(err: &anyhow::Error) -> bool {
    err.downcast_ref::<DemoError>().is_some_and(DemoError::is_unavailable)
        || err.downcast_ref::<BenchError>().is_some_and(BenchError::is_unavailable)
        || matches!(err.downcast_ref::<LabError>(), Some(LabError::Missing { .. }))
}
