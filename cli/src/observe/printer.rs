//! What is printed of each item.

use super::{Form, follow::Sink};
use crate::{
    failure::{Failure, say},
    output::{Output, Reader},
    render::Renderer,
};
use anyhow::Context as _;
use jiff::Timestamp;
use portolan_policy::Flow;
use portolan_proto::v1::{self, observe_response::Item};
use std::process::ExitCode;

/// Turns what comes into lines.
#[derive(Debug)]
pub(super) struct Printer {
    form: Form,
    renderer: Renderer,
    output: Output,
    code: ExitCode,
}

impl Sink for Printer {
    fn take(&mut self, item: Item) -> Result<Reader, Failure> {
        match self.line(item) {
            Ok(Some(line)) => Ok(self.output.line(&line).context("cannot write flows")?),
            Ok(None) => Ok(Reader::Reads),
            Err(problem) => {
                say(problem);
                self.code = ExitCode::FAILURE;
                Ok(Reader::Reads)
            }
        }
    }

    fn show(&mut self) -> Result<Reader, Failure> {
        Ok(self.output.flush().context("cannot write flows")?)
    }
}

impl Printer {
    /// One that prints in this form.
    pub(super) fn new(form: Form, renderer: Renderer) -> Self {
        Self { form, renderer, output: Output::new(), code: ExitCode::SUCCESS }
    }

    /// The exit code that goes with what was printed.
    pub(super) fn code(&self) -> ExitCode {
        self.code
    }

    /// The line for an item, if it has one. What was missed is said on standard error.
    fn line(&self, item: Item) -> Result<Option<String>, String> {
        match item {
            Item::Flow(wire) => {
                let flow = Flow::try_from(wire)
                    .map_err(|error| format!("a flow cannot be understood, the rest goes on: {error}"))?;
                self.flow(&flow).map(Some)
            }
            Item::Missed(v1::Missed { count, gone: false }) => {
                say(format_args!("missed {count} flows: they came faster than this output took them"));
                Ok(None)
            }
            Item::Missed(v1::Missed { count, gone: true }) => {
                say(format_args!("{count} flows, wanted or not, were made since and are kept no more"));
                Ok(None)
            }
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
