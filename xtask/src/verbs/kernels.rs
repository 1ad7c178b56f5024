//! `cargo xtask kernels`: the kernel tests on other kernels than the running one.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::command;
use crate::error::Failure;
use crate::kernels::{Kernels, Release};
use crate::needs::Need;
use crate::provide;
use crate::say;
use crate::toolchain::Toolchain;

/// The tests of the whole product.
const TESTS: [&str; 7] = ["-p", "portolan", "--features", "kernel-tests", "--test", "kernel", "--no-run"];

/// Builds the tests here and runs them on each kernel; all kernels are tried before a failure is told.
pub(crate) fn run(kernels: &[Release], words: &[OsString], toolchain: &Toolchain) -> Result<(), Failure> {
    provide::provide("kernels", Need::LAB, toolchain)?;
    let program = build(toolchain)?;
    let machines = Kernels::new(toolchain);
    let mut failed = Vec::new();
    for kernel in kernels {
        let code = machines.run(*kernel, &program, words)?;
        say::line(format_args!("{kernel}: {}", if code == 0 { "passed" } else { "failed" }));
        if code != 0 {
            failed.push(kernel.to_string());
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(Failure::Step(format!("failed on {}", failed.join(", ")))) }
}

fn build(toolchain: &Toolchain) -> Result<PathBuf, Failure> {
    let mut build = toolchain.cargo("test");
    build.args(TESTS).arg("--message-format=json-render-diagnostics");
    let output = command::capture(build.stderr(std::process::Stdio::inherit()))?;
    if !output.status.success() {
        return Err(Failure::Step("the kernel tests do not build (see above)".to_owned()));
    }
    executable(&String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| Failure::Step("cargo named no executable of the kernel tests".to_owned()))
}

/// The executable of the test `kernel` among cargo's messages, of which only this is wanted.
fn executable(messages: &str) -> Option<PathBuf> {
    let of_test = messages.lines().filter(|line| line.contains(r#""name":"kernel""#));
    let path =
        of_test.filter_map(|line| line.split_once(r#""executable":""#)?.1.split('"').next()).next_back()?;
    Some(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_that_of_the_test() {
        let messages = "{\"target\":{\"name\":\"portolan\"},\"executable\":\"/t/portolan\"}\n\
                        {\"target\":{\"name\":\"kernel\"},\"executable\":\"/t/deps/kernel-1\"}\n\
                        {\"reason\":\"build-finished\"}\n";
        assert_eq!(executable(messages), Some(PathBuf::from("/t/deps/kernel-1")));
        assert_eq!(executable("{}"), None);
    }
}
