//! How a verb fails: what is said and the exit code.

use std::{
    fmt,
    io::{Write as _, stderr},
    process::ExitCode,
};

/// Wrong usage, as clap exits.
const USAGE: u8 = 2;
/// EX_UNAVAILABLE of sysexits.
const UNAVAILABLE: u8 = 69;

/// A verb that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    error: anyhow::Error,
}

impl Failure {
    /// Something that was asked for cannot be.
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { code: USAGE, error: error.into() }
    }

    /// A service that is needed is not there.
    pub(crate) fn unavailable(error: impl Into<anyhow::Error>) -> Self {
        Self { code: UNAVAILABLE, error: error.into() }
    }

    /// The same, with what it means here before it.
    pub(crate) fn context(self, meaning: String) -> Self {
        let Self { code, error } = self;
        Self { code, error: error.context(meaning) }
    }

    /// Says it on standard error and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        say(self);
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { code: 1, error }
    }
}

/// One line on standard error that is no log line: it is said whatever the filter.
pub(crate) fn say(line: impl fmt::Display) {
    let line = printable(line);
    // A reader that went away is no reason to stop.
    drop(writeln!(stderr(), "portolan: {line}"));
}

/// The text without what would steer a terminal: names come from files.
pub(crate) fn printable(text: impl fmt::Display) -> String {
    let visible = |letter: char| {
        if letter.is_control() && letter != '\n' { char::REPLACEMENT_CHARACTER } else { letter }
    };
    text.to_string().chars().map(visible).collect()
}
