//! `portolan graph`: who talked to whom over a window, at the level of workloads.

mod ask;
mod dot;
mod drawing;
mod hits;
mod mermaid;
mod names;
mod table;
mod window;
mod words;

#[cfg(test)]
mod tests;

pub(crate) use ask::{Answer, Question};
pub(crate) use names::{Names, shortened};
pub(crate) use window::{WindowFlags, summary};
pub(crate) use words::{how, verdicts, who_denies};

use crate::{
    client::CollectorAddress,
    failure::{Failure, say},
    filter::FilterFlags,
    output::{Color, Output},
};
use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use jiff::{Timestamp, tz::TimeZone};
use portolan_proto::{
    graph::{Covered, Edge, PolicyHit},
    v1::EdgeOrder,
};
use serde::Serialize;
use std::process::ExitCode;
use window::{beyond, span};

/// Print who talked to whom over a window, workload by workload, and what became of it.
#[derive(Debug, Args)]
// A drawing or a table of workloads knows no pods: the collector says so to who asks all the same.
#[command(mut_args(|flag| if BELOW_WORKLOADS.contains(&flag.get_id().as_str()) { flag.hide(true) } else { flag }))]
#[command(mut_arg("port", |flag| flag.help("The port of the destination, after destination NAT")))]
pub(crate) struct GraphArgs {
    #[command(flatten)]
    address: CollectorAddress,
    #[command(flatten)]
    filter: FilterFlags,
    #[command(flatten)]
    window: WindowFlags,
    /// The N edges with the most attempts, instead of all by name
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "policies")]
    limit: Option<u32>,
    /// What each policy and rule did, instead of edges
    #[arg(long)]
    policies: bool,
    /// In JSON, the histogram of each edge's latencies too, for adding up
    #[arg(long, conflicts_with = "policies")]
    histograms: bool,
    /// A table, JSON, or a drawing for Graphviz or Mermaid.
    #[arg(short, long, value_enum, default_value_t = Form::Table, value_name = "table|json|dot|mermaid")]
    #[arg(hide_possible_values = true)]
    output: Form,
    /// When to colour the table.
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "auto|always|never")]
    #[arg(hide_possible_values = true)]
    color: Color,
}

/// Flags of the common filter that make no sense of workloads.
pub(crate) const BELOW_WORKLOADS: [&str; 7] =
    ["pod", "from-pod", "to-pod", "label", "from-label", "to-label", "node"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Table,
    Json,
    Dot,
    Mermaid,
}

/// Asks the collector and prints its answer.
pub(crate) async fn run(args: GraphArgs) -> Result<ExitCode, Failure> {
    let GraphArgs { address, filter, window, limit, policies, histograms, output, color } = args;
    let now = Timestamp::now();
    let question = Question::new(window.resolve(now), filter);
    let zone = TimeZone::system();
    if policies {
        let answer = question.hits(&address).await?;
        tell_notes(&question, &answer.covered, &zone);
        let text = match output {
            Form::Table => hits_table(&question, &answer, now, &zone),
            Form::Json => json(&Hits { covered: &answer.covered, policies: &answer.list })?,
            Form::Dot | Form::Mermaid => return Err(Failure::usage(anyhow!(UNDRAWN))),
        };
        return print(&text).map(|()| answer.code());
    }
    let order = if limit.is_some() { EdgeOrder::Attempts } else { EdgeOrder::Unspecified };
    let answer = question.edges(&address, order, limit, histograms).await?;
    tell_notes(&question, &answer.covered, &zone);
    let text = match output {
        Form::Table => edges_table(&question, &answer, now, &zone, color),
        Form::Json => edges_json(&answer)?,
        Form::Dot => dot::draw(&answer.list),
        Form::Mermaid => mermaid_drawing(&answer.list),
    };
    print(&text).map(|()| answer.code())
}

const UNDRAWN: &str = "what policies did is no drawing: leave out --policies, or write -o table or -o json";

fn edges_table(
    question: &Question,
    answer: &Answer<Edge>,
    now: Timestamp,
    zone: &TimeZone,
    color: Color,
) -> String {
    if answer.list.is_empty() {
        return nothing("Nothing was seen", question, &answer.covered, zone);
    }
    let table = table::edges(&answer.list, now, color.paint());
    format!("{table}\n\n{}", summary(&answer.covered, "edge", zone))
}

fn hits_table(question: &Question, answer: &Answer<PolicyHit>, now: Timestamp, zone: &TimeZone) -> String {
    if answer.list.is_empty() {
        return nothing("No policy decided anything", question, &answer.covered, zone);
    }
    let table = hits::table_of(&answer.list, now);
    format!("{table}\n\n{}", summary(&answer.covered, "row", zone))
}

/// Why an answer is empty.
pub(crate) fn nothing(what: &str, question: &Question, covered: &Covered, zone: &TimeZone) -> String {
    let among = if question.filters() { ", among the edges that were asked for" } else { "" };
    format!("{what} {}{among}{}.", span(covered, zone), beyond(covered))
}

fn mermaid_drawing(edges: &[Edge]) -> String {
    if edges.len() > mermaid::DRAWN {
        say(format_args!(
            "{} edges are more than Mermaid draws by itself ({}): raise its maxEdges and maxTextSize, or ask for \
             fewer with --limit or a filter",
            edges.len(),
            mermaid::DRAWN
        ));
    }
    mermaid::draw(edges)
}

/// The documented JSON of edges.
pub(crate) fn edges_json(answer: &Answer<Edge>) -> Result<String, Failure> {
    json(&Edges { covered: &answer.covered, edges: &answer.list })
}

#[derive(Serialize)]
struct Edges<'answer> {
    covered: &'answer Covered,
    edges: &'answer [Edge],
}

#[derive(Serialize)]
struct Hits<'answer> {
    covered: &'answer Covered,
    policies: &'answer [PolicyHit],
}

fn json(report: &impl Serialize) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(report).context("cannot write the graph as JSON")?)
}

/// Says on standard error what must be known to understand the answer.
pub(crate) fn tell_notes(question: &Question, covered: &Covered, zone: &TimeZone) {
    for note in question.window.notes(covered, zone) {
        say(note);
    }
}

/// Prints an answer.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut output = Output::new();
    output.line(text).and_then(|_| output.flush()).context("cannot write the graph")?;
    Ok(())
}
