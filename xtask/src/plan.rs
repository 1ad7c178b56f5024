//! From needs and facts to steps, or to the reasons why there are none. Pure.

use std::collections::BTreeSet;

use crate::facts::{Facts, Privilege};
use crate::needs::{BPF_COMPILER_PACKAGES, Need};

/// One thing to run, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Refresh the package lists; a fresh image has none, an old one has dead versions.
    AptUpdate,
    /// Install packages, never removing one.
    AptInstall(Vec<&'static str>),
    /// Add components to the user's toolchain.
    RustupComponents(Vec<&'static str>),
    /// Build and install the linker with the user's cargo.
    InstallLinker,
}

/// Why a need cannot be met from here, with the mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blocked(pub(crate) Vec<String>);

/// The steps that meet `needs` on the machine of `facts`; none when everything is there.
pub(crate) fn plan(needs: &[Need], facts: &Facts) -> Result<Vec<Step>, Blocked> {
    let missing: Vec<Need> = needs.iter().copied().filter(|need| !facts.meets(*need)).collect();
    let packages = packages(&missing, facts);
    let components: Vec<&'static str> = missing.iter().filter_map(|need| need.component()).collect();

    let mut blocked = Vec::new();
    blocked.extend(without_apt(&missing, &packages, facts));
    blocked.extend(without_root(&packages, facts));
    blocked.extend(without_rustup(&components, facts));
    if missing.contains(&Need::BpfCompiler) {
        blocked.extend(compiler_in_the_way(facts));
    }
    if !blocked.is_empty() {
        return Err(Blocked(blocked));
    }

    let mut steps = Vec::new();
    if !packages.is_empty() {
        steps.extend([Step::AptUpdate, Step::AptInstall(packages.into_iter().collect())]);
    }
    if !components.is_empty() {
        steps.push(Step::RustupComponents(components));
    }
    if missing.contains(&Need::BpfLinker) {
        steps.push(Step::InstallLinker);
    }
    Ok(steps)
}

fn packages(missing: &[Need], facts: &Facts) -> BTreeSet<&'static str> {
    let wanted = missing.iter().flat_map(|need| need.packages()).copied();
    wanted.filter(|package| !facts.packages.contains(package)).collect()
}

fn without_apt(missing: &[Need], packages: &BTreeSet<&'static str>, facts: &Facts) -> Option<String> {
    if facts.apt || packages.is_empty() {
        return None;
    }
    let needs: Vec<String> =
        missing.iter().filter(|need| need.component().is_none()).map(ToString::to_string).collect();
    Some(format!(
        "there is no apt-get to install packages with; install by your system's means: {}",
        needs.join("; ")
    ))
}

fn without_root(packages: &BTreeSet<&'static str>, facts: &Facts) -> Option<String> {
    if facts.privilege != Privilege::None || !facts.apt || packages.is_empty() {
        return None;
    }
    Some(format!(
        "not root, and sudo is not there or wants a password; run as root: apt-get update && apt-get install {}",
        list(packages)
    ))
}

