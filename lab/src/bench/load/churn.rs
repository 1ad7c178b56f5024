//! Connections that come and go: connect, a message each way, an end in order.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Instant;

use nix::errno::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::ready::Ready;
use super::{CONNECTIONS, MESSAGE, Tally};

/// Keeps connections in flight while `more` says so, asked with the number of those begun, then lets the last ones end.
pub(super) fn run(peer: SocketAddr, more: impl Fn(u64) -> bool) -> io::Result<Tally> {
    let mut client = Client { peer, ready: Ready::new()?, tally: Tally::default(), open: 0 };
    let mut slots: [Option<Connection>; CONNECTIONS] = std::array::from_fn(|_| None);
    for (number, slot) in slots.iter_mut().enumerate() {
        *slot = Some(client.begin(number)?);
    }
    while client.open > 0 {
        for (number, _) in client.ready.wait()? {
            let Some(connection) = &mut slots[number] else { continue };
            if connection.advance()? {
                client.tally.ended(connection.begun);
                client.open -= 1;
                slots[number] = None;
                if more(client.tally.attempts) {
                    slots[number] = Some(client.begin(number)?);
                }
            }
        }
    }
    Ok(client.tally)
}

struct Client {
    peer: SocketAddr,
    ready: Ready,
    tally: Tally,
    open: usize,
}

impl Client {
    fn begin(&mut self, number: usize) -> io::Result<Connection> {
        let begun = Instant::now();
        let socket =
            Socket::new(Domain::for_address(self.peer), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        match socket.connect(&SockAddr::from(self.peer)) {
            Err(err) if err.raw_os_error() != Some(Errno::EINPROGRESS as i32) => return Err(err),
            _ => {}
        }
        self.ready.watch(&socket, number)?;
        self.tally.attempts += 1;
        self.open += 1;
        Ok(Connection { socket, begun, step: Step::Connecting })
    }
}

/// How far a connection is.
enum Step {
    Connecting,
    /// So many bytes of the answer are there.
    Answered(usize),
    Closing,
}

struct Connection {
    socket: Socket,
    begun: Instant,
    step: Step,
}

impl Connection {
    /// Goes as far as it can; true when the server has closed too.
    fn advance(&mut self) -> io::Result<bool> {
        if matches!(self.step, Step::Connecting) {
            match self.socket.write(&[0; MESSAGE]) {
                Ok(_) => self.step = Step::Answered(0),
                Err(err) if err.kind() == ErrorKind::WouldBlock => {}
                Err(err) => return Err(self.socket.take_error()?.unwrap_or(err)),
            }
            return Ok(false);
        }
        let mut buffer = [0; 2 * MESSAGE];
        loop {
            match (self.socket.read(&mut buffer), &mut self.step) {
                (Ok(0), Step::Closing) => return Ok(true),
                (Ok(0), _) => return Err(ErrorKind::UnexpectedEof.into()),
                (Ok(count), Step::Answered(bytes)) => {
                    *bytes += count;
                    if *bytes >= MESSAGE {
                        self.socket.shutdown(Shutdown::Write)?;
                        self.step = Step::Closing;
                        // The end comes with an event of its own.
                        return Ok(false);
                    }
                }
                (Ok(_), _) => {}
                (Err(err), _) if err.kind() == ErrorKind::WouldBlock => return Ok(false),
                (Err(err), _) => return Err(err),
            }
        }
    }
}
