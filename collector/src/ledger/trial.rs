//! Opening the store in a process of its own: whether it is the store that ends whoever opens it.
//!
//! Somebody who is killed leaves the same traces as one whom wrong bytes made abort. Only one who watches can tell.

use super::disk::DiskStore;
use nix::sys::signal::Signal;
use std::{
    io,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// What a program is called with, and the store behind it, that is to [`open_store`].
pub const OPEN_STORE: &str = "open-store";

/// How long a store may take to be opened.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often it is looked whether it was.
const LOOK: Duration = Duration::from_millis(10);

/// The signals by which a process ends itself or breaks off. By all others somebody else ends it.
const OF_ITS_OWN: [Signal; 5] =
    [Signal::SIGILL, Signal::SIGABRT, Signal::SIGBUS, Signal::SIGFPE, Signal::SIGSEGV];

/// Opens a store, and ends. What is wrong with it who runs the collector will find out himself, if he lives to.
pub fn open_store(store: &Path) {
    drop(DiskStore::open(store));
}

/// The signal by which a program that was to open a store ended of itself.
pub(super) fn signal(opener: &Path, store: &Path) -> io::Result<Option<i32>> {
    let mut command = Command::new(opener);
    command.arg(OPEN_STORE).arg(store).stdin(Stdio::null()).stdout(Stdio::null());
    let status = wait(&mut command.spawn()?)?;
    Ok(status.signal().filter(|signal| OF_ITS_OWN.iter().any(|own| *own as i32 == *signal)))
}

/// Waits for a process to end, and ends it if it does not.
fn wait(child: &mut Child) -> io::Result<ExitStatus> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        thread::sleep(LOOK);
    }
    child.kill()?;
    child.wait()
}
