//! `portolan observe`: flows, past and to come.

mod request;
mod time;

pub(crate) use request::Wanted;

use crate::{
    client::CollectorAddress,
    failure::{Failure, say},
    output::{Output, Reader},
    render::{Paint, Renderer},
};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use futures::FutureExt as _;
use jiff::{Timestamp, tz::TimeZone};
use portolan_policy::Flow;
use portolan_proto::v1::{self, flows_client::FlowsClient, observe_response::Item};
use std::{
    io::{IsTerminal as _, stdout},
    process::ExitCode,
};
use tokio_util::sync::CancellationToken;
use tonic::{Streaming, codec::CompressionEncoding};

/// Print flows, past and to come: who, whom, what became of it, and what the policies say.
#[derive(Debug, Args)]
pub(crate) struct ObserveArgs {
    #[command(flatten)]
    address: CollectorAddress,
    #[command(flatten)]
    wanted: Wanted,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    fn paint(self) -> Paint {
        let wanted = match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
            }
        };
        if wanted { Paint::Ansi } else { Paint::Plain }
    }
}

/// Prints until the collector has no more, the reader goes or a signal comes.
pub(crate) async fn run(args: ObserveArgs, stop: CancellationToken) -> Result<ExitCode, Failure> {
    let ObserveArgs { address, wanted, output, color } = args;
    let request = wanted.request(Timestamp::now());
    let printer = Printer { form: output, renderer: Renderer::new(color.paint(), TimeZone::system()) };
    let work = async {
        let mut client =
            FlowsClient::new(address.connect().await?).accept_compressed(CompressionEncoding::Zstd);
        let answer = client.observe(request).await.map_err(|status| address.failed(&status))?;
        print_all(&address, answer.into_inner(), &printer).await
    };
    stop.run_until_cancelled(work).await.unwrap_or(Ok(ExitCode::SUCCESS))
}

async fn print_all(
    address: &CollectorAddress,
    mut stream: Streaming<v1::ObserveResponse>,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let mut output = Output::new();
    let mut code = ExitCode::SUCCESS;
    loop {
        // What is there already is written in one go; before waiting it is shown.
        let response = match stream.message().now_or_never() {
            Some(response) => response,
            None => match output.flush().context("cannot write flows")? {
                Reader::Gone => return Ok(code),
                Reader::Reads => stream.message().await,
            },
        };
        let item = match response {
            Ok(Some(v1::ObserveResponse { item })) => item,
            Ok(None) => break,
            Err(status) => {
                output.flush().context("cannot write flows")?;
                return Err(address.failed(&status));
            }
        };
        match printer.line(item) {
            Ok(Some(line)) => {
                if output.line(&line).context("cannot write flows")? == Reader::Gone {
                    return Ok(code);
                }
            }
            Ok(None) => {}
            Err(problem) => {
                say(problem);
                code = ExitCode::FAILURE;
            }
        }
    }
    output.flush().context("cannot write flows")?;
    Ok(code)
}

/// Turns what comes into lines.
#[derive(Debug)]
struct Printer {
    form: Form,
    renderer: Renderer,
}

impl Printer {
    /// The line for an item, if it has one. What was missed is said on standard error.
    fn line(&self, item: Option<Item>) -> Result<Option<String>, String> {
        match item {
            Some(Item::Flow(wire)) => {
                let flow = Flow::try_from(wire)
                    .map_err(|error| format!("a flow cannot be understood, the rest goes on: {error}"))?;
                self.flow(&flow).map(Some)
            }
            Some(Item::Missed(v1::Missed { count })) => {
                say(format_args!("missed {count} flows: they came faster than this output took them"));
                Ok(None)
            }
            None => Err("an item cannot be understood, the rest goes on: is the collector newer?".to_owned()),
        }
    }

    fn flow(&self, flow: &Flow) -> Result<String, String> {
        match self.form {
            Form::Text => Ok(self.renderer.line(flow, Timestamp::now())),
            Form::Jsonl => serde_json::to_string(flow)
                .map_err(|error| format!("a flow cannot be written as JSON: {error}")),
        }
    }
}
