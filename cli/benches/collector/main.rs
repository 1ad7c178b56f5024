//! The collector under load: agents' streams over loopback, each batch acknowledged when it is durable; beside it, in the
//! same run and alternating, a message per record that is counted in a map.
//!
//! ```text
//! cluster ─► traffic (prepared) ─► agents ─gRPC─► portolan collector --data ─► acks
//!                            └───► naive ──gRPC─► a map
//! rounds: the processor time of the server alone ─► report
//! ```
//! A round in which other programs took processor time is dropped. In the end every attempt must be one flow.

mod agents;
mod chance;
mod cluster;
mod history;
mod naive;
mod process;
mod report;
mod rounds;
mod traffic;

use clap::Parser;
use cluster::Cluster;
use history::{GraphAnswer, History};
use portolan_lab::bench::document;
use process::Process;
use report::Rounds;
use rounds::Bench;
use std::{
    env,
    io::{self, Write as _},
    path::PathBuf,
    time::{Duration, Instant},
};
use traffic::Traffic;

/// Where the tables begin in a document.
const BEGIN: &str = "<!-- written by `cargo xtask bench collector --into` -->";
/// Up to so many edges, each has an attempt in every hour of a day.
const A_DAY_OF: usize = 100_000;
/// Rounds of the baseline have so many times fewer attempts: each costs it more.
const FEWER: usize = 8;
/// So many times more rounds are played than asked for, where they are disturbed.
const MOST: usize = 2;

/// What to measure.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench collector")]
struct Options {
    /// Undisturbed rounds to reach
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Attempts of a round
    #[arg(long, default_value_t = 400_000)]
    attempts: usize,
    /// Edges of the cluster, from few to many
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,100000,1000000")]
    edges: Vec<usize>,
    /// Attempts of the history in which queries look and with which the collector starts
    #[arg(long, default_value_t = 10_000_000)]
    history: usize,
    /// Seconds to wait for a quiet moment before a round
    #[arg(long, default_value = "2", value_parser = seconds)]
    patience: Duration,
    /// Of the machine's processor time, what others may take in a round that is kept
    #[arg(long, default_value_t = 0.05)]
    disturbance: f64,
    /// A document that gets the tables, instead of the output
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
    /// Measure; else this is a trial that the benchmark works, as among tests
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    fn parsed() -> Self {
        let options = Self::parse();
        if options.bench {
            return options;
        }
        Self {
            rounds: 1,
            attempts: 20_000,
            edges: vec![1000, 2000],
            history: 50_000,
            patience: Duration::ZERO,
            disturbance: 1.0,
            ..options
        }
    }

    /// The cluster in which the baseline is measured too: the second, or the only one.
    fn compared(&self) -> usize {
        self.edges.get(1).or(self.edges.first()).copied().unwrap_or_default()
    }
}

fn seconds(text: &str) -> Result<Duration, std::num::ParseFloatError> {
    text.parse().map(Duration::from_secs_f64)
}

/// The rounds with one cluster.
struct Scale {
    edges: usize,
    rounds: Rounds,
    memory: [u64; 2],
    /// Bytes per record in the blocks of flows.
    stored: f64,
    /// The graph of a day, each time it was asked for.
    graph: GraphAnswer,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut words = env::args().skip(1);
    if words.next().is_some_and(|word| word == naive::WORD) {
        let address = words.next().unwrap_or_default();
        return naive::serve(&address).await;
    }
    let options = Options::parsed();
    let begun = Instant::now();
    let (mut scales, mut baseline, mut past) = (Vec::new(), Rounds::new(), None);
    for edges in &options.edges {
        let (scale, naive, history) = measure(*edges, &options).await?;
        say(&format!("{edges} edges: {} rounds.", scale.rounds.len()))?;
        scales.push(scale);
        baseline.extend(naive);
        past = past.or(history);
    }
    let past = past.ok_or_else(|| anyhow::anyhow!("no edges were asked for"))?;
    let text = report::render(&options, &scales, &baseline, &past, begun.elapsed());
    match &options.into {
        Some(path) => document::put(&workspace().join(path), BEGIN, &text)?,
        None => io::stdout().write_all(text.as_bytes())?,
    }
    Ok(())
}

/// Cargo starts a benchmark in the folder of its package; paths are meant from the one above.
fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All rounds with one cluster; in one of them the baseline's too, and then the history.
async fn measure(edges: usize, options: &Options) -> anyhow::Result<(Scale, Rounds, Option<History>)> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let cluster = Cluster::new(edges);
    let mut traffic = Traffic::new(&cluster);
    let (collector, _) = Process::collector(folder.path()).await?;
    let mut bench = Bench::new(collector).await?;
    // A day of every edge takes long where there are very many.
    let hours = if edges <= A_DAY_OF { 24 } else { 1 };
    for hours_ago in (0..hours).rev() {
        bench.send(traffic.every_edge(hours_ago)).await?;
    }
    bench.settle().await?;
    let graph = history::ask_graph(&bench.collector).await?;
    let (mut rounds, mut baseline) = (Rounds::new(), Rounds::new());
    let is_compared = edges == options.compared();
    while wants_more(&rounds, options) || is_compared && wants_more(&baseline, options) {
        rounds.push(bench.round(traffic.attempts(options.attempts), options).await?);
        if is_compared {
            let mut other = Traffic::new(&cluster);
            baseline.push(rounds::naive(&mut other, options.attempts / FEWER, options).await?);
        }
    }
    bench.check().await?;
    let ledger = bench.collector.status().await?.ledger.unwrap_or_default();
    let stored = ledger.flow_bytes as f64 / bench.sent.records as f64;
    let scale = Scale { edges, rounds, memory: bench.collector.memory()?, stored, graph };
    if !is_compared {
        return Ok((scale, baseline, None));
    }
    let history = history::measure(bench, &mut traffic, options.history, folder.path()).await?;
    Ok((scale, baseline, Some(history)))
}

fn wants_more(rounds: &Rounds, options: &Options) -> bool {
    let kept = rounds.iter().filter(|round| !round.is_disturbed(options)).count();
    kept < options.rounds && rounds.len() < MOST * options.rounds
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stderr(), "{line}")
}
