//! `cargo xtask ebpf`: the BPF object, which the build of the agent makes and embeds.

use crate::command;
use crate::error::Failure;
use crate::needs::Need;
use crate::provide;
use crate::toolchain::Toolchain;

/// Builds the agent.
pub(crate) fn run(toolchain: &Toolchain) -> Result<(), Failure> {
    provide::provide("ebpf", Need::OBJECT, toolchain)?;
    command::run(toolchain.cargo("build").args(["--package", "portolan-agent"]))
}
