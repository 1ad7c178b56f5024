//! Brings batches that have not been acknowledged at once from the page cache to the disk, beside the way that
//! they take: a killed agent loses none without it, a node without power a second or two with it.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    time::{Duration, Instant},
};
use tracing::debug;

/// Files have this long to be acknowledged and gone before they cost the disk anything.
const PERIOD: Duration = Duration::from_secs(1);
/// Files of one period; the kernel itself brings the rest to the disk, within half a minute.
const MOST: usize = 4096;

/// The way to the thread; it ends with it.
#[derive(Debug)]
pub(super) struct Syncer(SyncSender<PathBuf>);

impl Syncer {
    pub(super) fn start(folder: &Path) -> io::Result<Self> {
        let folder = File::open(folder)?;
        let (files, queue) = sync_channel(MOST);
        std::thread::Builder::new().name("spool-sync".to_owned()).spawn(move || run(&folder, &queue))?;
        Ok(Self(files))
    }

    /// The file was written.
    pub(super) fn push(&self, path: PathBuf) {
        // Full: the kernel does it.
        self.0.try_send(path).ok();
    }
}

fn run(folder: &File, queue: &Receiver<PathBuf>) {
    let mut old = Vec::new();
    while let Some(young) = take_for(PERIOD, queue) {
        sync(folder, &std::mem::replace(&mut old, young));
    }
}

/// What comes in a period; none when no more will come.
fn take_for(period: Duration, queue: &Receiver<PathBuf>) -> Option<Vec<PathBuf>> {
    let end = Instant::now() + period;
    let mut files = Vec::new();
    loop {
        match queue.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(file) if files.len() < MOST => files.push(file),
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => return Some(files),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

/// Those that are still there: most are acknowledged and gone.
fn sync(folder: &File, files: &[PathBuf]) {
    let still = files.iter().filter_map(|path| File::open(path).ok());
    let done: Vec<io::Result<()>> = still.map(|file| file.sync_data()).collect();
    if done.is_empty() {
        return;
    }
    for error in done.into_iter().chain([folder.sync_data()]).filter_map(Result::err) {
        debug!(%error, "A batch in the spool may not have reached the disk.");
    }
}
