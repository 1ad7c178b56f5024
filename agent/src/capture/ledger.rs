//! The one place where the threads of capture note what they lost: counted at once, told in time.

use super::losses::{LossCause, Losses, Lost};
use crate::{
    clock::monotonic,
    metrics::{Cause, Metrics},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shared by those who lose and the one who tells.
#[derive(Clone, Debug)]
pub struct Ledger {
    losses: Arc<Mutex<Losses>>,
    metrics: Arc<Metrics>,
}

impl Ledger {
    /// Nothing lost yet.
    pub fn new(metrics: &Arc<Metrics>) -> Self {
        let losses = Arc::new(Mutex::new(Losses::new(monotonic())));
        Self { losses, metrics: Arc::clone(metrics) }
    }

    /// Notes what was lost since the last look at this cause.
    pub(crate) fn look(&self, cause: LossCause, count: u64) {
        self.count(cause, count);
        self.losses().look(cause, count, monotonic());
    }

    /// Notes what was lost right now.
    pub(super) fn lose(&self, cause: LossCause, count: u64) {
        if count > 0 {
            self.count(cause, count);
            self.losses().lose(cause, count, monotonic());
        }
    }

    /// Tells what is due to be told; what `tell` does not take stays.
    pub(super) fn tell(&self, tell: impl FnMut(Lost) -> bool) {
        self.losses().tell(monotonic(), tell);
    }

    /// Takes all that is left, for the end.
    pub(crate) fn take(&self) -> Vec<Lost> {
        self.losses().take().collect()
    }

    fn count(&self, cause: LossCause, count: u64) {
        if count > 0 {
            self.metrics.lost.get_or_create(&Cause { cause: cause.as_str() }).inc_by(count);
        }
    }

    fn losses(&self) -> MutexGuard<'_, Losses> {
        self.losses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
