//! Other kernels than the running one: fetched as Debian packages, booted in a virtual machine on this machine's
//! own file system, which they see and cannot change.
//!
//! ```text
//! packages ──► image (what the kernel needs to reach the root) ──► machine (qemu) ──► guest (what runs in it)
//! ```

mod archive;
mod guest;
mod image;
mod machine;
mod packages;
mod release;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::Failure;
use crate::say;
use crate::toolchain::Toolchain;

pub(crate) use release::Release;

/// A folder for all that is fetched and made here.
pub(crate) struct Kernels<'a> {
    cache: PathBuf,
    toolchain: &'a Toolchain,
}

impl<'a> Kernels<'a> {
    /// Below the build's own folder, so that `cargo clean` takes it along.
    pub(crate) fn new(toolchain: &'a Toolchain) -> Self {
        Self { cache: toolchain.target().join("kernels"), toolchain }
    }

    /// Boots a kernel and runs a program in it; answers the program's exit code.
    pub(crate) fn run(&self, release: Release, program: &Path, words: &[OsString]) -> Result<u8, Failure> {
        let tools = packages::tools(&self.cache, self.toolchain)?;
        let kernel = packages::kernel(&self.cache, release, self.toolchain)?;
        let script = guest::Script { tools: &tools, modules: &kernel.modules(), program, words };
        let image = image::make(&tools, &kernel, &script)?;
        let machine = machine::Machine::of_this_host();
        say::line(format_args!("booting {} ({machine})", kernel.version));
        machine.run(&tools, &kernel, &image)
    }
}
