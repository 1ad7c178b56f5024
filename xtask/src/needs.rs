//! What a verb needs from the machine, and which Debian packages have it.

use std::fmt;

/// The linker of BPF objects, as `cargo install` knows it.
pub(crate) const BPF_LINKER: &str = "bpf-linker";
/// The version that `setup` installs; a newer one that is there already is fine.
pub(crate) const BPF_LINKER_VERSION: &str = "0.13.0";
/// The least version of the linker that the probes link with.
pub(crate) const BPF_LINKER_LEAST: (u32, u32) = (0, 13);
/// The LLVM that the linker is built with; it reads the output of no newer one.
pub(crate) const LLVM_MAJOR: u32 = 22;
/// Where Debian keeps that LLVM.
pub(crate) const LLVM_PREFIX: &str = "/usr/lib/llvm-22";
/// The least compiler for the probes: the workspace's `rust-version`.
pub(crate) const RUST_LEAST: (u32, u32) = (1, 95);

/// Debian's own compiler with the source of its standard library, from the security suite.
pub(crate) const BPF_COMPILER_PACKAGES: &[&str] = &["rustc-web", "cargo-web", "rust-web-src"];
/// What the linker is built from.
pub(crate) const BPF_LINKER_PACKAGES: &[&str] =
    &["llvm-22-dev", "libpolly-22-dev", "libzstd-dev", "zlib1g-dev", "g++"];

/// One thing that a verb cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// Builds the C part of the TLS provider, and links.
    CCompiler,
    /// A Rust compiler that may build `core` for the BPF target, with its source.
    BpfCompiler,
    /// Links the BPF object.
    BpfLinker,
    /// Namespaces, links and routes of the lab.
    Ip,
    /// Programs and queues of the lab's devices.
    Tc,
    /// Firewall and address translation of the lab.
    Nft,
    /// The other firewall that network plugins use, in both its forms.
    Iptables,
    /// `cargo fmt`.
    Rustfmt,
    /// `cargo clippy`.
    Clippy,
}

impl Need {
    /// Everything; what `setup` provides.
    pub(crate) const ALL: &'static [Self] = &[
        Self::CCompiler,
        Self::BpfCompiler,
        Self::BpfLinker,
        Self::Ip,
        Self::Tc,
        Self::Nft,
        Self::Iptables,
        Self::Rustfmt,
        Self::Clippy,
    ];
    /// Building and running the product in the lab.
    pub(crate) const LAB: &'static [Self] =
        &[Self::CCompiler, Self::BpfCompiler, Self::BpfLinker, Self::Ip, Self::Tc, Self::Nft, Self::Iptables];
    /// Building the agent with its BPF object.
    pub(crate) const OBJECT: &'static [Self] = &[Self::CCompiler, Self::BpfCompiler, Self::BpfLinker];
    /// User space only.
    pub(crate) const USER_SPACE: &'static [Self] = &[Self::CCompiler];
    /// What `check` runs.
    pub(crate) const CHECK: &'static [Self] = &[Self::CCompiler, Self::Rustfmt, Self::Clippy];

    /// The program that shows that the need is met, where one on `PATH` is enough.
    pub(crate) fn program(self) -> Option<&'static str> {
        match self {
            Self::CCompiler => Some("cc"),
            Self::Ip => Some("ip"),
            Self::Tc => Some("tc"),
            Self::Nft => Some("nft"),
            // Some systems bring the form over nftables alone.
            Self::Iptables => Some("iptables-legacy"),
            Self::BpfCompiler | Self::BpfLinker | Self::Rustfmt | Self::Clippy => None,
        }
    }

    /// The Debian packages that meet it, or from which it is built.
    pub(crate) fn packages(self) -> &'static [&'static str] {
        match self {
            Self::CCompiler => &["gcc", "libc6-dev"],
            Self::BpfCompiler => BPF_COMPILER_PACKAGES,
            Self::BpfLinker => BPF_LINKER_PACKAGES,
            Self::Ip | Self::Tc => &["iproute2"],
            Self::Nft => &["nftables"],
            Self::Iptables => &["iptables"],
            Self::Rustfmt | Self::Clippy => &[],
        }
    }

    /// The name of the toolchain's component, for rustup.
    pub(crate) fn component(self) -> Option<&'static str> {
        match self {
            Self::Rustfmt => Some("rustfmt"),
            Self::Clippy => Some("clippy"),
            _ => None,
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CCompiler => "a C compiler (cc)",
            Self::BpfCompiler => {
                "a Rust compiler for the BPF object, with the source of its standard library"
            }
            Self::BpfLinker => "bpf-linker 0.13 or newer",
            Self::Ip => "ip (iproute2)",
            Self::Tc => "tc (iproute2)",
            Self::Nft => "nft (nftables)",
            Self::Iptables => "iptables, with iptables-legacy",
            Self::Rustfmt => "cargo fmt",
            Self::Clippy => "cargo clippy",
        })
    }
}
