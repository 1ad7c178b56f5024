//! The `portolan` command: one file per verb, no logic that a library crate should own.

mod agent;
mod client;
mod collector;
mod explain;
mod export;
mod failure;
mod filter;
mod graph;
mod lint;
mod log;
mod manifests;
mod observe;
mod output;
mod probe;
mod render;
mod status;
mod top;

#[cfg(test)]
#[path = "../../collector/tests/support/build.rs"]
mod build;

use clap::{Parser, Subcommand};
use failure::Failure;
use std::{path::PathBuf, process::ExitCode};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

/// Who talks to whom in a Kubernetes cluster, what the policies say, and what really happened.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    log: log::LogArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Observe the node that this runs on.
    Agent(Box<agent::AgentArgs>),
    /// Collect what the agents observe and serve it.
    Collector(Box<collector::CollectorArgs>),
    /// Say what the policies of some manifests say to a connection.
    Explain(Box<explain::ExplainArgs>),
    /// Write flows into a Parquet file.
    Export(Box<export::ExportArgs>),
    /// Print who talked to whom, workload by workload, or what each policy did.
    Graph(Box<graph::GraphArgs>),
    /// Name what is wrong in manifests, or probably not meant.
    Lint(lint::LintArgs),
    /// Open a collector's store and end, for a collector that must know what that does.
    #[command(name = portolan_collector::OPEN_STORE, hide = true)]
    OpenStore {
        /// The folder of the store.
        store: PathBuf,
    },
    /// Print flows, past and to come.
    Observe(Box<observe::ObserveArgs>),
    /// Print what the kernel says about the probes on this node.
    Probe(probe::ProbeArgs),
    /// Print how the collector and its agents are doing.
    Status(Box<status::StatusArgs>),
    /// Print the edges with the most denied attempts, or the most of something else.
    Top(Box<top::TopArgs>),
}

fn main() -> ExitCode {
    let Cli { verb, log } = Cli::parse();
    let serves = matches!(verb, Verb::Agent(_) | Verb::Collector(_));
    log::init(&log, if serves { "info" } else { "warn" });
    // The second of two providers would be refused; there is one.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let done = runtime(&verb).map(|runtime| runtime.block_on(run(verb)));
    done.flatten().unwrap_or_else(|failure| failure.report())
}

/// The agent attributes on the main thread and captures on its own: one more is enough for its
/// connections, however many processors the node has.
fn runtime(verb: &Verb) -> Result<Runtime, Failure> {
    let mut builder = Builder::new_multi_thread();
    if matches!(verb, Verb::Agent(_)) {
        builder.worker_threads(1);
    }
    let runtime = builder.enable_all().build();
    runtime.map_err(|error| anyhow::Error::new(error).context("cannot start the runtime's threads").into())
}

async fn run(verb: Verb) -> Result<ExitCode, Failure> {
    match verb {
        Verb::Agent(args) => agent::run(*args, stop_on_signal()?).await.map(|()| ExitCode::SUCCESS),
        Verb::Collector(args) => collector::run(*args, stop_on_signal()?).await,
        // These have nothing to put in order at the end: a signal simply ends them.
        Verb::Explain(args) => explain::run(*args),
        Verb::Graph(args) => graph::run(*args).await,
        Verb::Lint(args) => lint::run(&args),
        Verb::Export(args) => export::run(*args, stop_on_signal()?).await,
        Verb::Observe(args) => observe::run(*args, stop_on_signal()?).await,
        Verb::OpenStore { store } => {
            portolan_collector::open_store(&store);
            Ok(ExitCode::SUCCESS)
        }
        Verb::Probe(args) => probe::run(&args).await,
        Verb::Status(args) => status::run(*args).await,
        Verb::Top(args) => top::run(*args).await,
    }
}

/// Cancelled by SIGINT or SIGTERM.
fn stop_on_signal() -> Result<CancellationToken, Failure> {
    let cannot = |error| Failure::from(anyhow::Error::new(error).context("cannot listen for signals"));
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        stopping.cancel();
    });
    Ok(stop)
}
