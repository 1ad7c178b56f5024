//! Clients: real sockets, opened in the namespace of the place they act for. Each returns the address it used and
//! what it saw; none knows the lab.

pub(crate) mod frame;
pub(crate) mod ping;
pub(crate) mod sctp;
pub(crate) mod tcp;
pub(crate) mod udp;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::errno::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::attempts::Seen;
use crate::enforce::cgroup::Cgroup;

/// A client's own address, if it got one, and what it saw.
pub(crate) type Sight = (Option<SocketAddr>, Seen);

/// What a client's sockets begin with.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Origin<'a> {
    /// The address to use, when not any.
    pub(crate) source: Option<IpAddr>,
    /// The control group to be born in, when not this process's.
    pub(crate) cgroup: Option<&'a Cgroup>,
}

impl Origin<'_> {
    /// An unbound socket.
    pub(crate) fn socket(self, domain: Domain, kind: Type, protocol: Protocol) -> io::Result<Socket> {
        match self.cgroup {
            Some(group) => group.socket(domain, kind, Some(protocol)),
            None => Socket::new(domain, kind, Some(protocol)),
        }
    }
}

/// Opens a socket of the destination's family, bound to the origin's address when it has one.
pub(crate) fn open(
    destination: SocketAddr,
    kind: Type,
    protocol: Protocol,
    origin: Origin<'_>,
) -> io::Result<Socket> {
    let socket = origin.socket(Domain::for_address(destination), kind, protocol)?;
    if let Some(source) = origin.source {
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
        // "Nobody speaks this protocol" is the refusal of a whole machine.
        Errno::ECONNREFUSED | Errno::ENOPROTOOPT | Errno::EPROTO => Seen::Refused,
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
