//! `portolan top`: the edges that have the most of something.

mod rows;

use crate::{
    client::CollectorAddress,
    failure::Failure,
    filter::FilterFlags,
    graph::{
        Answer, BELOW_WORKLOADS, Question, WindowFlags, edges_json, nothing, print, summary, tell_notes,
    },
    output::Color,
};
use clap::{Args, ValueEnum};
use jiff::{Timestamp, tz::TimeZone};
use portolan_proto::{graph::Edge, v1::EdgeOrder};
use std::process::ExitCode;

/// Print the edges with the most denied attempts, or the most of something else.
#[derive(Debug, Args)]
// As for `graph`; and -n is a number here.
#[command(mut_args(|flag| if BELOW_WORKLOADS.contains(&flag.get_id().as_str()) { flag.hide(true) } else { flag }))]
#[command(mut_arg("namespace", |flag| flag.short(None)))]
#[command(mut_arg("port", |flag| flag.help("The port of the destination, after destination NAT")))]
pub(crate) struct TopArgs {
    /// denied, unenforced, blocked, failed, latency, bytes or attempts
    #[arg(value_enum, default_value_t = Measure::Denied, value_name = "MEASURE", hide_possible_values = true)]
    by: Measure,
    #[command(flatten)]
    address: CollectorAddress,
    #[command(flatten)]
    filter: FilterFlags,
    #[command(flatten)]
    window: WindowFlags,
    /// How many edges
    #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 10, value_parser = number)]
    count: u32,
    /// A table, or the JSON of `graph`.
    #[arg(short, long, value_enum, default_value_t = Shape::Table, value_name = "table|json")]
    #[arg(hide_possible_values = true)]
    output: Shape,
    /// When to colour the table.
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "auto|always|never")]
    #[arg(hide_possible_values = true)]
    color: Color,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shape {
    Table,
    Json,
}

/// What an edge may have much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Measure {
    Denied,
    Unenforced,
    Blocked,
    Failed,
    Latency,
    Bytes,
    Attempts,
}

impl Measure {
    const fn order(self) -> EdgeOrder {
        match self {
            Self::Denied => EdgeOrder::Denied,
            Self::Unenforced => EdgeOrder::Unenforced,
            Self::Blocked => EdgeOrder::Blocked,
            Self::Failed => EdgeOrder::Failed,
            Self::Latency => EdgeOrder::Latency,
            Self::Bytes => EdgeOrder::Bytes,
            Self::Attempts => EdgeOrder::Attempts,
        }
    }

    /// What an empty answer has none of.
    const fn none(self) -> &'static str {
        match self {
            Self::Denied => "No attempt was denied",
            Self::Unenforced => "No attempt was unenforced",
            Self::Blocked => "No attempt was blocked",
            Self::Failed => "No attempt failed",
            Self::Latency => "No handshake was timed",
            Self::Bytes => "No bytes were seen",
            Self::Attempts => "No attempt was seen",
        }
    }
}

/// Asks the collector and prints its answer.
pub(crate) async fn run(args: TopArgs) -> Result<ExitCode, Failure> {
    let TopArgs { by, address, filter, window, count, output, color } = args;
    let (now, zone) = (Timestamp::now(), TimeZone::system());
    let question = Question::new(window.resolve(now), filter);
    let answer = question.edges(&address, by.order(), Some(count), false).await?;
    tell_notes(&question, &answer.covered, &zone);
    let text = match output {
        Shape::Table => table(&question, &answer, by, &zone, color),
        Shape::Json => edges_json(&answer)?,
    };
    print(&text).map(|()| answer.code())
}

fn table(question: &Question, answer: &Answer<Edge>, by: Measure, zone: &TimeZone, color: Color) -> String {
    if answer.list.is_empty() {
        return nothing(by.none(), question, &answer.covered, zone);
    }
    let table = rows::table_of(&answer.list, by, color.paint());
    format!("{table}\n\n{}", summary(&answer.covered, "edge", zone))
}

/// Reads how many. Who means a namespace, as in other verbs, is told how.
fn number(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("write a number above 0; a namespace is asked for with --namespace".to_owned()),
        Ok(number) => Ok(number),
    }
}
