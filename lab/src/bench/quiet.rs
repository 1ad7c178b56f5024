//! Quiet moments: when other programs leave the processors alone.

use std::thread;
use std::time::{Duration, Instant};

use super::BenchError;
use super::cpu::Usage;

/// How long the processors are watched before a round.
const LOOK: Duration = Duration::from_millis(200);

/// The part of them that others may use then.
const BUSY: f64 = 0.05;

/// Waits for other programs to leave the processors alone, as long as there is patience.
pub fn wait(patience: Duration) -> Result<(), BenchError> {
    let deadline = Instant::now() + patience;
    loop {
        let before = Usage::read()?;
        thread::sleep(LOOK);
        let usage = Usage::read()?.since(&before);
        if usage.share(usage.others) < BUSY || Instant::now() > deadline {
            return Ok(());
        }
    }
}
