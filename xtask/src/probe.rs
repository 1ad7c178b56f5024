//! Looks at the machine and writes down the facts. Asks only what the needs in question turn on, so that a
//! complete machine is recognised in a blink.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::Path;
use std::process::Command;

use crate::command;
use crate::facts::{BpfCompiler, Facts, Privilege, major_minor};
use crate::needs::{BPF_LINKER, Need};
use crate::toolchain::Toolchain;

/// Where Debian's packages put a compiler and its cargo.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";

/// The facts that decide about `needs`.
pub(crate) fn gather(needs: &[Need], toolchain: &Toolchain) -> Facts {
    let mut facts = Facts {
        privilege: privilege(toolchain),
        apt: toolchain.find("apt-get").is_some(),
        rustup: toolchain.by_rustup(),
        programs: needs.iter().copied().filter(|need| has_program(*need, toolchain)).collect(),
        bpf_compilers: Vec::new(),
        bpf_linker: None,
        packages: BTreeSet::new(),
        rust_in_usr_bin: Path::new(DEBIAN_RUSTC).exists() || Path::new(DEBIAN_CARGO).exists(),
        hidden_by_usr_bin: toolchain.hidden_by_usr_bin(),
    };
    if needs.contains(&Need::BpfCompiler) {
        facts.bpf_compilers = bpf_compilers(toolchain);
    }
    if needs.contains(&Need::BpfLinker) {
        facts.bpf_linker = bpf_linker(toolchain);
    }
    facts.packages = packages(needs, &facts, toolchain);
    facts
}

/// How commands become root: asked alone by the verbs that run the lab.
pub(crate) fn privilege(toolchain: &Toolchain) -> Privilege {
    if is_root() {
        return Privilege::Root;
    }
    if toolchain.find("sudo").is_none() {
        return Privilege::None;
    }
    let silently = command::answer(toolchain.tool("sudo").args(["-n", "true"])).is_some();
    // Sudo asks on the terminal itself.
    if silently || std::io::stdin().is_terminal() { Privilege::Sudo } else { Privilege::None }
}

fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| effective_uid(&status) == Some(0))
}

fn effective_uid(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn has_program(need: Need, toolchain: &Toolchain) -> bool {
    match need {
        Need::Rustfmt => toolchain.has_component("cargo-fmt") && toolchain.has_component("rustfmt"),
        Need::Clippy => toolchain.has_component("cargo-clippy"),
        _ => need.program().is_some_and(|program| toolchain.find(program).is_some()),
    }
}

/// Debian's compiler; the others only when that one does not serve, for asking rustup is slow.
fn bpf_compilers(toolchain: &Toolchain) -> Vec<BpfCompiler> {
    let mut seen = Vec::new();
    for look in [debian_compiler, own_compiler, nightly_compiler] {
        seen.extend(look(toolchain));
        if seen.iter().any(BpfCompiler::usable) {
            break;
        }
    }
    seen
}

fn debian_compiler(toolchain: &Toolchain) -> Option<BpfCompiler> {
    if !Path::new(DEBIAN_CARGO).exists() {
        return None;
    }
    compiler(|| toolchain.tool(DEBIAN_RUSTC))
}

/// The one that builds user space: it may build the object too, when rustup gave it the source.
fn own_compiler(toolchain: &Toolchain) -> Option<BpfCompiler> {
    compiler(|| toolchain.tool("rustc"))
}

fn nightly_compiler(toolchain: &Toolchain) -> Option<BpfCompiler> {
    let rustup = toolchain.find("rustup")?;
    compiler(|| {
        let mut run = toolchain.tool(&rustup);
        // Looking must not install.
        run.env("RUSTUP_AUTO_INSTALL", "0").args(["run", "nightly", "rustc"]);
        run
    })
}

fn compiler(rustc: impl Fn() -> Command) -> Option<BpfCompiler> {
    let version = command::answer(rustc().arg("-vV"))?;
    let sysroot = command::answer(rustc().args(["--print", "sysroot"]))?;
    BpfCompiler::read(&version, has_source(Path::new(sysroot.trim())))
}

fn has_source(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs").exists()
}

fn bpf_linker(toolchain: &Toolchain) -> Option<(u32, u32)> {
    let said = command::answer(toolchain.tool(BPF_LINKER).arg("--version"))?;
    major_minor(said.strip_prefix(BPF_LINKER)?)
}

/// Which packages of the missing needs are installed; nothing is asked when nothing is missing.
fn packages(needs: &[Need], facts: &Facts, toolchain: &Toolchain) -> BTreeSet<&'static str> {
    let missing = needs.iter().filter(|need| !facts.meets(**need));
    let wanted: BTreeSet<&'static str> = missing.flat_map(|need| need.packages()).copied().collect();
    if wanted.is_empty() || toolchain.find("dpkg-query").is_none() {
        return BTreeSet::new();
    }
    // It fails when one of them is unknown, and still tells about the others.
    let mut query = toolchain.tool("dpkg-query");
    query.args(["--show", "--showformat=${db:Status-Status} ${Package}\n"]).args(&wanted);
    let said = command::capture(&mut query).map(|output| output.stdout).unwrap_or_default();
    installed(&String::from_utf8_lossy(&said), &wanted)
}

fn installed(said: &str, wanted: &BTreeSet<&'static str>) -> BTreeSet<&'static str> {
    let names: BTreeSet<&str> = said.lines().filter_map(|line| line.strip_prefix("installed ")).collect();
    wanted.iter().copied().filter(|package| names.contains(package)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_user_is_the_second_number() {
        assert_eq!(effective_uid("Name:\txtask\nUid:\t1000\t0\t0\t0\n"), Some(0));
        assert_eq!(effective_uid("Name:\txtask\n"), None);
    }

    #[test]
    fn a_removed_package_with_left_over_configuration_is_not_installed() {
        let wanted = BTreeSet::from(["nftables", "iproute2"]);
        let said = "config-files nftables\ninstalled iproute2\n";
        assert_eq!(installed(said, &wanted), BTreeSet::from(["iproute2"]));
    }

    #[test]
    fn nothing_is_asked_for_needs_that_are_not_in_question() {
        let facts = gather(Need::USER_SPACE, &Toolchain::current());
        assert!(facts.meets(Need::CCompiler), "tests are linked by a C compiler");
        assert!(facts.bpf_compilers.is_empty());
        assert_eq!(facts.bpf_linker, None);
    }
}
