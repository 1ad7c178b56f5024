//! Standard output: what form it has; buffered, and at peace with a reader that goes away.

use clap::ValueEnum;
use std::io::{self, BufWriter, ErrorKind, Stdout, Write as _, stdout};

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    Text,
    Json,
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
