//! Processor time of the one thread, so that other programs disturb less.

use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Processor time of this thread so far.
pub(crate) fn thread_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has this clock for every thread").into()
}

/// What the work gave, and the processor time that it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = thread_time();
    let given = work();
    (given, thread_time().saturating_sub(begun))
}
