//! The other side of each workload.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::ready::Ready;
use super::{BLOCK, MESSAGE, Workload};

const BACKLOG: i32 = 4096;
/// Room for what comes while the sink does not run.
const SINK_BUFFER: usize = 16 << 20;
/// How long the sink sleeps when nothing is there.
const PATIENCE: Duration = Duration::from_millis(1);
/// The number of the listener among the sockets.
const LISTENER: usize = usize::MAX;

/// A server that is bound and does not serve yet.
pub(super) enum Server {
    /// Sends back what comes, and closes after its client.
    Echo(TcpListener),
    /// Takes datagrams.
    Sink(UdpSocket),
    /// Takes a stream.
    Drain(TcpListener),
}

/// Binds the server of a workload.
pub(super) fn bind(workload: Workload, address: SocketAddr) -> io::Result<Server> {
    if workload == Workload::Flood {
        let socket = UdpSocket::bind(address)?;
        setsockopt(&socket, sockopt::RcvBufForce, &SINK_BUFFER)?;
        socket.set_nonblocking(true)?;
        return Ok(Server::Sink(socket));
    }
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(if workload == Workload::Bulk { Server::Drain(socket.into()) } else { Server::Echo(socket.into()) })
}

impl Server {
    /// Serves until the run is over and all that came is counted in `received`: datagrams, or MiB.
    pub(super) fn serve(self, over: &AtomicBool, received: &AtomicU64) -> io::Result<()> {
        match self {
            Self::Echo(listener) => echo(&listener, over),
            Self::Sink(socket) => sink(&socket, over, received),
            Self::Drain(listener) => drain(&listener, over, received),
        }
    }
}

fn echo(listener: &TcpListener, over: &AtomicBool) -> io::Result<()> {
    let mut ready = Ready::new()?;
    ready.watch(listener, LISTENER)?;
    let mut streams: Vec<Option<TcpStream>> = Vec::new();
    let mut free = Vec::new();
    while !over.load(Ordering::Relaxed) || free.len() < streams.len() {
        for (number, finished) in ready.wait()? {
            if number == LISTENER {
                accept_all(listener, &ready, &mut streams, &mut free)?;
            } else if let Some(stream) = &mut streams[number]
                && send_back(stream, finished)?
            {
                streams[number] = None;
                free.push(number);
            }
        }
    }
    Ok(())
}

fn accept_all(
    listener: &TcpListener,
    ready: &Ready,
    streams: &mut Vec<Option<TcpStream>>,
    free: &mut Vec<usize>,
) -> io::Result<()> {
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(err) => return Err(err),
        };
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let number = free.pop().unwrap_or_else(|| {
            streams.push(None);
            streams.len() - 1
        });
        ready.watch(&stream, number)?;
        streams[number] = Some(stream);
    }
}

/// Sends back what is there; true when the client has closed.
fn send_back(stream: &mut TcpStream, finished: bool) -> io::Result<bool> {
    let mut buffer = [0; 2 * MESSAGE];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(true),
            Ok(count) => stream.write_all(&buffer[..count])?,
            Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(err) => return Err(err),
        }
        if !finished {
            return Ok(false);
        }
    }
}

/// Empties the socket now and then: to be woken for every datagram would cost more than the datagram.
fn sink(socket: &UdpSocket, over: &AtomicBool, received: &AtomicU64) -> io::Result<()> {
    let mut buffer = [0; MESSAGE];
    loop {
        match socket.recv(&mut buffer) {
            Ok(_) => {
                received.fetch_add(1, Ordering::Relaxed);
            }
            Err(err) if err.kind() != ErrorKind::WouldBlock => return Err(err),
            Err(_) if over.load(Ordering::Relaxed) => return Ok(()),
            Err(_) => thread::sleep(PATIENCE),
        }
    }
}

/// Takes one stream to its end.
fn drain(listener: &TcpListener, over: &AtomicBool, received: &AtomicU64) -> io::Result<()> {
    let mut stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(err) if err.kind() != ErrorKind::WouldBlock => return Err(err),
            Err(_) if over.load(Ordering::Relaxed) => return Ok(()),
            Err(_) => thread::sleep(PATIENCE),
        }
    };
    stream.set_nonblocking(false)?;
    let mut buffer = vec![0; BLOCK];
    let mut bytes = 0;
    loop {
        match stream.read(&mut buffer)? {
            0 => break,
            count => bytes += count as u64,
        }
    }
    received.store(bytes >> 20, Ordering::Relaxed);
    Ok(())
}
