//! `cargo xtask soak`: whether the product holds out.

use std::ffi::OsString;

use super::lab::{self, Profile};
use super::test;
use crate::error::Failure;
use crate::toolchain::Toolchain;

/// Very many connections past one agent.
pub(crate) fn capture(rest: &[OsString], toolchain: &Toolchain) -> Result<(), Failure> {
    lab::run("soak", Profile::Release, rest, toolchain)
}

/// The tests with many more faults than a usual run has: agents and collector that are killed, connections that are
/// cut, disks that are full.
pub(crate) fn faults(count: u64, toolchain: &Toolchain) -> Result<(), Failure> {
    let words = ["-p", "portolan", "--test", "faults", "--", "--nocapture"].map(OsString::from);
    test::run_in(&[("PORTOLAN_FAULTS", count.to_string())], false, &words, toolchain)
}
