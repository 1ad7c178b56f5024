//! The one way a verb ends early: a text that names the mend, and an exit code.

use std::ffi::OsString;
use std::fmt;
use std::io;

/// Wrong usage.
const USAGE: u8 = 2;
/// `EX_UNAVAILABLE`: this machine lacks something that the verb cannot supply.
const UNAVAILABLE: u8 = 69;

/// Why a verb could not finish.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line was not understood.
    Usage(String),
    /// The machine lacks something; one line each, with its mend.
    Machine {
        /// What could not be done because of it.
        verb: &'static str,
        /// What is missing.
        missing: Vec<String>,
        /// What to do, when one thing mends or bypasses all of it.
        mend: Option<String>,
    },
    /// A step ran and failed.
    Step(String),
    /// A program could not be started.
    Start {
        /// The program.
        program: OsString,
        /// The system's reason.
        err: io::Error,
    },
    /// A program ran and failed; its own output has said why.
    Exit {
        /// The program and its first argument, for the closing line.
        program: String,
        /// Its exit code, passed on.
        code: u8,
    },
}

impl Failure {
    /// The exit code of the whole command.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Machine { .. } => UNAVAILABLE,
            Self::Step(_) | Self::Start { .. } => 1,
            Self::Exit { code, .. } => *code,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) => write!(f, "{text}\nTry `cargo xtask help`."),
            Self::Machine { verb, missing, mend } => {
                write!(f, "{verb} cannot run on this machine:")?;
                for one in missing {
                    write!(f, "\n  - {one}")?;
                }
                match mend {
                    Some(mend) => write!(f, "\n{mend}"),
                    None => Ok(()),
                }
            }
            Self::Step(text) => f.write_str(text),
            Self::Start { program, err } => write!(f, "cannot start {}: {err}", program.display()),
            Self::Exit { program, code } => write!(f, "{program} failed (exit code {code})"),
        }
    }
}
