//! `cargo xtask demo`: the product at work on this machine.

use std::ffi::OsString;

use super::lab::{self, Profile};
use crate::error::Failure;
use crate::toolchain::Toolchain;

/// Builds in the dev profile, for the first look comes sooner, and shows the demo.
pub(crate) fn run(rest: &[OsString], toolchain: &Toolchain) -> Result<(), Failure> {
    lab::run("demo", Profile::Dev, rest, toolchain)
}
