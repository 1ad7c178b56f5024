//! The way from a thread that reads to who asked: it waits until they take what there is, but not for ever.

use std::{ops::ControlFlow, time::Duration};
use tokio::{
    runtime::Handle,
    sync::mpsc::{self, OwnedPermit, Receiver, Sender, error::TrySendError},
    time::timeout,
};
use tonic::Status;

/// Where a blocking thread puts its answers.
#[derive(Debug)]
pub(super) struct Outlet<T> {
    answers: Sender<Result<T, Status>>,
    /// There is always room for it.
    last_word: Option<OwnedPermit<Result<T, Status>>>,
    stall: Duration,
    /// What may be done by who took nothing for so long.
    mend: &'static str,
    runtime: Handle,
}

impl<T> Outlet<T> {
    /// One that holds so many answers ahead, and waits so long at the most until one is taken. To be called on the
    /// runtime.
    pub(super) fn new(
        ahead: usize,
        stall: Duration,
        mend: &'static str,
    ) -> Result<(Self, Receiver<Result<T, Status>>), Status> {
        let (answers, taken) = mpsc::channel(ahead + 1);
        let last_word = answers.clone().try_reserve_owned();
        let last_word = Some(last_word.map_err(|_| Status::internal("no room at once"))?);
        Ok((Self { answers, last_word, stall, mend, runtime: Handle::current() }, taken))
    }

    /// Gives an answer. Breaks when who asked is gone, or took none for too long, which is the last that they hear.
    pub(super) fn give(&mut self, answer: T) -> ControlFlow<()> {
        let answer = match self.answers.try_send(Ok(answer)) {
            Ok(()) => return ControlFlow::Continue(()),
            Err(TrySendError::Closed(_)) => return ControlFlow::Break(()),
            Err(TrySendError::Full(answer)) => answer,
        };
        match self.runtime.block_on(timeout(self.stall, self.answers.send(answer))) {
            Ok(Ok(())) => ControlFlow::Continue(()),
            Ok(Err(_)) => ControlFlow::Break(()),
            Err(_) => {
                self.end(self.stalled());
                ControlFlow::Break(())
            }
        }
    }

    /// Says why there are no more answers.
    pub(super) fn end(&mut self, why: Status) {
        if let Some(room) = self.last_word.take() {
            room.send(Err(why));
        }
    }

    fn stalled(&self) -> Status {
        let (seconds, mend) = (self.stall.as_secs(), self.mend);
        Status::deadline_exceeded(format!("nothing was taken for {seconds} s; {mend}"))
    }
}
