//! Raw frames onto a device: what no socket would send.

use std::io;
use std::mem;
use std::os::fd::AsRawFd;

use nix::net::if_::if_nametoindex;
use socket2::{Domain, Protocol, Socket, Type};

/// Puts `frame`, Ethernet header included, onto `device` as it is.
pub(crate) fn inject(device: &str, frame: &[u8]) -> io::Result<()> {
    // Protocol 0: the socket sends and never receives.
    let socket = Socket::new(Domain::PACKET, Type::RAW, None::<Protocol>)?;
    bind(&socket, if_nametoindex(device)?)?;
    let sent = socket.send(frame)?;
    if sent == frame.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

#[expect(unsafe_code, reason = "no safe wrapper can name a link-layer address")]
fn bind(socket: &Socket, index: u32) -> io::Result<()> {
    // SAFETY: sockaddr_ll is plain integers, for which all zeroes is a value.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_ifindex = index as i32;
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the address lives through the call and its length is its own.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    if bound == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
