//! Messages to and fro on connections that stay.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::ready::Ready;
use super::{CONNECTIONS, MESSAGE, Tally};

/// One message under way on each connection, for `length`.
pub(super) fn run(peer: SocketAddr, length: Duration) -> io::Result<Tally> {
    let mut ready = Ready::new()?;
    let mut tally = Tally::default();
    let mut lines = Vec::with_capacity(CONNECTIONS);
    for number in 0..CONNECTIONS {
        let stream = TcpStream::connect(peer)?;
        tally.attempts += 1;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        ready.watch(&stream, number)?;
        lines.push(Line { stream, sent: Instant::now(), received: 0 });
    }
    let begun = Instant::now();
    for line in &mut lines {
        line.send()?;
    }
    let mut under_way = lines.len();
    while under_way > 0 {
        for (number, _) in ready.wait()? {
            let line = &mut lines[number];
            if !line.take_answer()? {
                continue;
            }
            tally.ended(line.sent);
            if begun.elapsed() < length {
                line.send()?;
            } else {
                under_way -= 1;
            }
        }
    }
    Ok(tally)
}

struct Line {
    stream: TcpStream,
    sent: Instant,
    received: usize,
}

impl Line {
    fn send(&mut self) -> io::Result<()> {
        self.sent = Instant::now();
        self.received = 0;
        self.stream.write_all(&[0; MESSAGE])
    }

    /// Whether the answer is complete.
    fn take_answer(&mut self) -> io::Result<bool> {
        let mut buffer = [0; MESSAGE];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.received += count;
                Ok(self.received == MESSAGE)
            }
            Err(err) if err.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(err) => Err(err),
        }
    }
}
