//! One named network namespace, as `ip netns` makes it: a file in /run/netns with the namespace mounted on it.
//!
//! Nobody in the process ever changes namespace for good: work inside one is done by a thread of its own, and a
//! process started by that thread is born in the namespace. (`ip netns exec` would also remount /sys and so hide
//! tracefs and bpffs from the child.)

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};

use crate::error::{LabError, Result};

/// Where `ip netns` keeps its namespaces.
pub(crate) const RUN_NETNS: &str = "/run/netns";

/// An open, named network namespace.
#[derive(Debug)]
pub(crate) struct Netns {
    name: String,
    file: File,
}

impl Netns {
    /// Makes a namespace that `ip netns` lists under `name`.
    pub(crate) fn create(name: &str) -> Result<Self> {
        static PREPARED: OnceLock<()> = OnceLock::new();
        if PREPARED.get().is_none() {
            prepare_directory().map_err(|err| LabError::namespace("prepare /run/netns for", name, err))?;
            PREPARED.get_or_init(|| ());
        }
        let path = path_of(name);
        let make = || -> io::Result<()> {
            File::options().write(true).create_new(true).open(&path)?;
            unshare(CloneFlags::CLONE_NEWNET)?;
            mount(Some("/proc/thread-self/ns/net"), &path, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
            Ok(())
        };
        on_own_thread(make)
            .and_then(|made| made)
            .map_err(|err| LabError::namespace("make", name, err))
            .inspect_err(|_| remove(name))?;
        Self::open(name)
    }

    /// Opens a namespace that exists.
    pub(crate) fn open(name: &str) -> Result<Self> {
        let file = File::open(path_of(name)).map_err(|err| LabError::namespace("open", name, err))?;
        Ok(Self { name: name.to_owned(), file })
    }

    /// Its name, as `ip netns` shows it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its file, for `nsenter --net=PATH`.
    pub(crate) fn path(&self) -> PathBuf {
        path_of(&self.name)
    }

    /// Its number in the kernel, as events and `ls -l /proc/PID/ns/net` show it.
    pub(crate) fn inode(&self) -> Result<u64> {
        let metadata = self.file.metadata().map_err(|err| LabError::namespace("read", &self.name, err))?;
        Ok(metadata.ino())
    }

    /// Runs `work` on a thread inside the namespace. Sockets and processes made there stay there.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let enter = || -> io::Result<T> {
            setns(self.file.as_fd(), CloneFlags::CLONE_NEWNET)?;
            Ok(work())
        };
        on_own_thread(enter)
            .and_then(|done| done)
            .map_err(|err| LabError::namespace("enter", &self.name, err))
    }

    /// Writes kernel settings (path below /proc/sys/net, value); a path the kernel lacks is skipped when optional.
    pub(crate) fn set_sysctls(&self, settings: &[(&str, &str)]) -> Result<()> {
        self.run(|| {
            for (path, value) in settings {
                match fs::write(Path::new("/proc/sys/net").join(path), value) {
                    Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
                    _ => {}
                }
            }
            Ok(())
        })?
        .map_err(|err| LabError::namespace("set sysctls in", &self.name, err))
    }
}

/// Removes a namespace by name; what is already gone is fine.
pub(crate) fn remove(name: &str) {
    let path = path_of(name);
    if let Err(err) = umount2(&path, MntFlags::MNT_DETACH)
        && !matches!(err, Errno::EINVAL | Errno::ENOENT)
    {
        tracing::warn!(netns = name, %err, "Namespace not unmounted.");
    }
    if let Err(err) = fs::remove_file(&path)
        && err.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(netns = name, %err, "Namespace file not removed.");
    }
}

/// The file of the namespace `name`.
pub(crate) fn path_of(name: &str) -> PathBuf {
    Path::new(RUN_NETNS).join(name)
}

/// Does what `ip netns add` does once per boot, under the same lock: /run/netns becomes a shared mount, so that
/// namespaces made here are seen, and can be removed, in other mount namespaces.
fn prepare_directory() -> io::Result<()> {
    fs::create_dir_all(RUN_NETNS)?;
    let _lock = Flock::lock(File::open(RUN_NETNS)?, FlockArg::LockExclusive)
        .map_err(|(_, err)| io::Error::from(err))?;
    let share =
        || mount(None::<&str>, RUN_NETNS, None::<&str>, MsFlags::MS_SHARED | MsFlags::MS_REC, None::<&str>);
    match share() {
        Err(Errno::EINVAL) => {
            mount(
                Some(RUN_NETNS),
                RUN_NETNS,
                None::<&str>,
                MsFlags::MS_BIND | MsFlags::MS_REC,
                None::<&str>,
            )?;
            share()?;
        }
        other => other?,
    }
    Ok(())
}

/// Runs `work` on a fresh thread and hands its panic on.
fn on_own_thread<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let worker = thread::Builder::new().name("lab-netns".to_owned()).spawn_scoped(scope, work)?;
        match worker.join() {
            Ok(done) => Ok(done),
            Err(panic) => panic::resume_unwind(panic),
        }
    })
}
