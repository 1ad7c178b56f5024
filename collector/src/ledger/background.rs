//! A thread beside the collector that ends with whoever began it: the store must be free when they are gone.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

/// A thread, until this is dropped.
#[derive(Debug)]
pub(super) struct Background {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

/// Whether a thread is to end.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Whether it is.
    pub(super) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Background {
    /// Begins work that looks now and then whether it is to stop.
    pub(super) fn begin(name: &str, work: impl FnOnce(&Stop) + Send + 'static) -> io::Result<Self> {
        let stop = Stop::default();
        let asked = stop.clone();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || work(&asked))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop.0.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it had not done is done by the next run.
            thread.join().ok();
        }
    }
}
