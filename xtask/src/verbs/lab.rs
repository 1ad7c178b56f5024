//! What demo and bench share: build the product and the lab, then become `portolan-lab`.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::command;
use crate::error::Failure;
use crate::facts::Privilege;
use crate::kernel_probe;
use crate::say;
use crate::toolchain::Toolchain;

/// The two programs.
const PACKAGES: [&str; 2] = ["portolan", "portolan-lab"];

/// A build profile and the folder of its programs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Profile {
    /// Quick to build.
    Dev,
    /// Fit for measuring.
    Release,
}

impl Profile {
    fn folder(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}

/// Provides, builds, and becomes `portolan-lab <verb> --portolan <program> <rest>`.
pub(crate) fn run(
    verb: &'static str,
    profile: Profile,
    rest: &[OsString],
    toolchain: &Toolchain,
) -> Result<(), Failure> {
    let privilege = prepare(verb, profile, toolchain)?;
    enter(verb, profile, privilege, rest, toolchain)
}

/// Provides and builds.
fn prepare(verb: &'static str, profile: Profile, toolchain: &Toolchain) -> Result<Privilege, Failure> {
    let privilege = kernel_probe::provide(verb, None, toolchain)?;
    build(profile, toolchain)?;
    Ok(privilege)
}

/// Becomes `portolan-lab <verb> --portolan <program> <rest>`, which is built.
fn enter(
    verb: &'static str,
    profile: Profile,
    privilege: Privilege,
    rest: &[OsString],
    toolchain: &Toolchain,
) -> Result<(), Failure> {
    let [portolan, lab] = PACKAGES.map(|program| programs(profile).join(program));
    let mut command = match privilege {
        Privilege::Root => toolchain.tool(&lab),
        Privilege::Sudo | Privilege::None => {
            let mut sudo = toolchain.tool("sudo");
            sudo.arg("--preserve-env").arg(&lab);
            sudo
        }
    };
    command.arg(verb).arg("--portolan").arg(portolan).args(rest);
    Err(command::become_it(&mut command))
}

fn build(profile: Profile, toolchain: &Toolchain) -> Result<(), Failure> {
    say::line(format_args!("builds {}", PACKAGES.join(" and ")));
    let mut build = toolchain.cargo("build");
    build.arg("--bins").args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    if matches!(profile, Profile::Release) {
        build.arg("--release");
    }
    command::run(&mut build)
}

/// This program lies in the folder of the dev profile, wherever the target folder was put.
fn programs(profile: Profile) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("target/debug/xtask"));
    let target = own.ancestors().nth(2).map_or_else(|| PathBuf::from("target"), PathBuf::from);
    target.join(profile.folder())
}
