//! The log: to standard error, as text for people or JSON for machines.

use clap::{Args, ValueEnum};
use std::io::{IsTerminal as _, stderr};
use tracing_subscriber::EnvFilter;

/// How to log.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// The form of the log on standard error; RUST_LOG filters it.
    #[arg(long, global = true, env = "PORTOLAN_LOG_FORMAT", value_enum, default_value_t = Format::Text)]
    #[arg(hide_possible_values = true, value_name = "text|json")]
    log_format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Starts the log; without RUST_LOG it begins at this level.
pub(crate) fn init(args: &LogArgs, level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| level.into());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    match args.log_format {
        Format::Text => log.with_ansi(stderr().is_terminal()).init(),
        Format::Json => log.json().init(),
    }
}
