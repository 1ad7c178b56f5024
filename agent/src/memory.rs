//! Free memory goes back to the system: the C library keeps what a start or a burst needed, which is
//! more than all that an agent needs later.

use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Between two times; each costs a few milliseconds at the most.
const EVERY: Duration = Duration::from_secs(10);

/// Gives free memory back at once, and then now and then until told to stop.
pub(crate) async fn give_back_often(stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        give_back();
    }
}

/// Gives free memory back now.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "a call into the C library")]
pub(crate) fn give_back() {
    // SAFETY: it may be called at any time from any thread, and changes nothing that is in use.
    unsafe { libc::malloc_trim(0) };
}

/// Other C libraries give back by themselves.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn give_back() {}
