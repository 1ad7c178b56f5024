//! Requests to nf_tables and their answers, which the kernel gives at once.

use super::wire::{Attributes, Head, Message, message, messages};
use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use std::io;

/// The subsystem of nf_tables, in messages and in the frame of a batch.
pub(super) const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;

/// Something to be done or told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// `NFT_MSG_…`.
    pub(super) message: u16,
    /// `NLM_F_…`, beside those that every request has.
    pub(super) flags: u16,
    /// `NFPROTO_…`.
    pub(super) family: u8,
    /// What about.
    pub(super) attributes: Attributes,
}

impl Request {
    fn bytes(&self, flags: u16, sequence: u32) -> Vec<u8> {
        let kind = SUBSYSTEM << 8 | self.message;
        let flags = NLM_F_REQUEST | self.flags | flags;
        message(Head { kind, flags, sequence, family: self.family, resource: 0 }, &self.attributes)
    }
}

/// A socket to nf_tables; what it owns there goes with it.
#[derive(Debug)]
pub(super) struct Link {
    socket: Socket,
    sequence: u32,
}

impl Link {
    /// Opens one in the network namespace of this thread.
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Does all of these, or none.
    pub(super) fn transact(&mut self, requests: &[Request]) -> io::Result<()> {
        let frame = |kind, sequence| {
            let head = Head { kind, flags: NLM_F_REQUEST, sequence, family: 0, resource: SUBSYSTEM };
            message(head, &Attributes::new())
        };
        self.sequence += 1;
        let mut bytes = frame(BATCH_BEGIN, self.sequence);
        for request in requests {
            self.sequence += 1;
            bytes.extend(request.bytes(NLM_F_ACK, self.sequence));
        }
        self.sequence += 1;
        bytes.extend(frame(BATCH_END, self.sequence));
        self.socket.send(&bytes, 0)?;
        let mut done = 0;
        while done < requests.len() {
            for answer in messages(&self.receive()?) {
                failure(&answer)?;
                done += usize::from(answer.error.is_some());
            }
        }
        Ok(())
    }

    /// Asks for one thing, and gives the attributes of the answer.
    pub(super) fn ask(&mut self, request: &Request) -> io::Result<Vec<u8>> {
        self.sequence += 1;
        self.socket.send(&request.bytes(0, self.sequence), 0)?;
        let bytes = self.receive()?;
        let Some(answer) = messages(&bytes).next() else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        failure(&answer)?;
        Ok(answer.attributes.to_vec())
    }

    /// Answers are there when the request has been sent.
    fn receive(&self) -> io::Result<Vec<u8>> {
        receive(&self.socket)
    }
}

/// What lies ready at a socket, at most one datagram.
pub(super) fn receive(socket: &Socket) -> io::Result<Vec<u8>> {
    /// No message of nf_tables is longer.
    const LONGEST: usize = 65_536;
    let mut bytes = Vec::with_capacity(LONGEST);
    socket.recv(&mut bytes, libc::MSG_DONTWAIT)?;
    Ok(bytes)
}

fn failure(answer: &Message<'_>) -> io::Result<()> {
    match answer.error {
        Some(code) if code != 0 => Err(io::Error::from_raw_os_error(code)),
        _ => Ok(()),
    }
}
