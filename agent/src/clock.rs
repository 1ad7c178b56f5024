//! The kernel's monotonic time and the time of day.

use crate::event::Nanos;
use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};

/// How far the time of day is ahead of the kernel's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    offset: i128,
}

impl Clock {
    /// Compares the two clocks now.
    pub fn now() -> Self {
        Self { offset: i128::from(realtime()) - i128::from(monotonic()) }
    }

    /// The time of day of a kernel time, in the microseconds that a batch tells: whatever way a record goes, and
    /// whatever is made of it, it says the same.
    pub fn timestamp(&self, at: Nanos) -> Timestamp {
        let micros = (self.offset + i128::from(at)).div_euclid(1000);
        i64::try_from(micros)
            .ok()
            .and_then(|micros| Timestamp::from_microsecond(micros).ok())
            .unwrap_or_default()
    }
}

/// The kernel's monotonic time, as `bpf_ktime_get_ns` gives it.
pub fn monotonic() -> Nanos {
    nanos(ClockId::CLOCK_MONOTONIC)
}

fn realtime() -> Nanos {
    nanos(ClockId::CLOCK_REALTIME)
}

fn nanos(clock: ClockId) -> Nanos {
    let time = clock_gettime(clock).expect("these clocks always exist");
    (time.tv_sec() as u64) * 1_000_000_000 + time.tv_nsec() as u64
}
