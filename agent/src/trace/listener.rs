//! The socket that the kernel tells the steps of traced packets on.

use super::link::receive;
use netlink_sys::{Socket, protocols::NETLINK_NETFILTER};
use nix::sys::socket::{
    getsockopt, setsockopt,
    sockopt::{GetStruct, RcvBufForce},
};
use std::io;
use tokio::io::unix::AsyncFd;

/// `NFNLGRP_NFTRACE`.
const GROUP: u32 = 9;
/// A step costs the kernel about two kilobytes, and a packet takes some ten to some hundred of them.
const ROOM: usize = 4 << 20;

/// The kernel's account of a socket's memory; its last word is the messages that found no room.
#[derive(Clone, Copy, Debug)]
struct Memory;

nix::getsockopt_impl!(Memory, libc::SOL_SOCKET, libc::SO_MEMINFO, [u32; 9], GetStruct<[u32; 9]>);

/// Listens in the network namespace that it was opened in.
#[derive(Debug)]
pub(super) struct Listener {
    socket: AsyncFd<Socket>,
    /// Messages that found no room, as far as they were told.
    told: u32,
}

impl Listener {
    /// Joins the group; packets are traced only if a rule says so.
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        socket.set_non_blocking(true)?;
        setsockopt(&socket, RcvBufForce, &ROOM)?;
        socket.add_membership(GROUP)?;
        // SAFETY: the socket owns its descriptor, never changes it, and closes it when it is dropped.
        #[expect(unsafe_code, reason = "the registration rests on how the socket keeps its descriptor")]
        let socket = unsafe { AsyncFd::register(socket) }?;
        Ok(Self { socket, told: 0 })
    }

    /// Waits until there may be something.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await.map(|mut ready| ready.clear_ready())
    }

    /// The next messages; nothing when there are none, an error where some were lost.
    pub(super) fn receive(&mut self) -> io::Result<Option<Vec<u8>>> {
        match receive(self.socket.get_ref()) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => Err(error),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.receive(),
            Err(_) => Ok(None),
        }
    }

    /// Messages that found no room since this was last asked, by the kernel's count.
    pub(super) fn take_lost(&mut self) -> u64 {
        let lost = getsockopt(&self.socket, Memory).map_or(self.told, |[.., dropped]| dropped);
        u64::from(lost.wrapping_sub(std::mem::replace(&mut self.told, lost)))
    }
}
