//! The first file system of a kernel: the modules that lead to the host's root, and the scripts.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::archive::Archive;
use super::guest::{INIT, Script};
use super::packages::{Kernel, file};
use crate::command;
use crate::error::Failure;

/// The bus, the host's files, and changes in memory on top of them.
const MODULES: [&str; 4] = ["virtio_pci", "9p", "9pnet_virtio", "overlay"];

/// Makes the archive beside the kernel.
pub(crate) fn make(tools: &Path, kernel: &Kernel, script: &Script<'_>) -> Result<PathBuf, Failure> {
    let mut archive = Archive::default();
    for folder in ["bin", "modules"] {
        archive.folder(folder);
    }
    let busybox = tools.join("bin/busybox");
    archive.program("bin/busybox", &fs::read(&busybox).map_err(|err| file("read", &busybox, &err))?);
    archive.program("init", INIT.as_bytes());
    archive.file("run-tests", script.text().as_bytes());
    for (number, module) in modules(tools, kernel)?.iter().enumerate() {
        archive.file(&format!("modules/{number:02}.ko"), &content(&busybox, module)?);
    }
    let path = kernel.root.join("initrd");
    fs::write(&path, archive.finish()).map_err(|err| file("write", &path, &err))?;
    Ok(path)
}

/// The modules' files, each after those that it needs.
fn modules(tools: &Path, kernel: &Kernel) -> Result<Vec<PathBuf>, Failure> {
    let kmod = |name: &str| {
        let mut command = Command::new(tools.join("bin/kmod"));
        command.arg0(name);
        command
    };
    command::run(kmod("depmod").arg("-b").arg(&kernel.root).arg(&kernel.version))?;
    let mut list = kmod("modprobe");
    list.arg("-d").arg(&kernel.root).args(["-S", &kernel.version, "--show-depends", "--all"]).args(MODULES);
    let list = command::answer(&mut list)
        .ok_or_else(|| Failure::Step(format!("{} lacks one of {}", kernel.version, MODULES.join(", "))))?;
    Ok(in_order(&list))
}

/// The files of `insmod` lines, once each; what is built in has none.
fn in_order(list: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    for path in
        list.lines().filter_map(|line| line.strip_prefix("insmod ")).map(|path| PathBuf::from(path.trim()))
    {
        if !files.contains(&path) {
            files.push(path);
        }
    }
    files
}

/// A module as the kernel takes it; many are packed.
fn content(busybox: &Path, module: &Path) -> Result<Vec<u8>, Failure> {
    if module.extension().is_some_and(|kind| kind == "xz") {
        let output = command::capture(Command::new(busybox).args(["xz", "-dc"]).arg(module))?;
        return Ok(output.stdout);
    }
    fs::read(module).map_err(|err| file("read", module, &err))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_come_once_and_in_their_order() {
        let list = "insmod /m/netfs.ko \ninsmod /m/9p.ko.xz \nbuiltin virtio_pci\ninsmod /m/netfs.ko \n";
        assert_eq!(in_order(list), [PathBuf::from("/m/netfs.ko"), PathBuf::from("/m/9p.ko.xz")]);
    }
}
