//! Connections that nobody lets through: each is tried, and given up at once.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::Tally;

/// Tries one after the other for `length`.
pub(super) fn run(peer: SocketAddr, length: Duration) -> io::Result<Tally> {
    let address = SockAddr::from(peer);
    let mut tally = Tally::default();
    let begun = Instant::now();
    while begun.elapsed() < length {
        let socket = Socket::new(Domain::for_address(peer), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        match socket.connect(&address) {
            Err(err) if err.raw_os_error() == Some(Errno::EINPROGRESS as i32) => tally.attempts += 1,
            Err(err) => return Err(err),
            Ok(()) => {
                return Err(io::Error::other(format!("{peer} let a connection in that is to be dropped")));
            }
        }
    }
    tally.operations = tally.attempts;
    Ok(tally)
}
