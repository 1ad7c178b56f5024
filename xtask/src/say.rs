//! One line per step, on stderr: stdout belongs to the programs that the verbs run.

use std::fmt;
use std::io::{self, Write as _};

/// Says one thing. A closed stderr is no reason to stop.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    writeln!(io::stderr().lock(), "xtask: {text}").ok();
}

/// Prints what was asked for on stdout, as it is.
pub(crate) fn answer(text: &str) {
    io::stdout().lock().write_all(text.as_bytes()).ok();
}
