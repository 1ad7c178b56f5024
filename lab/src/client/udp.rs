//! One UDP attempt: a datagram, and the wait for its answer.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use socket2::{Protocol, SockAddr, Type};

use crate::attempts::Seen;
use crate::client::{Origin, Sight, judge, local, open};

/// The largest answer that is kept.
const ANSWER: usize = 64 * 1024;

/// Sends `payload` once and waits up to `wait`. Also returns the answer.
pub(crate) fn attempt(
    destination: SocketAddr,
    origin: Origin<'_>,
    payload: &[u8],
    wait: Duration,
) -> (Sight, Vec<u8>) {
    let mut own = None;
    let mut run = || -> io::Result<Vec<u8>> {
        let socket = open(destination, Type::DGRAM, Protocol::UDP, origin)?;
        // A connected socket hears of ICMP errors.
        socket.connect(&SockAddr::from(destination))?;
        own = local(&socket);
        socket.set_read_timeout(Some(wait))?;
        let socket = UdpSocket::from(socket);
        socket.send(payload)?;
        let mut answer = vec![0; ANSWER];
        let count = socket.recv(&mut answer)?;
        answer.truncate(count);
        Ok(answer)
    };
    match run() {
        Ok(answer) => ((own, Seen::Answered { received: answer.len() }), answer),
        Err(err) if err.kind() == io::ErrorKind::WouldBlock => ((own, Seen::Silent), Vec::new()),
        Err(err) => ((own, judge(&err)), Vec::new()),
    }
}
