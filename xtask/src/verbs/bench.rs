//! `cargo xtask bench`: what the probes, the agent, the wire, the collector and the evaluator cost, from a release build.

use std::ffi::OsString;

use super::lab::{self, Profile};
use super::test::Object;
use crate::command;
use crate::error::Failure;
use crate::needs::Need;
use crate::provide;
use crate::say;
use crate::toolchain::Toolchain;

/// Builds in the release profile and measures the probes and the agent on the real kernel.
pub(crate) fn capture(rest: &[OsString], toolchain: &Toolchain) -> Result<(), Failure> {
    lab::run("bench", Profile::Release, rest, toolchain)
}

/// Measures the agent's user space, which needs neither root nor a lab.
pub(crate) fn pipeline(toolchain: &Toolchain) -> Result<(), Failure> {
    cargo_bench("portolan-agent", "pipeline", "events through the agent's user space", &[], toolchain)
}

/// Measures what a record costs between agent and collector.
pub(crate) fn wire(toolchain: &Toolchain) -> Result<(), Failure> {
    cargo_bench("portolan-proto", "wire", "records on the wire", &[], toolchain)
}

/// Builds the evaluator alone in the release profile, and measures it in a large cluster.
pub(crate) fn policy(toolchain: &Toolchain) -> Result<(), Failure> {
    cargo_bench("portolan-policy", "decide", "decisions in a large cluster", &[], toolchain)
}

/// Measures the collector under load, which needs no root.
pub(crate) fn collector(rest: &[OsString], toolchain: &Toolchain) -> Result<(), Failure> {
    cargo_bench("portolan", "collector", "a collector under load", rest, toolchain)
}

fn cargo_bench(
    package: &str,
    bench: &str,
    what: &str,
    rest: &[OsString],
    toolchain: &Toolchain,
) -> Result<(), Failure> {
    provide::provide("bench", Need::USER_SPACE, toolchain)?;
    say::line(format_args!("{what}"));
    let mut command = toolchain.cargo("bench");
    Object::IfPossible.tell(&mut command, toolchain);
    command.args(["--quiet", "--package", package, "--bench", bench, "--"]).args(rest);
    command::run(&mut command)
}
