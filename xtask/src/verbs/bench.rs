//! `cargo xtask bench`: what the probes and the agent cost, from a release build.

use std::ffi::OsString;

use super::lab::{self, Profile};
use crate::error::Failure;
use crate::toolchain::Toolchain;

/// Builds in the release profile and measures.
pub(crate) fn run(rest: &[OsString], toolchain: &Toolchain) -> Result<(), Failure> {
    lab::run("bench", Profile::Release, rest, toolchain)
}
