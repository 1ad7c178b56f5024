//! `portolan explain`: what the policies say to a connection and why, or to a file of them.

mod batch;
mod concern;
mod dialled;
mod dns;
mod duplicates;
mod state;

use crate::{
    failure::Failure,
    manifests::{self, STDIN},
    output::Output,
};
use anyhow::{Context as _, anyhow};
use batch::BatchForm;
use clap::{Args, ValueEnum};
use dialled::Dialled;
use dns::DnsArgs;
use portolan_policy::{BaselineReading, Explanation, Family, Place, Query};
use serde::Serialize;
use state::{Remarks, State};
use std::{
    fs::File,
    io::{Read, stdin},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Say what the policies of some manifests say to a connection, or to many.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Take the cluster state from these files or folders (`-` is standard input).
    #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
    manifests: Vec<PathBuf>,
    #[command(flatten)]
    single: Single,
    /// Answer the questions of this file, one in JSON on each line (`-` is standard input).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "to", "port", "family"])]
    batch: Option<PathBuf>,
    #[command(flatten)]
    dns: DnsArgs,
    /// Words, JSON, or JSON on one line; a batch is answered in JSON lines unless text is asked for.
    #[arg(short, long, value_enum, value_name = "text|json|jsonl", hide_possible_values = true)]
    output: Option<Form>,
    /// Which pods NetworkPolicies keep from the Baseline tier: those that one isolates in the
    /// direction in question, or in any.
    #[arg(long, value_enum, default_value_t = Baseline::PerDirection)]
    #[arg(value_name = "per-direction|any-direction", hide_possible_values = true)]
    baseline: Baseline,
}

/// One question.
#[derive(Debug, Args)]
struct Single {
    /// Who opens the connection.
    #[arg(long, value_name = "NS/POD|IP", value_parser = Place::source, required_unless_present = "batch")]
    from: Option<Place>,
    /// Whom it is to reach.
    #[arg(long, value_name = "NS/POD|svc:NS/NAME|IP", required_unless_present = "batch")]
    to: Option<Place>,
    /// The destination port as a number, such as 5432/tcp, 53/udp, 3868/sctp or 80 (TCP); or icmp, icmpv6.
    #[arg(long, value_name = "PORT/PROTOCOL", required_unless_present = "batch")]
    port: Option<Dialled>,
    /// The address family, where both ends have both.
    #[arg(long, value_name = "IPv4|IPv6")]
    family: Option<Family>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Json,
    Jsonl,
}

/// How the text on the Baseline tier is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Baseline {
    PerDirection,
    AnyDirection,
}

impl From<Baseline> for BaselineReading {
    fn from(baseline: Baseline) -> Self {
        match baseline {
            Baseline::PerDirection => Self::PerDirection,
            Baseline::AnyDirection => Self::AnyDirection,
        }
    }
}

/// Answers from manifests alone.
pub(crate) fn run(args: ExplainArgs) -> Result<ExitCode, Failure> {
    let ExplainArgs { manifests, single, batch, dns, output, baseline } = args;
    let paths: Vec<&Path> = manifests.iter().map(PathBuf::as_path).chain(batch.as_deref()).collect();
    manifests::check_stdin(&paths)?;
    // A file of questions that is not there is told before the manifests are read.
    let questions = batch.map(|path| open(&path)).transpose()?;
    let mut state = State::read(&manifests)?;
    let query = single.query();
    let remarks = state.say_warnings(query.as_ref());
    dns.tell(&mut state.cluster)?;
    state.cluster.set_baseline_reading(baseline.into());
    match (questions, query) {
        (Some(questions), _) => {
            let form = if output == Some(Form::Text) { BatchForm::Text } else { BatchForm::Jsonl };
            batch::run(&state.cluster, questions, form)
        }
        (None, Some(query)) => explain(&state, &query, output.unwrap_or(Form::Text), &remarks),
        (None, None) => Err(Failure::usage(anyhow!("give --from, --to and --port, or --batch"))),
    }
}

impl Single {
    fn query(self) -> Option<Query> {
        let Dialled { port, protocol } = self.port?;
        Some(Query { from: self.from?, to: self.to?, port, protocol, family: self.family })
    }
}

fn open(path: &Path) -> anyhow::Result<Box<dyn Read>> {
    if path == Path::new(STDIN) {
        return Ok(Box::new(stdin().lock()));
    }
    let file = File::open(path).with_context(|| format!("cannot read the questions {}", path.display()))?;
    Ok(Box::new(file))
}

/// An explanation with what is wrong with the manifests.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    explanation: &'a Explanation,
    #[serde(flatten)]
    remarks: &'a Remarks,
}

/// Answers one question; that it was answered is all that the exit code says.
fn explain(state: &State, query: &Query, form: Form, remarks: &Remarks) -> Result<ExitCode, Failure> {
    let explanation = query.explain(&state.cluster).map_err(|error| state.failed(error))?;
    let told = Told { explanation: &explanation, remarks };
    let text = match form {
        Form::Text => explanation.to_string(),
        Form::Json => serde_json::to_string_pretty(&told).context("cannot write the answer")?,
        Form::Jsonl => serde_json::to_string(&told).context("cannot write the answer")?,
    };
    let mut output = Output::new();
    output.line(&text).and_then(|_reader| output.flush()).context("cannot write the answer")?;
    Ok(ExitCode::SUCCESS)
}
