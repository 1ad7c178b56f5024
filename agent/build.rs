//! Builds the BPF object from source and embeds it.
//!
//! The probes need `core` for the BPF target, built from source by a compiler that has its source:
//! a nightly of rustup, or Debian's packages. Both are looked for; when neither is there, the build
//! ends with the one thing to do. `AYA_BUILD_SKIP=1` builds user space without the object.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

const TARGET: &str = "bpfel-unknown-none";
const OBJECT: &str = "portolan-probes";

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let root = root.parent().expect("the agent has a workspace above it").to_owned();
    println!("cargo::rerun-if-env-changed=AYA_BUILD_SKIP");
    for watched in ["ebpf", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    let embedded = out.join(OBJECT);
    if env::var_os("AYA_BUILD_SKIP").is_some_and(|value| value == "1" || value == "true") {
        std::fs::write(&embedded, []).expect("OUT_DIR can be written to");
        println!("cargo::warning=AYA_BUILD_SKIP is set: this agent has no BPF programs");
        return;
    }
    match build(&root, &out) {
        Ok(object) => {
            std::fs::copy(&object, &embedded).expect("OUT_DIR can be written to");
        }
        Err(error) => {
            println!("cargo::error={error}");
        }
    }
}

fn build(root: &Path, out: &Path) -> Result<PathBuf, String> {
    let toolchain = Toolchain::find().ok_or(
        "no compiler can build the BPF programs. Run `cargo xtask setup`, or install either a nightly \
         with its source (`rustup toolchain install nightly --component rust-src`) or, on Debian, \
         `apt-get install rustc-web cargo-web rust-web-src`; AYA_BUILD_SKIP=1 builds without them",
    )?;
    let linker = find_program("bpf-linker").ok_or(
        "bpf-linker is not installed. Run `cargo xtask setup`, or `cargo install bpf-linker --version \
         0.13.0`; AYA_BUILD_SKIP=1 builds without the BPF programs",
    )?;
    let target_dir = out.join("bpf");
    let output = toolchain
        .command()
        .current_dir(root)
        .args(["build", "--quiet", "--package", OBJECT, "--bins", "--release", "--locked"])
        .args(["--target", TARGET, "-Z", "build-std=core", "--target-dir"])
        .arg(&target_dir)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("PATH", path_with(linker.parent().unwrap_or(Path::new("."))))
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(&linker))
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTC_WRAPPER")
        .output()
        .map_err(|error| format!("cannot start {}: {error}", toolchain.describe()))?;
    if !output.status.success() {
        for line in String::from_utf8_lossy(&output.stderr).lines() {
            println!("cargo::warning={line}");
        }
        return Err(format!("{} could not build the BPF programs (see above)", toolchain.describe()));
    }
    Ok(target_dir.join(TARGET).join("release").join(OBJECT))
}

fn rustflags(linker: &Path) -> OsString {
    let arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_else(|_| "x86_64".to_owned());
    let mut flags = OsString::from(format!("--cfg=bpf_target_arch=\"{arch}\"\x1f-Cdebuginfo=2\x1f"));
    flags.push("-Clink-arg=--btf\x1f-Clinker=");
    flags.push(linker);
    flags
}

/// A compiler that has the source of its `core`.
enum Toolchain {
    /// A nightly of rustup.
    Nightly,
    /// A cargo and the rustc beside it.
    Pair { cargo: PathBuf, rustc: PathBuf },
}

impl Toolchain {
    fn find() -> Option<Self> {
        let nightly = || {
            let sysroot =
                stdout(Command::new("rustup").args(["run", "nightly", "rustc", "--print", "sysroot"]))?;
            has_core_source(Path::new(&sysroot)).then_some(Self::Nightly)
        };
        let pair = |cargo: PathBuf, rustc: PathBuf| {
            let sysroot = stdout(Command::new(&rustc).args(["--print", "sysroot"]))?;
            (cargo.is_file() && has_core_source(Path::new(&sysroot))).then_some(Self::Pair { cargo, rustc })
        };
        // Debian's first: its LLVM is the one that bpf-linker is set up for.
        pair("/usr/bin/cargo".into(), "/usr/bin/rustc".into())
            .or_else(nightly)
            .or_else(|| pair(env::var_os("CARGO")?.into(), env::var_os("RUSTC")?.into()))
    }

    fn command(&self) -> Command {
        let mut command = match self {
            Self::Nightly => {
                let mut command = Command::new("rustup");
                command.args(["run", "nightly", "cargo"]);
                command
            }
            Self::Pair { cargo, .. } => Command::new(cargo),
        };
        // The build that runs this script speaks of another compiler and another target.
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO") && name != "CARGO_HOME" {
                command.env_remove(&*name);
            }
        }
        match self {
            Self::Nightly => command.env_remove("RUSTC"),
            Self::Pair { rustc, .. } => command.env("RUSTC", rustc),
        };
        command
    }

    fn describe(&self) -> String {
        match self {
            Self::Nightly => "the nightly of rustup".to_owned(),
            Self::Pair { cargo, .. } => cargo.display().to_string(),
        }
    }
}

fn has_core_source(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/core/Cargo.toml").is_file()
}

fn stdout(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn find_program(name: &str) -> Option<PathBuf> {
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(cargo_home.into_iter().chain(home).map(|dir| dir.join("bin")))
        .map(|dir| dir.join(name))
        .find(|program| program.is_file())
}

fn path_with(dir: &Path) -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths(std::iter::once(dir.to_owned()).chain(env::split_paths(&path))).unwrap_or(path)
}