fn without_rustup(components: &[&'static str], facts: &Facts) -> Option<String> {
    if facts.rustup || components.is_empty() {
        return None;
    }
    Some(format!(
        "the toolchain lacks {}, and no rustup manages it; install the components of the same release",
        components.join(" and ")
    ))
}

/// Debian's compiler goes into `/usr/bin`: it must neither replace another one there nor hide the user's.
fn compiler_in_the_way(facts: &Facts) -> Option<String> {
    let installed = BPF_COMPILER_PACKAGES.iter().all(|package| facts.packages.contains(package));
    if installed {
        return Some(format!(
            "{} are installed, yet not usable for the BPF object (too old, or an LLVM newer than the linker's); {OWN_SOURCE}",
            BPF_COMPILER_PACKAGES.join(", ")
        ));
    }
    if facts.rust_in_usr_bin && !facts.packages.contains("rustc-web") {
        return Some(format!(
            "/usr/bin has a Rust toolchain that Debian's rustc-web would replace; remove it if it is not in use, or {OWN_SOURCE}"
        ));
    }
    let hidden = facts.hidden_by_usr_bin.as_ref()?;
    Some(format!(
        "Debian's rustc-web would hide your cargo in {0}; put {0} before /usr/bin on PATH, then run this again",
        hidden.display()
    ))
}

/// The other way to a compiler for the BPF object: the user's own, once it has the source of its library.
const OWN_SOURCE: &str = "with rustup, run: rustup component add rust-src";

fn list(packages: &BTreeSet<&'static str>) -> String {
    packages.iter().copied().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::BpfCompiler;
    use crate::facts::tests::{complete, fresh_debian};

    fn blocked(needs: &[Need], facts: &Facts) -> String {
        plan(needs, facts).unwrap_err().0.join("\n")
    }

    #[test]
    fn a_complete_machine_needs_no_step() {
        assert_eq!(plan(Need::ALL, &complete()), Ok(vec![]));
    }

    #[test]
    fn a_fresh_debian_updates_once_installs_once_and_builds_the_linker_last() {
        let steps = plan(Need::ALL, &fresh_debian()).unwrap();
        assert_eq!(steps.len(), 4, "{steps:?}");
        assert_eq!(steps[0], Step::AptUpdate);
        let Step::AptInstall(packages) = &steps[1] else { panic!("{steps:?}") };
        for package in ["rustc-web", "rust-web-src", "llvm-22-dev", "nftables", "iproute2", "iptables", "gcc"]
        {
            assert!(packages.contains(&package), "{package} is not in {packages:?}");
        }
        assert_eq!(steps[2], Step::RustupComponents(vec!["rustfmt", "clippy"]));
        assert_eq!(steps[3], Step::InstallLinker);
    }

    #[test]
    fn user_space_asks_for_neither_firewall_nor_bpf_toolchain() {
        let steps = plan(Need::USER_SPACE, &fresh_debian()).unwrap();
        assert_eq!(steps, vec![Step::AptUpdate, Step::AptInstall(vec!["gcc", "libc6-dev"])]);
    }

    #[test]
    fn packages_that_are_installed_are_not_asked_for_again() {
        let packages = Need::BpfLinker.packages().iter().copied().collect();
        let facts = Facts { bpf_linker: None, packages, ..complete() };
        assert_eq!(plan(Need::ALL, &facts), Ok(vec![Step::InstallLinker]));
    }

    #[test]
    fn an_own_compiler_with_source_spares_debians() {
        let own = BpfCompiler { release: (1, 95), llvm: 22, source: true };
        let facts = Facts { bpf_compilers: vec![own], ..fresh_debian() };
        let steps = plan(Need::OBJECT, &facts).unwrap();
        let Step::AptInstall(packages) = &steps[1] else { panic!("{steps:?}") };
        assert!(!packages.contains(&"rustc-web"), "{packages:?}");
    }

    #[test]
    fn without_root_the_one_command_to_run_is_named() {
        let text = blocked(&[Need::Nft, Need::Ip], &Facts { privilege: Privilege::None, ..fresh_debian() });
        assert!(text.ends_with("apt-get update && apt-get install iproute2 nftables"), "{text}");
    }

    #[test]
    fn without_root_a_missing_linker_alone_is_still_built() {
        let packages = Need::BpfLinker.packages().iter().copied().collect();
        let facts = Facts { privilege: Privilege::None, bpf_linker: None, packages, ..complete() };
        assert_eq!(plan(Need::OBJECT, &facts), Ok(vec![Step::InstallLinker]));
    }

    #[test]
    fn without_apt_the_things_are_named_not_the_packages() {
        let text = blocked(&[Need::Nft], &Facts { apt: false, ..fresh_debian() });
        assert!(text.contains("no apt-get") && text.contains("nft (nftables)"), "{text}");
    }

    #[test]
    fn a_toolchain_without_rustup_must_bring_its_components() {
        let text = blocked(&[Need::Clippy], &Facts { rustup: false, ..fresh_debian() });
        assert!(text.contains("lacks clippy"), "{text}");
    }

    #[test]
    fn debians_compiler_never_replaces_another_in_usr_bin() {
        let text = blocked(Need::OBJECT, &Facts { rust_in_usr_bin: true, ..fresh_debian() });
        assert!(text.contains("would replace") && text.contains("rustup component add rust-src"), "{text}");
    }

    #[test]
    fn debians_compiler_never_hides_the_users() {
        let facts = Facts { hidden_by_usr_bin: Some("/opt/rust/bin".into()), ..fresh_debian() };
        let text = blocked(Need::OBJECT, &facts);
        assert!(text.contains("put /opt/rust/bin before /usr/bin"), "{text}");
        assert!(
            plan(Need::USER_SPACE, &facts).is_ok(),
            "a hidden cargo matters only when rustc-web is installed"
        );
    }

    #[test]
    fn an_installed_compiler_that_is_of_no_use_is_not_installed_again() {
        let packages = BPF_COMPILER_PACKAGES.iter().copied().collect();
        let text = blocked(&[Need::BpfCompiler], &Facts { packages, ..fresh_debian() });
        assert!(text.contains("not usable"), "{text}");
    }
}
