//! `cargo xtask soak`: whether the product holds out, from a release build.

use std::ffi::OsString;

use super::lab::{self, Profile};
use crate::error::Failure;
use crate::toolchain::Toolchain;

/// Very many connections past one agent.
pub(crate) fn capture(rest: &[OsString], toolchain: &Toolchain) -> Result<(), Failure> {
    lab::run("soak", Profile::Release, rest, toolchain)
}
