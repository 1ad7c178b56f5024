//! From the capture thread to attribution: attempts by the round, bounded by their number.

use super::losses::Lost;
use crate::connections::Attempt;
use std::sync::Arc;
use tokio::sync::{
    Semaphore,
    mpsc::{self, Receiver, Sender, error::TrySendError},
};

/// What the capture thread tells.
#[derive(Debug)]
pub enum Captured {
    /// Attempts that are over.
    Attempts(Vec<Attempt>),
    /// Something could not be kept.
    Lost(Lost),
}

/// Messages that wait: what finds no room among them goes with the next.
const MESSAGES: usize = 64;

/// A queue that holds this many attempts at the most.
pub fn handover(bound: usize) -> (Giver, Taker) {
    let (out, queue) = mpsc::channel(MESSAGES);
    let room = Arc::new(Semaphore::new(bound));
    (Giver { out, room: Arc::clone(&room), held: Vec::new() }, Taker { queue, room })
}

/// The capture thread's end.
#[derive(Debug)]
pub struct Giver {
    out: Sender<Captured>,
    /// A permit for each attempt that may still wait.
    room: Arc<Semaphore>,
    /// Attempts that have their permit and no message yet.
    held: Vec<Attempt>,
}

impl Giver {
    /// Gives attempts over, and returns how many found no room.
    pub fn give(&mut self, mut attempts: Vec<Attempt>) -> u64 {
        let fit = attempts.len().min(self.room.available_permits());
        let refused = attempts.len() - self.room.forget_permits(fit);
        attempts.truncate(fit);
        if self.held.is_empty() {
            self.held = attempts;
        } else {
            self.held.append(&mut attempts);
        }
        self.pass_on();
        refused as u64
    }

    fn pass_on(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let message = Captured::Attempts(std::mem::take(&mut self.held));
        if let Err(TrySendError::Full(Captured::Attempts(back))) = self.out.try_send(message) {
            self.held = back;
        }
    }

    /// Tells of a loss, unless there is no room for it now.
    pub fn tell(&self, loss: Captured) -> bool {
        self.out.try_send(loss).is_ok()
    }

    /// Passes on the last losses and attempts, which may wait for room: nothing comes after them. Losses go
    /// first: lines carry them in the next flow.
    pub fn finish(mut self, attempts: Vec<Attempt>, losses: impl Iterator<Item = Captured>) {
        let held = std::mem::take(&mut self.held);
        let last = [held, attempts].into_iter().filter(|attempts| !attempts.is_empty());
        for message in losses.chain(last.map(Captured::Attempts)) {
            if self.out.blocking_send(message).is_err() {
                return;
            }
        }
    }
}

/// Attribution's end.
#[derive(Debug)]
pub struct Taker {
    queue: Receiver<Captured>,
    room: Arc<Semaphore>,
}

impl Taker {
    /// What was captured next; `None` when nothing more comes.
    pub async fn take(&mut self) -> Option<Captured> {
        let captured = self.queue.recv().await;
        if let Some(Captured::Attempts(attempts)) = &captured {
            self.room.add_permits(attempts.len());
        }
        captured
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::LossCause;
    use crate::connections::tests::{
        scene::{CLIENT, Scene},
        talk::tcp,
    };

    fn attempts(count: usize) -> Vec<Attempt> {
        let attempt = Scene::new().sees([tcp("10.0.0.2:1", "10.0.0.3:2").syn(1).left(CLIENT)]).flush().only();
        vec![attempt; count]
    }

    fn taken(taker: &mut Taker) -> usize {
        let mut count = 0;
        while let Ok(captured) = taker.queue.try_recv() {
            let Captured::Attempts(attempts) = captured else { continue };
            taker.room.add_permits(attempts.len());
            count += attempts.len();
        }
        count
    }

    #[test]
    fn as_many_attempts_wait_as_there_is_room_for_and_the_rest_is_counted() {
        let (mut giver, mut taker) = handover(10);
        assert_eq!((giver.give(attempts(4)), giver.give(attempts(4))), (0, 0));
        assert_eq!(giver.give(attempts(4)), 2);
        assert_eq!(giver.give(attempts(4)), 4);
        assert_eq!(taken(&mut taker), 10);
        assert_eq!(giver.give(attempts(11)), 1, "there is room again");
        assert_eq!(taken(&mut taker), 10);
    }

    #[test]
    fn rounds_without_end_are_no_messages_without_end_and_lose_nothing() {
        let (mut giver, mut taker) = handover(1000);
        for _ in 0..MESSAGES + 100 {
            assert_eq!(giver.give(attempts(1)), 0);
        }
        assert_eq!(taken(&mut taker), MESSAGES);
        assert_eq!(giver.give(Vec::new()), 0, "a round without attempts passes on what waits");
        assert_eq!(taken(&mut taker), 100);
    }

    #[test]
    fn what_is_last_comes_whole() {
        let (giver, mut taker) = handover(1);
        let loss = Captured::Lost(Lost { cause: LossCause::Ring, count: 1, from: 1, to: 2 });
        giver.finish(attempts(5), std::iter::once(loss));
        assert!(matches!(taker.queue.try_recv(), Ok(Captured::Lost(_))));
        assert_eq!(taken(&mut taker), 5);
        assert!(taker.queue.try_recv().is_err(), "and nothing after it");
    }
}
