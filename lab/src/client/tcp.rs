//! One TCP attempt: connect, exchange a few bytes, close in order.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Protocol, SockAddr, Socket, Type};

use crate::attempts::Seen;
use crate::client::{Origin, Sight, judge, local, open};

/// What a client says; the lab's servers say it back.
const GREETING: &[u8] = b"portolan lab: hello\n";

/// Tries once, within `timeout` for the handshake and again for the exchange.
pub(crate) fn attempt(destination: SocketAddr, origin: Origin<'_>, timeout: Duration) -> Sight {
    match connect(destination, origin, timeout) {
        Ok((stream, own)) => (own, exchange(stream, timeout)),
        Err((own, err)) => (own, judge(&err)),
    }
}

/// Connects and keeps the connection open.
pub(crate) fn connect(
    destination: SocketAddr,
    origin: Origin<'_>,
    timeout: Duration,
) -> Result<(TcpStream, Option<SocketAddr>), (Option<SocketAddr>, io::Error)> {
    let socket = open(destination, Type::STREAM, Protocol::TCP, origin).map_err(|err| (None, err))?;
    let begun = begin(&socket, destination);
    // The port must be read now: a refusal takes it from the socket.
    let own = local(&socket);
    let finished = begun.and_then(|()| finish(&socket, timeout));
    finished.map_err(|err| (own, err))?;
    Ok((socket.into(), own))
}

fn begin(socket: &Socket, destination: SocketAddr) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::from(destination)) {
        Err(err) if err.raw_os_error() != Some(Errno::EINPROGRESS as i32) => Err(err),
        _ => Ok(()),
    }
}

fn finish(socket: &Socket, timeout: Duration) -> io::Result<()> {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // Rounded up: a rest below a millisecond must not spin.
        let wait = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)], wait) {
            // An ICMP error that came while the socket was busy sending waits here, until a next try confirms it.
            Ok(0) if left.is_zero() => {
                return Err(socket.take_error()?.unwrap_or_else(|| io::ErrorKind::TimedOut.into()));
            }
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => break,
            Err(err) => return Err(err.into()),
        }
    }
    if let Some(err) = socket.take_error()? {
        return Err(err);
    }
    socket.set_nonblocking(false)
}

fn exchange(mut stream: TcpStream, timeout: Duration) -> Seen {
    let mut received = 0;
    let mut run = || -> io::Result<()> {
        stream.set_read_timeout(Some(timeout))?;
        stream.write_all(GREETING)?;
        let mut answer = [0; GREETING.len()];
        while received < answer.len() {
            match stream.read(&mut answer[received..])? {
                0 => break,
                count => received += count,
            }
        }
        stream.shutdown(Shutdown::Write)?;
        while stream.read(&mut [0; 256])? > 0 {}
        Ok(())
    };
    let closed = run().is_ok();
    Seen::Connected { sent: GREETING.len(), received, closed }
}
