//! Opening the store in a process of its own: whether it is the store that ends whoever opens it.
//!
//! Somebody who is killed leaves the same traces as one whom wrong bytes made abort. Only one who watches can tell.

use super::disk::DiskStore;
use std::{
    io,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Command, Stdio},
};

/// What a program is called with, and the store behind it, that is to [`open_store`].
pub const OPEN_STORE: &str = "open-store";

/// Opens a store, and ends. What is wrong with it who runs the collector will find out himself, if he lives to.
pub fn open_store(store: &Path) {
    drop(DiskStore::open(store));
}

/// The signal by which a program ended that was to open a store.
pub(super) fn signal(opener: &Path, store: &Path) -> io::Result<Option<i32>> {
    let mut command = Command::new(opener);
    command.arg(OPEN_STORE).arg(store).stdin(Stdio::null()).stdout(Stdio::null());
    Ok(command.status()?.signal())
}
