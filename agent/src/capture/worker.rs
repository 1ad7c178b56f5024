//! The capture thread: drains the ring on a timer, closes attempts, passes them on.

use super::{
    handover::{Captured, Giver},
    ledger::Ledger,
    losses::{KERNEL_LOSSES, LossCause},
    reader::Reader,
};
use crate::{
    clock::monotonic,
    connections::{Attempt, Connections},
    metrics::Metrics,
};
use portolan_ebpf_types::lost;
use std::{
    sync::{Arc, mpsc::Receiver},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// How often the ring is drained: the reader is never woken per event.
const DRAIN_EVERY: Duration = Duration::from_millis(20);

/// The capture thread's belongings.
pub struct Worker {
    reader: Reader,
    connections: Connections,
    /// Devices that are gone.
    gone: Receiver<u32>,
    out: Giver,
    ledger: Ledger,
    metrics: Arc<Metrics>,
    /// What was lost in the kernel, as far as it was counted here.
    counted: [u64; lost::COUNT as usize],
}

impl Worker {
    /// A worker that has not begun.
    pub fn new(
        reader: Reader,
        connections: Connections,
        gone: Receiver<u32>,
        out: Giver,
        ledger: Ledger,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let metrics = Arc::clone(metrics);
        Self { reader, connections, gone, out, ledger, metrics, counted: Default::default() }
    }

    /// Captures until told to stop; then reports what is still open.
    pub fn run(mut self, stop: &CancellationToken) {
        let mut next = Instant::now();
        while !stop.is_cancelled() {
            self.round();
            next = (next + DRAIN_EVERY).max(Instant::now());
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        self.end();
    }

    /// Tells all that is left. It may wait for room: nothing comes after it.
    fn end(mut self) {
        let mut over = self.drain();
        self.connections.flush(&mut self.reader, &mut over);
        self.count_losses();
        self.out.finish(over, self.ledger.take().into_iter().map(Captured::Lost));
    }

    fn round(&mut self) {
        let gone: Vec<u32> = self.gone.try_iter().collect();
        let mut over = self.drain();
        for ifindex in gone {
            self.connections.device_gone(ifindex, &mut self.reader, &mut over);
        }
        self.connections.tick(monotonic(), &mut self.reader, &mut over);
        self.metrics.open_attempts.set(self.connections.len() as i64);
        self.send(over);
        self.count_losses();
        self.ledger.tell(|lost| self.out.tell(Captured::Lost(lost)));
    }

    fn drain(&mut self) -> Vec<Attempt> {
        let mut over = Vec::new();
        let mut events = 0;
        let unknown = self.reader.drain(|event| {
            events += 1;
            self.connections.on_event(&event, &mut over);
        });
        self.metrics.events.inc_by(events);
        self.metrics.unknown_events.inc_by(unknown);
        self.ledger.lose(LossCause::UnknownRecord, unknown);
        over
    }

    fn send(&mut self, over: Vec<Attempt>) {
        let refused = self.out.give(over);
        self.ledger.lose(LossCause::AttemptQueue, refused);
    }

    /// Adds up what was lost since the last time.
    fn count_losses(&mut self) {
        let lost = self.reader.lost();
        for (index, cause) in KERNEL_LOSSES.into_iter().enumerate() {
            self.ledger.look(cause, lost[index].saturating_sub(self.counted[index]));
            self.counted[index] = lost[index];
        }
        self.ledger.look(LossCause::AttemptTable, self.connections.take_evicted());
    }
}
