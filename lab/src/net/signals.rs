//! SIGINT and SIGTERM: labs are removed before the process ends.
//!
//! One thread for the life of the process owns both signals from the first lab on. Whoever holds an [`EndSignal`]
//! takes the next signal and ends in its own way; otherwise the labs are removed and the process exits with
//! 128 + signal, as a shell expects.

use std::io;
use std::process;
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::net::remains;

#[derive(Debug, Default)]
struct Waiters {
    waiting: usize,
    signals: usize,
}

static WAITERS: Mutex<Waiters> = Mutex::new(Waiters { waiting: 0, signals: 0 });
static WOKEN: Condvar = Condvar::new();

/// Starts the signal thread once.
pub(crate) fn watch() -> io::Result<()> {
    static STARTED: OnceLock<()> = OnceLock::new();
    if STARTED.set(()).is_err() {
        return Ok(());
    }
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    let guard = runtime.enter();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    drop(guard);
    thread::Builder::new().name("lab-signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            loop {
                let code = tokio::select! {
                    _ = interrupt.recv() => 130,
                    _ = terminate.recv() => 143,
                };
                on_signal(code);
            }
        });
    })?;
    Ok(())
}

/// The claim of one who ends the process in order when a signal comes.
#[derive(Debug)]
pub struct EndSignal {
    seen: usize,
}

impl EndSignal {
    /// Signals from now on are the claimant's.
    pub(crate) fn claim() -> Self {
        let mut state = WAITERS.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting += 1;
        Self { seen: state.signals }
    }

    /// Blocks until one comes, or has come since the claim.
    pub fn wait(self) {
        let mut state = WAITERS.lock().unwrap_or_else(PoisonError::into_inner);
        while state.signals == self.seen {
            state = WOKEN.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether one comes within `time`, or has come since the claim.
    pub fn comes_within(&self, time: Duration) -> bool {
        let state = WAITERS.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = WOKEN.wait_timeout_while(state, time, |state| state.signals == self.seen);
        waited.unwrap_or_else(PoisonError::into_inner).0.signals != self.seen
    }
}

impl Drop for EndSignal {
    fn drop(&mut self) {
        WAITERS.lock().unwrap_or_else(PoisonError::into_inner).waiting -= 1;
    }
}

fn on_signal(code: i32) {
    let mut state = WAITERS.lock().unwrap_or_else(PoisonError::into_inner);
    state.signals += 1;
    if state.waiting > 0 {
        WOKEN.notify_all();
        return;
    }
    drop(state);
    remains::clean_all_before_exit();
    process::exit(code);
}
