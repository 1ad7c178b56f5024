//! Waiting for many sockets at once.

use std::io;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// How long a wait lasts when nothing happens, in milliseconds: as often the end of the run is noticed.
const PATIENCE: u16 = 20;

/// Sockets by number, each told once per change.
pub(super) struct Ready {
    epoll: Epoll,
    events: [EpollEvent; 64],
}

impl Ready {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Self { epoll, events: [EpollEvent::empty(); 64] })
    }

    /// Watches a socket until it is closed.
    pub(super) fn watch(&self, socket: impl AsFd, number: usize) -> io::Result<()> {
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
        Ok(self.epoll.add(socket, EpollEvent::new(flags, number as u64))?)
    }

    /// The numbers of the sockets that changed, and whether their peer has finished; none when nothing changed for a
    /// while.
    pub(super) fn wait(&mut self) -> io::Result<impl Iterator<Item = (usize, bool)> + use<>> {
        const FINISHED: EpollFlags =
            EpollFlags::EPOLLRDHUP.union(EpollFlags::EPOLLHUP).union(EpollFlags::EPOLLERR);
        let count = match self.epoll.wait(&mut self.events, EpollTimeout::from(PATIENCE)) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(err) => return Err(err.into()),
        };
        let told = self.events.map(|event| (event.data() as usize, event.events().intersects(FINISHED)));
        Ok(told.into_iter().take(count))
    }
}
