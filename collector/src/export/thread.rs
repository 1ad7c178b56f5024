//! The thread of an export: nobody waits for it, and it waits for the disk alone.

use super::{
    exporter::{Counters, ExportConfig, Exporter, Progress, Source},
    folder::ExportError,
    source::LedgerSource,
};
use crate::{clock::Now, ledger::Shelf};
use jiff::Timestamp;
use std::{
    error::Error as _,
    io,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tokio::task::spawn_blocking;
use tracing::{info, warn};

/// How often new flows are looked for.
const PAUSE: Duration = Duration::from_millis(500);

/// How long what was just made is still taken at the end.
const DRAIN: Duration = Duration::from_secs(2);

/// The longest pause after errors is two to this many seconds.
const PATIENCE: u32 = 6;

/// An export that runs until this is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Export {
    /// Dropped, it ends the thread.
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Export {
    /// Starts to export what the shelf shows.
    pub(crate) fn start(shelf: Arc<Shelf>, config: ExportConfig, counters: Counters) -> io::Result<Self> {
        info!(?config, "Export starts.");
        let runner = Runner {
            exporter: Exporter::new(LedgerSource::new(shelf), config, counters.clone()),
            counters,
            started: Instant::now(),
            failed: 0,
        };
        let (stop, stopped) = channel();
        let thread = thread::Builder::new().name("export".to_owned()).spawn(move || runner.run(&stopped))?;
        Ok(Self { stop, thread })
    }

    /// Ends the export when it has given what it has a name.
    pub(crate) async fn stop(self) {
        let Self { stop, thread } = self;
        drop(stop);
        let joined = spawn_blocking(move || thread.join().is_ok()).await;
        if !matches!(joined, Ok(true)) {
            warn!("The thread of the export ended before its time.");
        }
    }
}

/// What the thread owns.
#[derive(Debug)]
struct Runner<S> {
    exporter: Exporter<S>,
    counters: Counters,
    started: Instant,
    /// How many attempts failed in a row.
    failed: u32,
}

impl<S: Source> Runner<S> {
    fn run(mut self, stopped: &Receiver<()>) {
        loop {
            let pause = self.step();
            if !matches!(stopped.recv_timeout(pause), Err(RecvTimeoutError::Timeout)) {
                break;
            }
        }
        self.drain();
    }

    /// Does a step, and says how long to wait before the next.
    fn step(&mut self) -> Duration {
        let now = Now { uptime: self.started.elapsed(), wall: Timestamp::now() };
        match self.exporter.step(now) {
            Ok(progress) => {
                if std::mem::take(&mut self.failed) > 0 {
                    info!("Export goes on.");
                }
                if progress == Progress::Busy { Duration::ZERO } else { PAUSE }
            }
            Err(error) => {
                let pause = pause_after(self.failed);
                self.failed += 1;
                self.report(&error, pause);
                pause
            }
        }
    }

    fn drain(&mut self) {
        let end = Instant::now() + DRAIN;
        while self.step().is_zero() && Instant::now() < end {}
        if let Err(error) = self.exporter.finish() {
            self.report(&error, Duration::ZERO);
        }
    }

    fn report(&self, error: &ExportError, again: Duration) {
        self.counters.failures.inc();
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        warn!(%error, cause, ?again, "Export failed, its flows stay in the ledger.");
    }
}

/// Twice as long after each failure, up to about a minute.
fn pause_after(failed: u32) -> Duration {
    Duration::from_secs(1 << failed.min(PATIENCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_tried_again_ever_later_but_never_given_up() {
        let pauses: Vec<_> = [0, 1, 2, 6, 7, u32::MAX].map(|failed| pause_after(failed).as_secs()).into();
        assert_eq!(pauses, [1, 2, 4, 64, 64, 64]);
    }
}
