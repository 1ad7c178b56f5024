//! A server of SCTP over raw sockets, for kernels without the protocol.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use socket2::{Domain, Socket, Type};
use tokio::runtime::Handle;

use super::{Server, answering, own_address};
use crate::client::Origin;
use crate::sctp::{self, Chunk, Packet};

/// What a server does with an INIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SctpAnswer {
    /// It agrees.
    InitAck,
    /// It refuses.
    Abort,
    /// It says nothing.
    Silence,
}

/// A socket for each family. While they are open, the kernel does not answer that nobody speaks the protocol.
pub(crate) fn listen(origin: Origin<'_>) -> io::Result<[Socket; 2]> {
    let open = |domain| -> io::Result<Socket> {
        let socket = origin.socket(domain, Type::RAW, sctp::PROTOCOL.into())?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    Ok([open(Domain::IPV4)?, open(Domain::IPV6)?])
}

/// Meets what is sent to `port`.
pub(crate) fn serve(
    runtime: &Handle,
    sockets: [Socket; 2],
    port: u16,
    answer: SctpAnswer,
) -> io::Result<Server> {
    let mut address = own_address(&sockets[1])?;
    address.set_port(port);
    let served = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for (socket, v4) in sockets.into_iter().zip([true, false]) {
        let respond = move |read: &[u8]| respond(sctp::payload(read, v4), port, answer);
        tasks.push(answering(runtime, socket, Arc::new(respond), Arc::clone(&served))?);
    }
    Ok(Server { tasks, _listener: None, address, served })
}

fn respond(packet: &[u8], port: u16, answer: SctpAnswer) -> Option<Vec<u8>> {
    let init = Packet::from_bytes(packet)?;
    if init.destination != port || init.chunk != Chunk::Init {
        return None;
    }
    let chunk = match answer {
        SctpAnswer::InitAck => Chunk::InitAck,
        SctpAnswer::Abort => Chunk::Abort,
        SctpAnswer::Silence => return None,
    };
    let (source, destination) = (init.destination, init.source);
    Some(Packet { source, destination, verification: init.tag, tag: init.tag + 1, chunk }.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_goes_back_under_the_tag_that_was_asked_for() {
        let init = Packet { source: 9, destination: 7, verification: 0, tag: 5, chunk: Chunk::Init };
        let answer = Packet::from_bytes(&respond(&init.to_bytes(), 7, SctpAnswer::InitAck).unwrap()).unwrap();
        assert_eq!((answer.source, answer.destination, answer.verification), (7, 9, 5));
        assert_eq!(respond(&init.to_bytes(), 8, SctpAnswer::InitAck), None, "another server's");
        assert_eq!(respond(&init.to_bytes(), 7, SctpAnswer::Silence), None);
    }
}
