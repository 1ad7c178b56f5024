//! Debian packages, fetched with apt and unpacked into the cache; nothing is installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::release::Release;
use crate::command;
use crate::error::Failure;
use crate::say;
use crate::toolchain::Toolchain;

/// The virtual machine, the tools of its first steps, and the loader of modules.
const TOOLS: [&str; 3] = ["qemu-system-x86", "busybox-static", "kmod"];

/// An unpacked kernel.
pub(crate) struct Kernel {
    /// Where its package was unpacked.
    pub(crate) root: PathBuf,
    /// As `uname -r` tells it.
    pub(crate) version: String,
}

impl Kernel {
    /// The bootable file.
    pub(crate) fn image(&self) -> PathBuf {
        self.root.join("boot").join(format!("vmlinuz-{}", self.version))
    }

    /// What the kernel looks for in `/lib/modules`.
    pub(crate) fn modules(&self) -> PathBuf {
        self.root.join("lib/modules")
    }
}

/// The folder of the tools, filled when it is not there.
pub(crate) fn tools(cache: &Path, toolchain: &Toolchain) -> Result<PathBuf, Failure> {
    let root = cache.join("tools");
    if !root.exists() {
        say::line(format_args!("fetching {} into {}", TOOLS.join(", "), cache.display()));
        // What they depend on comes along unless this machine has it.
        let mut fetch = apt_get(toolchain);
        fetch
            .args(["install", "--download-only", "--reinstall", "--no-install-recommends", "--yes"])
            .args(TOOLS);
        fetch_and_unpack(fetch, &root, toolchain)?;
    }
    Ok(root)
}

/// A kernel of this line, fetched when it is not there.
pub(crate) fn kernel(cache: &Path, release: Release, toolchain: &Toolchain) -> Result<Kernel, Failure> {
    let root = cache.join(release.to_string());
    if !root.exists() {
        let names = command::answer(toolchain.tool("apt-cache").args(["pkgnames", &release.prefix()]));
        let names = names.unwrap_or_default();
        let package = release.newest(&names).ok_or_else(|| {
            Failure::Step(format!(
                "apt knows no package {}*-amd64: add a source that has that kernel, or run `apt-get update`",
                release.prefix()
            ))
        })?;
        say::line(format_args!("fetching {package} into {}", cache.display()));
        let mut fetch = apt_get(toolchain);
        fetch.args([
            "install",
            "--download-only",
            "--reinstall",
            "--no-install-recommends",
            "--yes",
            package,
        ]);
        fetch_and_unpack(fetch, &root, toolchain)?;
    }
    let version = only_entry(&root.join("lib/modules"))?;
    Ok(Kernel { root, version })
}

/// Fetching needs no rights: the archives are ours, and nothing of the system is changed.
fn apt_get(toolchain: &Toolchain) -> Command {
    let mut command = toolchain.tool("apt-get");
    command.args(["--quiet=2", "--option=Debug::NoLocking=1", "--option=APT::Sandbox::User="]);
    command
}

/// Unpacked beside its place and moved there at the end: what is there is whole.
fn fetch_and_unpack(mut fetch: Command, root: &Path, toolchain: &Toolchain) -> Result<(), Failure> {
    let archives = root.with_extension("archives");
    let unpacked = root.with_extension("unpacked");
    for folder in [&archives.join("partial"), &unpacked] {
        fs::create_dir_all(folder).map_err(|err| file("make", folder, &err))?;
    }
    command::run(fetch.arg(format!("--option=Dir::Cache::archives={}", archives.display())))?;
    for package in
        entries(&archives)?.iter().filter(|path| path.extension().is_some_and(|kind| kind == "deb"))
    {
        command::run(toolchain.tool("dpkg-deb").arg("--extract").arg(package).arg(&unpacked))?;
    }
    fs::remove_dir_all(&archives).map_err(|err| file("remove", &archives, &err))?;
    fs::rename(&unpacked, root).map_err(|err| file("make", root, &err))
}

fn only_entry(folder: &Path) -> Result<String, Failure> {
    let name =
        entries(folder)?.first().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    name.ok_or_else(|| Failure::Step(format!("{} is empty: remove it and try again", folder.display())))
}

/// What is in a folder, in order.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut entries: Vec<PathBuf> = entries.map_err(|err| file("read", folder, &err))?;
    entries.sort();
    Ok(entries)
}

/// A failure at a file or folder.
pub(crate) fn file(verb: &str, path: &Path, err: &std::io::Error) -> Failure {
    Failure::Step(format!("cannot {verb} {}: {err}", path.display()))
}
