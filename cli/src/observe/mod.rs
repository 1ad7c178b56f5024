//! `portolan observe`: flows, past and to come.

mod cursor;
mod follow;
mod printer;
mod request;

pub(crate) use follow::{Observer, Sink};
pub(crate) use request::Wanted;

use crate::{client::CollectorAddress, failure::Failure, output::Color, render::Renderer};
use clap::{Args, ValueEnum};
use cursor::CursorFile;
use jiff::{Timestamp, tz::TimeZone};
use printer::Printer;
use std::{path::PathBuf, process::ExitCode};
use tokio_util::sync::CancellationToken;

/// Print flows, past and to come: who, whom, what became of it, and what the policies say.
#[derive(Debug, Args)]
pub(crate) struct ObserveArgs {
    #[command(flatten)]
    address: CollectorAddress,
    #[command(flatten)]
    wanted: Wanted,
    /// Go on behind this cursor of an earlier run with the same flags: nothing twice, nothing left out
    #[arg(long, value_name = "CURSOR", conflicts_with = "cursor_file")]
    after: Option<String>,
    /// Go on behind the cursor in this file, if it is there, and keep it at what was printed
    #[arg(long, value_name = "FILE")]
    cursor_file: Option<PathBuf>,
    /// Lines for people, or the JSON of each flow on a line.
    #[arg(short, long, value_enum, default_value_t = Form::Text, value_name = "text|jsonl")]
    #[arg(hide_possible_values = true)]
    output: Form,
    /// When to colour lines for people.
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "auto|always|never")]
    #[arg(hide_possible_values = true)]
    color: Color,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Jsonl,
}

/// Prints until the collector has no more, the reader goes or a signal comes.
pub(crate) async fn run(args: ObserveArgs, stop: CancellationToken) -> Result<ExitCode, Failure> {
    let ObserveArgs { address, wanted, after, cursor_file, output, color } = args;
    let file = cursor_file.as_deref().map(CursorFile::open).transpose()?;
    let after = after.or_else(|| Some(file.as_ref()?.cursor().to_owned())).unwrap_or_default();
    let request = wanted.request(Timestamp::now(), after)?;
    let mut printer = Printer::new(output, Renderer::new(color.paint(), TimeZone::system()));
    let mut observer = Observer::new(address, request, &mut printer, file);
    stop.run_until_cancelled(observer.run()).await.unwrap_or(Ok(()))?;
    Ok(printer.code())
}
