//! Datagrams as fast as one thread can send them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::{MESSAGE, Tally};

/// So many datagrams between two looks at the clock.
const BURST: u64 = 64;

/// Sends for `length`, all from one port: one conversation.
pub(super) fn run(peer: SocketAddr, length: Duration) -> io::Result<Tally> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(peer)?;
    let mut tally = Tally { attempts: 1, ..Tally::default() };
    let begun = Instant::now();
    while begun.elapsed() < length {
        for _ in 0..BURST {
            socket.send(&[0; MESSAGE])?;
        }
        tally.operations += BURST;
    }
    Ok(tally)
}
