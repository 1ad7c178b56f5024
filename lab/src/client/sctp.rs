//! One SCTP attempt over a raw socket: an INIT, and the wait for what comes back.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use socket2::{SockAddr, Socket, Type};

use crate::attempts::Seen;
use crate::client::{Origin, Sight, judge, local, open};
use crate::sctp::{self, Chunk, Packet};

/// Ports of clients, away from those that the kernel gives out for other protocols.
const FIRST_PORT: u16 = 10_000;
const PORTS: u16 = 20_000;

/// Sends one INIT and waits up to `wait`.
pub(crate) fn attempt(destination: SocketAddr, origin: Origin<'_>, wait: Duration) -> Sight {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let port = FIRST_PORT + NEXT.fetch_add(1, Ordering::Relaxed) % PORTS;
    let mut own = None;
    let mut run = || -> io::Result<Seen> {
        let remote = SocketAddr::new(destination.ip(), 0);
        let mut socket = open(remote, Type::RAW, sctp::PROTOCOL.into(), origin)?;
        // A connected socket takes packets of its peer only, and hears of ICMP errors.
        socket.connect(&SockAddr::from(remote))?;
        own = local(&socket).map(|own| SocketAddr::new(own.ip(), port));
        let init = Packet {
            source: port,
            destination: destination.port(),
            verification: 0,
            tag: u32::from(port) + 1,
            chunk: Chunk::Init,
        };
        socket.write_all(&init.to_bytes())?;
        answer(&mut socket, destination.is_ipv4(), port, wait)
    };
    let seen = run().unwrap_or_else(|err| judge(&err));
    (own, seen)
}

fn answer(socket: &mut Socket, v4: bool, port: u16, wait: Duration) -> io::Result<Seen> {
    let deadline = Instant::now() + wait;
    let mut buffer = [0; sctp::LARGEST];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Seen::Silent);
        }
        socket.set_read_timeout(Some(left))?;
        let count = match socket.read(&mut buffer) {
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => return Ok(Seen::Silent),
            read => read?,
        };
        let packet = Packet::from_bytes(sctp::payload(&buffer[..count], v4));
        match packet.filter(|packet| packet.destination == port).map(|packet| packet.chunk) {
            Some(Chunk::InitAck) => return Ok(Seen::Answered { received: count }),
            Some(Chunk::Abort) => return Ok(Seen::Refused),
            Some(Chunk::Init) | None => {}
        }
    }
}
