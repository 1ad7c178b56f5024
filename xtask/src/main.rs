//! Developer verbs of the workspace: `cargo xtask <verb>`.
//!
//! Each verb is enough on a fresh machine: it finds or installs what it needs, says each step in one line, and
//! fails with the one thing to do when it cannot. Standard library only, so that it compiles in seconds.
//!
//! ```text
//! args -> verb -> needs + facts -> plan -> provide -> cargo / portolan-lab
//!                                  (pure)  (runs it)
//! ```

mod args;
mod command;
mod error;
mod facts;
mod kernel;
mod kernel_probe;
mod kernels;
mod members;
mod needs;
mod plan;
mod probe;
mod provide;
mod say;
mod shadow;
mod toolchain;
mod verbs;

use std::process::ExitCode;

fn main() -> ExitCode {
    match args::parse(std::env::args_os().skip(1)).and_then(verbs::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say::line(format_args!("{failure}"));
            ExitCode::from(failure.code())
        }
    }
}
