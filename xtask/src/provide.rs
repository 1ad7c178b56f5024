//! Runs a plan: installs what is missing, one line per step, and looks again afterwards.

use std::process::{Command, Output};

use crate::command;
use crate::error::Failure;
use crate::facts::{Facts, Privilege};
use crate::needs::{BPF_COMPILER_PACKAGES, BPF_LINKER, BPF_LINKER_VERSION, LLVM_MAJOR, LLVM_PREFIX, Need};
use crate::plan::{self, Step};
use crate::probe;
use crate::say;
use crate::toolchain::Toolchain;

/// Meets the needs of `verb`, or says why not and what to do.
pub(crate) fn provide(verb: &'static str, needs: &[Need], toolchain: &Toolchain) -> Result<(), Failure> {
    let facts = probe::gather(needs, toolchain);
    let steps = plan::plan(needs, &facts).map_err(|blocked| lacking(verb, blocked.0))?;
    if steps.is_empty() {
        return Ok(());
    }
    for step in &steps {
        run(step, &facts, toolchain)?;
    }
    verify(verb, needs, toolchain)?;
    warn_of_path(toolchain);
    Ok(())
}

/// A step may end well and still not give what it was run for, with an odd `PATH` for instance.
fn verify(verb: &'static str, needs: &[Need], toolchain: &Toolchain) -> Result<(), Failure> {
    let facts = probe::gather(needs, toolchain);
    let missing = needs.iter().filter(|need| !facts.meets(**need));
    let missing: Vec<String> =
        missing.map(|need| format!("{need}: installed, and still not found")).collect();
    if missing.is_empty() { Ok(()) } else { Err(lacking(verb, missing)) }
}

fn lacking(verb: &'static str, missing: Vec<String>) -> Failure {
    Failure::Machine { verb, missing, mend: None }
}

/// Our own runs find what `cargo install` put away; the user's plain `cargo build` has to as well.
fn warn_of_path(toolchain: &Toolchain) {
    if let Some(folder) = toolchain.cargo_bin_off_path() {
        say::line(format_args!(
            "put {} on your PATH, plain cargo looks for bpf-linker there",
            folder.display()
        ));
    }
}

fn run(step: &Step, facts: &Facts, toolchain: &Toolchain) -> Result<(), Failure> {
    match step {
        Step::AptUpdate => apt_update(facts, toolchain),
        Step::AptInstall(packages) => apt_install(packages, facts, toolchain),
        Step::RustupComponents(components) => rustup_components(components, toolchain),
        Step::InstallLinker => install_linker(toolchain),
    }
}

/// A source that cannot be reached is no reason to stop: the lists that are there may do.
fn apt_update(facts: &Facts, toolchain: &Toolchain) -> Result<(), Failure> {
    say::line(format_args!("refreshes the package lists"));
    let output = command::capture(apt(facts, toolchain).arg("update"))?;
    if !output.status.success() {
        say::line(format_args!(
            "apt-get update failed, goes on with the lists as they are:\n{}",
            complaint(&output)
        ));
    }
    Ok(())
}

fn apt_install(packages: &[&str], facts: &Facts, toolchain: &Toolchain) -> Result<(), Failure> {
    say::line(format_args!("installs {}", packages.join(" ")));
    let mut install = apt(facts, toolchain);
    // Nothing of the user's may go: Debian's compiler conflicts with other packages of Rust.
    install.args(["install", "--yes", "--no-install-recommends", "--no-remove"]).args(packages);
    let output = command::capture(&mut install)?;
    if output.status.success() {
        return Ok(());
    }
    let mut text = format!("apt-get install {} failed:\n{}", packages.join(" "), complaint(&output));
    if packages.iter().any(|package| BPF_COMPILER_PACKAGES.contains(package) || package.contains("-22-")) {
        text.push_str(
            "\nThe BPF toolchain comes from Debian 12's security suite: see that bookworm-security is among apt's sources.",
        );
    }
    Err(Failure::Step(text))
}

fn apt(facts: &Facts, toolchain: &Toolchain) -> Command {
    let mut apt = match facts.privilege {
        Privilege::Root => toolchain.tool("env"),
        Privilege::Sudo | Privilege::None => {
            let mut sudo = toolchain.tool("sudo");
            sudo.arg("env");
            sudo
        }
    };
    // Another apt may be at work, unattended upgrades on a fresh machine for instance.
    apt.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]);
    apt
}

/// The lines that say what went wrong.
fn complaint(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("E:")).collect();
    if errors.is_empty() { said.trim().to_owned() } else { errors.join("\n") }
}

fn rustup_components(components: &[&str], toolchain: &Toolchain) -> Result<(), Failure> {
    say::line(format_args!("adds {} to the toolchain", components.join(" and ")));
    command::run(toolchain.tool("rustup").args(["component", "add"]).args(components))
}

fn install_linker(toolchain: &Toolchain) -> Result<(), Failure> {
    say::line(format_args!("builds {BPF_LINKER} {BPF_LINKER_VERSION}, which takes a few minutes"));
    let mut install = toolchain.cargo("install");
    install
        .args([BPF_LINKER, "--version", BPF_LINKER_VERSION, "--quiet", "--locked", "--force"])
        .args(["--no-default-features", "--features", &format!("llvm-{LLVM_MAJOR}")])
        .env("LLVM_PREFIX", LLVM_PREFIX);
    command::run(&mut install)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    fn failed(stderr: &str) -> Output {
        Output { status: ExitStatus::from_raw(100 << 8), stdout: Vec::new(), stderr: stderr.into() }
    }

    #[test]
    fn of_a_long_output_the_errors_are_shown() {
        let output = failed("W: a warning\nE: Unable to locate package rustc-web\n");
        assert_eq!(complaint(&output), "E: Unable to locate package rustc-web");
        assert_eq!(complaint(&failed("sudo: a password is required\n")), "sudo: a password is required");
    }
}
