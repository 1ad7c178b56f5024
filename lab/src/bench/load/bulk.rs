//! One stream of bytes, as fast as it goes.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::{BLOCK, Tally};

/// Sends for `length`; the server counts.
pub(super) fn run(peer: SocketAddr, length: Duration) -> io::Result<Tally> {
    let mut stream = TcpStream::connect(peer)?;
    let block = vec![0; BLOCK];
    let begun = Instant::now();
    while begun.elapsed() < length {
        stream.write_all(&block)?;
    }
    Ok(Tally { attempts: 1, ..Tally::default() })
}
