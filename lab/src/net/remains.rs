//! What a lab leaves in the kernel, and its removal: at drop, on a signal, and for labs whose process died.
//!
//! A namespace is named after the process that made it (pid and start time), so a later process can tell a living
//! lab from a dead one. Every process that lives in a lab's namespace belongs to the lab and ends with it.

use std::collections::BTreeSet;
use std::fs;
use std::mem;
use std::os::unix::fs::MetadataExt;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::enforce::cgroup;
use crate::error::Result;
use crate::net::netns::{self, Netns, RUN_NETNS};

const PREFIX: &str = "plab-";

/// The namespaces of one living lab.
#[derive(Debug)]
pub(crate) struct Remains {
    prefix: String,
    names: Mutex<Vec<String>>,
}

static LIVING: Mutex<Vec<Arc<Remains>>> = Mutex::new(Vec::new());
static COUNTER: AtomicU32 = AtomicU32::new(0);

impl Remains {
    /// Registers a new lab of this process; its namespaces get unique names.
    pub(crate) fn register(lab: &str) -> Arc<Self> {
        let pid = process::id();
        let started = start_time(pid).unwrap_or_default();
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let remains = Arc::new(Self {
            prefix: format!("{PREFIX}{pid}-{started:x}-{number}.{}", tidy(lab)),
            names: Mutex::default(),
        });
        lock(&LIVING).push(Arc::clone(&remains));
        remains
    }

    /// Makes a namespace of this lab, noted for removal.
    pub(crate) fn make(&self, role: &str) -> Result<Netns> {
        let name = self.name(role);
        // Held while it is made: a removal sees either nothing of it or all.
        let mut names = lock(&self.names);
        names.push(name.clone());
        Netns::create(&name)
    }

    /// Removes one namespace now.
    pub(crate) fn remove(&self, name: &str) {
        lock(&self.names).retain(|known| known != name);
        remove_all(&[name.to_owned()]);
    }

    /// Removes everything of this lab; a second call finds nothing to do.
    pub(crate) fn clean(&self) {
        let names: Vec<String> = lock(&self.names).drain(..).collect();
        remove_all(&names);
        lock(&LIVING).retain(|lab| lab.prefix != self.prefix);
    }

    /// A name of this lab's own for something.
    pub(crate) fn name(&self, role: &str) -> String {
        format!("{}.{}", self.prefix, tidy(role))
    }
}

/// Removes every lab of this process for good: whoever is amid making something waits for the process to end.
pub(crate) fn clean_all_before_exit() {
    for remains in lock(&LIVING).iter() {
        let names = lock(&remains.names);
        remove_all(&names);
        mem::forget(names);
    }
}

/// Removes what labs of dead processes left behind.
pub(crate) fn sweep() {
    let is_stale = |name: &str| owner(name).is_some_and(|(pid, started)| start_time(pid) != Some(started));
    cgroup::sweep(is_stale);
    let Ok(entries) = fs::read_dir(RUN_NETNS) else { return };
    let stale: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| is_stale(name))
        .collect();
    if !stale.is_empty() {
        tracing::info!(namespaces = stale.len(), "Removing what a dead lab left behind.");
        remove_all(&stale);
    }
}

/// The process (pid, start time) that a namespace name belongs to, if it is a lab's.
fn owner(name: &str) -> Option<(u32, u64)> {
    let mut parts = name.strip_prefix(PREFIX)?.splitn(3, '-');
    let pid = parts.next()?.parse().ok()?;
    let started = u64::from_str_radix(parts.next()?, 16).ok()?;
    Some((pid, started))
}

/// When a process started, in clock ticks since boot; none when there is no such process.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name may hold spaces and brackets; the fields after its last bracket do not.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

fn remove_all(names: &[String]) {
    let inodes: BTreeSet<(u64, u64)> =
        names.iter().filter_map(|name| identity(&netns::path_of(name).to_string_lossy())).collect();
    if !inodes.is_empty() {
        end_processes(&inodes);
    }
    for name in names {
        netns::remove(name);
    }
}

/// Kills the processes that live in the given namespaces.
fn end_processes(namespaces: &BTreeSet<(u64, u64)>) {
    let Ok(entries) = fs::read_dir("/proc") else { return };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    for pid in pids.filter(|pid| *pid != process::id()) {
        let lives_here =
            identity(&format!("/proc/{pid}/ns/net")).is_some_and(|found| namespaces.contains(&found));
        if lives_here && let Err(err) = kill(Pid::from_raw(pid as i32), Signal::SIGKILL) {
            tracing::debug!(pid, %err, "Process of the lab already gone.");
        }
    }
}

fn identity(path: &str) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn tidy(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' || c == '_' { c } else { '-' }).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_name_tells_its_owner() {
        let pid = process::id();
        let remains = Remains::register("my lab");
        let name = remains.name("pod.shop/web");
        assert_eq!(owner(&name), Some((pid, start_time(pid).unwrap())));
        assert!(name.ends_with(".my-lab.pod.shop-web"), "{name}");
        remains.clean();
        assert_eq!(owner("plab-nonsense"), None);
        assert_eq!(owner("cni-1234"), None);
    }

    #[test]
    fn labs_of_one_process_have_different_names() {
        let (one, two) = (Remains::register("same"), Remains::register("same"));
        assert_ne!(one.name("core"), two.name("core"));
        one.clean();
        two.clean();
    }

    #[test]
    fn no_process_has_no_start_time() {
        assert_eq!(start_time(u32::MAX), None);
    }
}
