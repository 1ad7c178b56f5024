//! `cargo xtask test`: one run of `cargo test` with one set of features, so that nothing is built twice.

use std::ffi::OsString;
use std::process::Command;

use crate::command;
use crate::error::Failure;
use crate::facts::Privilege;
use crate::kernel_probe;
use crate::members::{self, FEATURE};
use crate::needs::Need;
use crate::probe;
use crate::provide;
use crate::say;
use crate::toolchain::Toolchain;

/// Every agent of every lab sees the whole kernel's events, so more at once only makes all of them slow.
const MOST_THREADS: usize = 4;
/// Makes the build of the agent leave out the BPF object.
const SKIP_OBJECT: (&str, &str) = ("AYA_BUILD_SKIP", "1");

/// Runs the tests of all packages, or of those that `rest` selects.
pub(crate) fn run(no_kernel: bool, rest: &[OsString], toolchain: &Toolchain) -> Result<(), Failure> {
    run_in(&[], no_kernel, rest, toolchain)
}

/// The same with variables that the tests look at.
pub(crate) fn run_in(
    environment: &[(&str, String)],
    no_kernel: bool,
    rest: &[OsString],
    toolchain: &Toolchain,
) -> Result<(), Failure> {
    let kernel = if no_kernel { Vec::new() } else { kernel_packages(rest, toolchain)? };
    let mut test = toolchain.cargo("test");
    if kernel.is_empty() {
        provide::provide("test", Need::USER_SPACE, toolchain)?;
        say::line(format_args!("tests in user space only"));
        let object = if no_kernel { Object::Skip } else { Object::IfPossible };
        object.tell(&mut test, toolchain);
    } else {
        say::line(format_args!("tests, on the real kernel too: {}", kernel.join(", ")));
        let mend = "`cargo xtask test --no-kernel` leaves out the tests that need it.";
        let privilege = kernel_probe::provide("test", Some(mend), toolchain)?;
        with_features(&mut test, &kernel);
        with_privilege(&mut test, privilege);
    }
    with_defaults(&mut test, rest);
    test.envs(environment.iter().map(|(name, value)| (name, value)));
    Err(command::become_it(test.args(rest)))
}

fn kernel_packages(rest: &[OsString], toolchain: &Toolchain) -> Result<Vec<String>, Failure> {
    let mut packages = members::with_kernel_tests(toolchain.workspace())?;
    if let Some(selected) = members::selected(rest) {
        packages.retain(|package| selected.contains(package));
    }
    Ok(packages)
}

/// Switches the kernel tests of these packages on.
pub(crate) fn with_features(command: &mut Command, packages: &[String]) {
    if !packages.is_empty() {
        let features: Vec<String> = packages.iter().map(|package| format!("{package}/{FEATURE}")).collect();
        command.arg("--features").arg(features.join(","));
    }
}

/// The build stays the user's, only the test programs run as root.
fn with_privilege(test: &mut Command, privilege: Privilege) {
    if privilege != Privilege::Root {
        test.args(["--config", "target.'cfg(unix)'.runner = ['sudo', '--preserve-env']"]);
    }
}

/// All failures of a run in one go, and not too many labs at once, unless told otherwise.
fn with_defaults(test: &mut Command, rest: &[OsString]) {
    if !rest.iter().any(|word| word == "--no-fail-fast") {
        test.arg("--no-fail-fast");
    }
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        test.env("RUST_TEST_THREADS", cores.min(MOST_THREADS).to_string());
    }
}

/// Whether a build that can do without the BPF object makes it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Object {
    /// Never: nothing of it is needed.
    Skip,
    /// Where its toolchain is there, so that the agent is built as the other verbs build it, and not twice.
    IfPossible,
}

impl Object {
    /// Tells the build of the agent.
    pub(crate) fn tell(self, command: &mut Command, toolchain: &Toolchain) {
        let made = match self {
            Self::Skip => false,
            Self::IfPossible => probe::gather(Need::OBJECT, toolchain).meets_object(),
        };
        if !made {
            command.env(SKIP_OBJECT.0, SKIP_OBJECT.1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &Command) -> Vec<String> {
        command.get_args().map(|word| word.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn the_kernel_tests_of_all_packages_are_one_set_of_features() {
        let mut command = Command::new("cargo");
        with_features(&mut command, &["portolan-lab".to_owned(), "portolan".to_owned()]);
        assert_eq!(words(&command), ["--features", "portolan-lab/kernel-tests,portolan/kernel-tests"]);
    }

    #[test]
    fn root_runs_the_tests_itself_and_others_through_sudo() {
        let mut command = Command::new("cargo");
        with_privilege(&mut command, Privilege::Root);
        assert!(words(&command).is_empty());
        with_privilege(&mut command, Privilege::Sudo);
        assert!(words(&command)[1].contains("sudo"), "{command:?}");
    }

    #[test]
    fn a_build_without_the_object_says_so_to_the_agents_build() {
        let mut command = Command::new("cargo");
        Object::Skip.tell(&mut command, &Toolchain::current());
        let told = command.get_envs().any(|(name, value)| name == SKIP_OBJECT.0 && value.is_some());
        assert!(told, "{command:?}");
    }

    #[test]
    fn no_fail_fast_is_given_once() {
        let mut command = Command::new("cargo");
        with_defaults(&mut command, &[OsString::from("--no-fail-fast")]);
        assert!(words(&command).is_empty(), "{command:?}");
        with_defaults(&mut command, &[]);
        assert_eq!(words(&command), ["--no-fail-fast"]);
    }
}
