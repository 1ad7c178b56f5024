//! Clients: real sockets, opened in the namespace of the place they act for. Each returns the address it used and
//! what it saw; none knows the lab.

pub(crate) mod frame;
pub(crate) mod ping;
pub(crate) mod tcp;
pub(crate) mod udp;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::errno::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::attempts::Seen;

/// A client's own address, if it got one, and what it saw.
pub(crate) type Sight = (Option<SocketAddr>, Seen);

/// Opens a socket of the destination's family, bound to `source` when that is given.
pub(crate) fn open(
    destination: SocketAddr,
    kind: Type,
    protocol: Protocol,
    source: Option<IpAddr>,
) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(destination), kind, Some(protocol))?;
    if let Some(source) = source {
        socket.bind(&SockAddr::from(SocketAddr::new(source, 0)))?;
    }
    Ok(socket)
}

/// The socket's own address; none while it has none.
pub(crate) fn local(socket: &Socket) -> Option<SocketAddr> {
    let address = socket.local_addr().ok()?.as_socket()?;
    let unset = match address.ip() {
        IpAddr::V4(v4) => v4 == Ipv4Addr::UNSPECIFIED,
        IpAddr::V6(v6) => v6 == Ipv6Addr::UNSPECIFIED,
    };
    (!unset).then_some(address)
}

/// What an error of connect, send or receive means for the attempt.
pub(crate) fn judge(err: &io::Error) -> Seen {
    let Some(code) = err.raw_os_error() else {
        return Seen::TimedOut;
    };
    match Errno::from_raw(code) {
        Errno::ECONNREFUSED => Seen::Refused,
        Errno::ETIMEDOUT => Seen::TimedOut,
        // ICMPv6 "administratively prohibited" arrives as EACCES.
        Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::EACCES | Errno::EHOSTDOWN | Errno::ENONET => {
            Seen::Unreachable(code)
        }
        _ => Seen::Failed(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errno_tells_what_the_client_saw() {
        let of = |errno: Errno| judge(&io::Error::from(errno));
        assert_eq!(of(Errno::ECONNREFUSED), Seen::Refused);
        assert_eq!(of(Errno::EHOSTUNREACH), Seen::Unreachable(Errno::EHOSTUNREACH as i32));
        assert_eq!(of(Errno::EACCES), Seen::Unreachable(Errno::EACCES as i32));
        assert_eq!(of(Errno::EPERM), Seen::Failed(Errno::EPERM as i32));
        assert_eq!(judge(&io::Error::from(io::ErrorKind::TimedOut)), Seen::TimedOut);
    }
}
