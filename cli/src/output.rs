//! Standard output: what form it has; buffered, and at peace with a reader that goes away.

use crate::render::Paint;
use clap::ValueEnum;
use std::io::{self, BufWriter, ErrorKind, IsTerminal as _, Stdout, Write as _, stdout};

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    Text,
    Json,
}

/// When to colour what people read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    /// What that means for standard output.
    pub(crate) fn paint(self) -> Paint {
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

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// It was taken.
    Reads,
    /// Nobody reads any more, as in `| head`; there is nothing left to do.
    Gone,
}

/// Standard output.
#[derive(Debug)]
pub(crate) struct Output(BufWriter<Stdout>);

impl Output {
    /// Buffers what is written until [`Output::flush`].
    pub(crate) fn new() -> Self {
        Self(BufWriter::new(stdout()))
    }

    /// Writes a line.
    pub(crate) fn line(&mut self, line: &str) -> io::Result<Reader> {
        let Self(buffer) = self;
        quiet(buffer.write_all(line.as_bytes()).and_then(|()| buffer.write_all(b"\n")))
    }

    /// Shows what was written.
    pub(crate) fn flush(&mut self) -> io::Result<Reader> {
        quiet(self.0.flush())
    }
}

fn quiet(result: io::Result<()>) -> io::Result<Reader> {
    match result {
        Ok(()) => Ok(Reader::Reads),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(error),
    }
}
