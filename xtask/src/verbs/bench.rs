//! `cargo xtask bench`: what the probes, the agent and the evaluator cost, from a release build.

use std::ffi::OsString;

use super::lab::{self, Profile};
use crate::command;
use crate::error::Failure;
use crate::needs::Need;
use crate::provide;
use crate::say;
use crate::toolchain::Toolchain;

/// The benchmark of user space, which needs neither root nor a lab. The packages that were built just before are
/// named too: with other packages cargo would choose other features of what they share, and build that again.
const PIPELINE: [&str; 8] = [
    "--package",
    "portolan-agent",
    "--package",
    "portolan",
    "--package",
    "portolan-lab",
    "--bench",
    "pipeline",
];

/// Builds in the release profile and measures: user space first, then the real kernel.
pub(crate) fn run(rest: &[OsString], toolchain: &Toolchain) -> Result<(), Failure> {
    let privilege = lab::prepare("bench", Profile::Release, toolchain)?;
    say::line(format_args!("events through the agent's user space"));
    command::run(toolchain.cargo("bench").arg("--quiet").args(PIPELINE))?;
    say::line(format_args!("the probes on the real kernel"));
    lab::enter("bench", Profile::Release, privilege, rest, toolchain)
}

/// Builds the evaluator alone in the release profile, and measures it in a large cluster.
pub(crate) fn policy(toolchain: &Toolchain) -> Result<(), Failure> {
    provide::provide("bench", Need::USER_SPACE, toolchain)?;
    say::line(format_args!("decisions in a large cluster"));
    command::run(toolchain.cargo("bench").args([
        "--quiet",
        "--package",
        "portolan-policy",
        "--bench",
        "decide",
    ]))
}
