//! Echo requests over the kernel's ping sockets.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use socket2::{Protocol, SockAddr, Socket, Type};

use crate::attempts::Seen;
use crate::client::{Origin, Sight, judge, local, open};

const ECHO_REQUEST_V4: u8 = 8;
const ECHO_REQUEST_V6: u8 = 128;
const PAYLOAD: &[u8] = b"portolan lab ping";
const HEADER: usize = 8;

/// Sends `count` requests with one identifier, each waiting up to `wait`. Answered when any was.
pub(crate) fn attempt(destination: IpAddr, origin: Origin<'_>, count: u16, wait: Duration) -> Sight {
    let mut own = None;
    let mut run = || -> io::Result<usize> {
        let protocol = if destination.is_ipv4() { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
        let destination = SocketAddr::new(destination, 0);
        let mut socket = open(destination, Type::DGRAM, protocol, origin)?;
        socket.connect(&SockAddr::from(destination))?;
        // The identifier comes with the first request, unless that is refused on the spot.
        own = local(&socket);
        let mut received = 0;
        for sequence in 1..=count {
            socket.write_all(&request(destination.is_ipv4(), sequence))?;
            own = local(&socket);
            received += answer(&mut socket, sequence, wait)?;
        }
        Ok(received)
    };
    match run() {
        Ok(0) => (own, Seen::Silent),
        Ok(received) => (own, Seen::Answered { received }),
        Err(err) => (own, judge(&err)),
    }
}

/// An echo request; identifier and checksum are the kernel's.
fn request(v4: bool, sequence: u16) -> Vec<u8> {
    let mut packet = vec![if v4 { ECHO_REQUEST_V4 } else { ECHO_REQUEST_V6 }, 0, 0, 0, 0, 0];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(PAYLOAD);
    packet
}

/// Bytes of the answer to `sequence`, 0 when it does not come; answers to earlier ones are passed over.
fn answer(socket: &mut Socket, sequence: u16, wait: Duration) -> io::Result<usize> {
    let deadline = Instant::now() + wait;
    let mut packet = [0; 1500];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(0);
        }
        socket.set_read_timeout(Some(left))?;
        match socket.read(&mut packet) {
            Ok(count) if count >= HEADER && packet[6..HEADER] == sequence.to_be_bytes() => return Ok(count),
            Ok(_) => {}
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(err) => return Err(err),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_carries_its_sequence() {
        assert_eq!(request(true, 0x0102)[..HEADER], [8, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(request(false, 3)[0], 128);
    }
}
