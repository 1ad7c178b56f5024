//! `cargo xtask check`: what a reviewer should not have to say: format, lints, documentation.

use std::process::Command;

use super::test::{Object, with_features};
use crate::command;
use crate::error::Failure;
use crate::members;
use crate::needs::Need;
use crate::provide;
use crate::say;
use crate::toolchain::Toolchain;

/// Runs all three; the first that fails ends it.
pub(crate) fn run(toolchain: &Toolchain) -> Result<(), Failure> {
    provide::provide("check", Need::CHECK, toolchain)?;
    say::line(format_args!("format"));
    command::run(toolchain.cargo("fmt").args(["--all", "--check"]))?;
    say::line(format_args!("lints"));
    command::run(&mut clippy(toolchain)?)?;
    say::line(format_args!("documentation"));
    command::run(&mut documentation(toolchain))
}

/// All targets of the default members, the kernel tests among them.
fn clippy(toolchain: &Toolchain) -> Result<Command, Failure> {
    let mut clippy = toolchain.cargo("clippy");
    clippy.arg("--all-targets");
    Object::IfPossible.tell(&mut clippy, toolchain);
    with_features(&mut clippy, &members::with_kernel_tests(toolchain.workspace())?);
    clippy.args(["--", "-D", "warnings"]);
    Ok(clippy)
}

fn documentation(toolchain: &Toolchain) -> Command {
    let mut doc = toolchain.cargo("doc");
    Object::IfPossible.tell(&mut doc, toolchain);
    // Private items too: within the programs nearly everything is.
    doc.args(["--no-deps", "--document-private-items"]).env("RUSTDOCFLAGS", "-D warnings");
    doc
}
