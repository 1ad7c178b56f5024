//! What is known of the machine: plain data, gathered by `probe`, judged by `plan`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::needs::{BPF_LINKER_LEAST, LLVM_MAJOR, Need, RUST_LEAST};

/// How a command can become root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privilege {
    /// It is root already.
    Root,
    /// `sudo` works without a password, or there is a terminal to type one.
    Sudo,
    /// Neither.
    None,
}

/// A compiler that might build the BPF object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BpfCompiler {
    /// Major and minor of the release.
    pub(crate) release: (u32, u32),
    /// Major of its LLVM.
    pub(crate) llvm: u32,
    /// The source of its standard library is beside it.
    pub(crate) source: bool,
}

impl BpfCompiler {
    /// Reads `rustc -vV`.
    pub(crate) fn read(verbose_version: &str, source: bool) -> Option<Self> {
        let field = |name: &str| verbose_version.lines().find_map(|line| line.strip_prefix(name));
        let release = major_minor(field("release: ")?)?;
        let (llvm, _) = major_minor(field("LLVM version: ")?)?;
        Some(Self { release, llvm, source })
    }

    /// It can build the object, and the linker can read what it writes.
    pub(crate) fn usable(&self) -> bool {
        let Self { release, llvm, source } = self;
        *release >= RUST_LEAST && *llvm <= LLVM_MAJOR && *source
    }
}

/// The machine as far as the needs in question go.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// How to become root.
    pub(crate) privilege: Privilege,
    /// `apt-get` is there.
    pub(crate) apt: bool,
    /// `rustup` manages the toolchain that runs this.
    pub(crate) rustup: bool,
    /// Needs that a program on `PATH`, or one beside cargo, meets.
    pub(crate) programs: BTreeSet<Need>,
    /// Compilers for the BPF object: Debian's, the user's own, and rustup's nightly.
    pub(crate) bpf_compilers: Vec<BpfCompiler>,
    /// Version of the linker of BPF objects.
    pub(crate) bpf_linker: Option<(u32, u32)>,
    /// Installed Debian packages among those that a missing need would ask for.
    pub(crate) packages: BTreeSet<&'static str>,
    /// `/usr/bin` has a `rustc` or `cargo`.
    pub(crate) rust_in_usr_bin: bool,
    /// The folder of the user's cargo, when Debian's would hide it on `PATH`.
    pub(crate) hidden_by_usr_bin: Option<PathBuf>,
}

impl Facts {
    /// The need is met.
    pub(crate) fn meets(&self, need: Need) -> bool {
        match need {
            Need::BpfCompiler => self.bpf_compilers.iter().any(BpfCompiler::usable),
            Need::BpfLinker => self.bpf_linker.is_some_and(|version| version >= BPF_LINKER_LEAST),
            _ => self.programs.contains(&need),
        }
    }

    /// The agent can be built with its BPF object.
    pub(crate) fn meets_object(&self) -> bool {
        Need::OBJECT.iter().all(|need| self.meets(*need))
    }
}

/// Major and minor of a text that begins like `22.1.8`.
pub(crate) fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim().split('.');
    let major = parts.next()?.parse().ok()?;
    let minor: String = parts.next()?.chars().take_while(char::is_ascii_digit).collect();
    Some((major, minor.parse().ok()?))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A fresh Debian 12 with the toolchain in a home folder: root, apt, and nothing else.
    pub(crate) fn fresh_debian() -> Facts {
        Facts {
            privilege: Privilege::Root,
            apt: true,
            rustup: true,
            programs: BTreeSet::new(),
            bpf_compilers: Vec::new(),
            bpf_linker: None,
            packages: BTreeSet::new(),
            rust_in_usr_bin: false,
            hidden_by_usr_bin: None,
        }
    }

    /// The same after `setup`.
    pub(crate) fn complete() -> Facts {
        Facts {
            programs: Need::ALL.iter().copied().collect(),
            bpf_compilers: vec![BpfCompiler { release: (1, 96), llvm: 22, source: true }],
            bpf_linker: Some((0, 13)),
            ..fresh_debian()
        }
    }

    const DEBIAN: &str = "rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)\nbinary: rustc\n\
                          release: 1.96.0\nLLVM version: 22.1.8\n";

    #[test]
    fn a_compiler_is_read_from_its_verbose_version() {
        let read = BpfCompiler::read(DEBIAN, true);
        assert_eq!(read, Some(BpfCompiler { release: (1, 96), llvm: 22, source: true }));
        assert_eq!(BpfCompiler::read("bash: rustc: not found", true), None);
    }

    #[test]
    fn a_compiler_is_usable_with_source_a_readable_llvm_and_a_new_enough_release() {
        let good = BpfCompiler { release: (1, 96), llvm: 22, source: true };
        assert!(good.usable());
        for (why, bad) in [
            ("no source", BpfCompiler { source: false, ..good.clone() }),
            ("LLVM newer than the linker's", BpfCompiler { llvm: 23, ..good.clone() }),
            ("too old", BpfCompiler { release: (1, 63), ..good }),
        ] {
            assert!(!bad.usable(), "{why}");
        }
    }

    #[test]
    fn a_nightly_release_is_read_too() {
        assert_eq!(major_minor("1.97.0-nightly"), Some((1, 97)));
        assert_eq!(major_minor("6.18-rc1"), Some((6, 18)));
        assert_eq!(major_minor("unknown"), None);
    }

    #[test]
    fn an_old_linker_does_not_count() {
        assert!(complete().meets(Need::BpfLinker));
        assert!(!Facts { bpf_linker: Some((0, 12)), ..complete() }.meets(Need::BpfLinker));
    }
}
