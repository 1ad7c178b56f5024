//! `portolan probe`: what hangs where in this kernel, what it costs and loses, and what this kernel can do.

mod text;

use crate::{
    failure::Failure,
    output::{Form, Output},
};
use anyhow::Context as _;
use clap::Args;
use portolan_agent::inspect::{Abilities, Running, Statistics, Trial};
use serde::Serialize;
use std::{process::ExitCode, time::Duration};

/// Print what the kernel says about Portolan's probes: where they are attached and in which order, what they cost, how
/// full their maps are, what was lost, and what this kernel can do. Run it on the node, as root.
///
/// It asks the kernel, not the agent. Where no agent runs it tries every probe out, in a network namespace of its own,
/// and exits with 1 when an agent could not start.
#[derive(Debug, Args)]
pub(crate) struct ProbeArgs {
    /// Try every probe out even where an agent runs.
    #[arg(long)]
    check: bool,
    /// Switch the kernel's run-time statistics on for so many seconds, and print what the programs did meanwhile.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    measure: Option<u64>,
    /// A report for people, or JSON.
    #[arg(short, long, value_enum, default_value_t = Form::Text, value_name = "text|json")]
    #[arg(hide_possible_values = true)]
    output: Form,
}

/// All that is said, in the order in which it is printed.
#[derive(Debug, Serialize)]
struct Report {
    kernel: Abilities,
    /// How long was measured; without, runs and time are those since the programs were loaded.
    measured_seconds: Option<u64>,
    agents: Vec<Running>,
    trial: Option<Trial>,
}

/// Looks, and prints what is seen.
pub(crate) async fn run(args: &ProbeArgs) -> Result<ExitCode, Failure> {
    let report = Report::make(args).await?;
    let text = match args.output {
        Form::Text => report.text(),
        Form::Json => serde_json::to_string_pretty(&report).context("cannot write the report as JSON")?,
    };
    let mut output = Output::new();
    output.line(&text).and_then(|_| output.flush()).context("cannot write the report")?;
    let is_fine = report.trial.as_ref().is_none_or(Trial::can_start);
    Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Report {
    async fn make(args: &ProbeArgs) -> anyhow::Result<Self> {
        let kernel = Abilities::look();
        let agents = match args.measure {
            Some(seconds) => measure(Duration::from_secs(seconds)).await?,
            None => Running::all()?,
        };
        let trial = if agents.is_empty() || args.check { Some(Trial::run()?) } else { None };
        Ok(Self { kernel, measured_seconds: args.measure, agents, trial })
    }
}

/// What the programs do while statistics are on.
async fn measure(time: Duration) -> anyhow::Result<Vec<Running>> {
    let _on = Statistics::on()?;
    let before = Running::all()?;
    tokio::time::sleep(time).await;
    let mut agents = Running::all()?;
    for agent in &mut agents {
        let same = |earlier: &&Running| is_same(earlier, agent);
        if let Some(earlier) = before.iter().find(same) {
            agent.subtract(earlier);
        }
    }
    Ok(agents)
}

fn is_same(one: &Running, other: &Running) -> bool {
    one.programs.iter().any(|program| other.programs.iter().any(|also| also.id == program.id))
}
