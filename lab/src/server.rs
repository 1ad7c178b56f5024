//! Servers of the lab: listeners opened inside a namespace and driven by the lab's runtime.

use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

pub(crate) mod sctp;

use crate::client::Origin;

/// Room for the datagrams that come while a server does not run: none is to be lost for want of it.
const ROOM: usize = 16 << 20;

/// What a server does with a request.
pub type Responder = Arc<dyn Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync>;

/// A running server; dropping it closes its port.
#[derive(Debug)]
#[must_use = "a server stops when its guard is dropped"]
pub struct Server {
    tasks: Vec<JoinHandle<()>>,
    /// Held only by a server that never accepts.
    _listener: Option<Socket>,
    address: SocketAddr,
    served: Arc<AtomicU64>,
}

impl Server {
    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections accepted, or datagrams received, so far.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Opens a socket that listens on the origin's address; without one on every address of both families.
pub(crate) fn listen(kind: Type, origin: Origin<'_>, port: u16, backlog: i32) -> io::Result<Socket> {
    let address = SocketAddr::new(origin.source.unwrap_or(Ipv6Addr::UNSPECIFIED.into()), port);
    let protocol = if kind == Type::STREAM { Protocol::TCP } else { Protocol::UDP };
    let socket = origin.socket(Domain::for_address(address), kind, protocol)?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        socket.set_only_v6(false)?;
    }
    if kind == Type::STREAM {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&SockAddr::from(address))?;
    if kind == Type::STREAM {
        socket.listen(backlog)?;
    } else {
        setsockopt(&socket, sockopt::RcvBufForce, &ROOM)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Echoes every connection until its client is done.
pub(crate) fn tcp_echo(runtime: &Handle, socket: Socket) -> io::Result<Server> {
    let address = own_address(&socket)?;
    let _context = runtime.enter();
    let listener = TcpListener::from_std(socket.into())?;
    let served = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&served);
    let task = runtime.spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    if let Ok((stream, _)) = accepted {
                        counter.fetch_add(1, Ordering::Relaxed);
                        connections.spawn(echo(stream));
                    }
                }
                Some(_) = connections.join_next() => {}
            }
        }
    });
    Ok(Server { tasks: vec![task], _listener: None, address, served })
}

/// Listens and never accepts: the backlog fills and the kernel drops what comes after.
pub(crate) fn tcp_deaf(socket: Socket) -> io::Result<Server> {
    let address = own_address(&socket)?;
    Ok(Server { tasks: Vec::new(), _listener: Some(socket), address, served: Arc::default() })
}

/// Answers every datagram with what `respond` makes of it.
pub(crate) fn udp(runtime: &Handle, socket: Socket, respond: Responder) -> io::Result<Server> {
    let address = own_address(&socket)?;
    let served = Arc::new(AtomicU64::new(0));
    let task = answering(runtime, socket, respond, Arc::clone(&served))?;
    Ok(Server { tasks: vec![task], _listener: None, address, served })
}

/// The task that answers on a socket of datagrams, of whatever protocol.
fn answering(
    runtime: &Handle,
    socket: Socket,
    respond: Responder,
    served: Arc<AtomicU64>,
) -> io::Result<JoinHandle<()>> {
    let _context = runtime.enter();
    let socket = UdpSocket::from_std(socket.into())?;
    Ok(runtime.spawn(async move {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            // An error here is an ICMP answer to an earlier datagram; the next receive works.
            let Ok((count, peer)) = socket.recv_from(&mut buffer).await else { continue };
            served.fetch_add(1, Ordering::Relaxed);
            if let Some(answer) = respond(&buffer[..count])
                && let Err(err) = socket.send_to(&answer, peer).await
            {
                tracing::debug!(%peer, %err, "Answer not sent.");
            }
        }
    }))
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return stream.shutdown().await,
            count => stream.write_all(&buffer[..count]).await?,
        }
    }
}

fn own_address(socket: &Socket) -> io::Result<SocketAddr> {
    socket.local_addr()?.as_socket().ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}
