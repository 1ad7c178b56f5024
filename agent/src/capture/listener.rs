//! The kernel's word on interfaces, addresses and routes, as it comes.
//!
//! Nothing waits here but in the kernel's own buffer, which is made large: memory is bounded, and
//! what does not fit the kernel counts as an overrun and says so.

use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};
use rtnetlink::{
    MulticastGroup,
    packet_core::{NetlinkMessage, NetlinkPayload},
    packet_route::RouteNetlinkMessage,
    sys::{Socket, protocols::NETLINK_ROUTE},
};
use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
};
use tokio::io::{Interest, unix::AsyncFd};
use tracing::debug;

/// Some ten thousand changes of interfaces. Only what waits costs memory.
const BUFFER: usize = 32 << 20;

const GROUPS: [MulticastGroup; 5] = [
    MulticastGroup::Link,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
];

/// What was heard.
#[derive(Debug)]
pub(super) enum Heard {
    /// A change.
    Change(RouteNetlinkMessage),
    /// There was more than the buffer holds: what is known may be wrong.
    Overrun,
}

/// A socket that hears of every change in the network namespace that it was opened in.
pub(super) struct Listener {
    socket: AsyncFd<Listening>,
    heard: VecDeque<Heard>,
}

/// The socket, as tokio wants it.
struct Listening(Socket);

impl AsRawFd for Listening {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl AsFd for Listening {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Listener {
    /// Opens the socket; what changes from now on will be heard.
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.set_non_blocking(true)?;
        if let Err(error) = setsockopt(&socket, RcvBufForce, &BUFFER) {
            debug!(%error, "The buffer for changes of interfaces stays small.");
        }
        socket.bind_auto()?;
        for group in GROUPS {
            socket.add_membership(group as u32)?;
        }
        Ok(Self { socket: register(socket)?, heard: VecDeque::new() })
    }

    /// Waits for the next word. Nothing is lost when the wait is given up.
    pub(super) async fn next(&mut self) -> io::Result<Heard> {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return Ok(heard);
            }
            let mut ready = self.socket.readable().await?;
            match ready.try_io(|listening| listening.get_ref().0.recv_from_full()) {
                Ok(Ok((datagram, _))) => self.heard.extend(changes(&datagram)),
                Ok(Err(error)) if error.raw_os_error() == Some(libc::ENOBUFS) => return Ok(Heard::Overrun),
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => {}
            }
        }
    }
}

#[expect(unsafe_code, reason = "tokio cannot see that a socket keeps its descriptor")]
fn register(socket: Socket) -> io::Result<AsyncFd<Listening>> {
    // SAFETY: the socket owns its descriptor, and it is neither closed nor exchanged while it lives.
    Ok(unsafe { AsyncFd::register_with_interest(Listening(socket), Interest::READABLE) }?)
}

/// The messages of a datagram; one that cannot be understood costs only itself.
fn changes(mut datagram: &[u8]) -> Vec<Heard> {
    let mut found = Vec::new();
    while let Some(length) = message_length(datagram) {
        match NetlinkMessage::<RouteNetlinkMessage>::deserialize(&datagram[..length]) {
            Ok(message) => match message.payload {
                NetlinkPayload::InnerMessage(change) => found.push(Heard::Change(change)),
                NetlinkPayload::Overrun(_) => found.push(Heard::Overrun),
                _ => {}
            },
            Err(error) => debug!(%error, "A change of an interface cannot be understood."),
        }
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// How long the first message says it is, if that can be.
fn message_length(datagram: &[u8]) -> Option<usize> {
    const HEADER: usize = 16;
    let length = u32::from_ne_bytes(*datagram.first_chunk()?) as usize;
    (HEADER..=datagram.len()).contains(&length).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtnetlink::packet_route::link::LinkMessage;

    fn message(index: u32) -> Vec<u8> {
        let mut link = LinkMessage::default();
        link.header.index = index;
        let mut message = NetlinkMessage::from(RouteNetlinkMessage::NewLink(link));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }

    fn indexes(datagram: &[u8]) -> Vec<u32> {
        let index = |heard| match heard {
            Heard::Change(RouteNetlinkMessage::NewLink(link)) => link.header.index,
            other => panic!("{other:?}"),
        };
        changes(datagram).into_iter().map(index).collect()
    }

    #[test]
    fn all_messages_of_a_datagram_are_heard() {
        let datagram = [message(3), message(4), message(5)].concat();
        assert_eq!(indexes(&datagram), [3, 4, 5]);
    }

    #[test]
    fn a_message_that_is_cut_off_or_garbage_costs_only_itself() {
        let mut datagram = [message(3), message(4), message(5)].concat();
        // Attributes that do not fit into their message.
        let second = message(3).len();
        datagram.splice(second.., [message(4), vec![0xff; 8], message(5)].concat());
        let length = (message(4).len() + 8) as u32;
        datagram[second..second + 4].copy_from_slice(&length.to_ne_bytes());
        assert_eq!(indexes(&datagram), [3, 5]);
        for cut in 0..datagram.len() {
            assert!(indexes(&datagram[..cut]).len() <= 2);
        }
        assert!(changes(&[0; 64]).is_empty(), "a length of nothing ends it");
    }
}
