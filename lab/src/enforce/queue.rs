//! A program in user space that is asked for a verdict on every packet of a queue, and says: drop.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nfq::{Queue, Verdict};

use crate::error::{LabError, Result};
use crate::net::netns::Netns;

/// How long a packet may wait to be looked at.
const PAUSE: Duration = Duration::from_millis(1);

/// The program; it ends with its guard, and its queue has no listener then.
#[derive(Debug)]
pub(crate) struct Listener {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Listens on a queue of a namespace.
    pub(crate) fn start(place: &Netns, number: u16) -> Result<Self> {
        let fault =
            |err| LabError::socket(format!("listen on packet queue {number} in {}", place.name()), err);
        let queue = place.run(|| open(number))?.map_err(fault)?;
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let thread =
            thread::Builder::new().name("lab-queue".to_owned()).spawn(move || refuse(queue, &stopped));
        Ok(Self { stop, thread: Some(thread.map_err(fault)?) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::warn!("Listener of a packet queue panicked.");
        }
    }
}

fn open(number: u16) -> io::Result<Queue> {
    let mut queue = Queue::open()?;
    queue.bind(number)?;
    queue.set_nonblocking(true);
    Ok(queue)
}

fn refuse(mut queue: Queue, stopped: &AtomicBool) {
    while !stopped.load(Ordering::Relaxed) {
        match queue.recv() {
            Ok(mut packet) => {
                packet.set_verdict(Verdict::Drop);
                if let Err(err) = queue.verdict(packet) {
                    tracing::warn!(%err, "Verdict on a queued packet not taken.");
                }
            }
            // Nothing there, or a full socket: the next look tells.
            Err(_) => thread::sleep(PAUSE),
        }
    }
}
