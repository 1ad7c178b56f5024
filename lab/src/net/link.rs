//! Making sure that a fresh link carries packets.
//!
//! The kernel notes the new carrier of a veth in a work queue; until that has run, what is sent onto the device
//! vanishes. Asking ethtool for the link state makes the kernel catch up first.

use std::io;
use std::os::fd::AsRawFd;

use socket2::{Domain, Socket, Type};

use crate::error::{LabError, Result};
use crate::net::netns::Netns;

const SIOCETHTOOL: libc::c_ulong = 0x8946;
const ETHTOOL_GLINK: u32 = 0x0a;

/// The argument of `ETHTOOL_GLINK`, as the kernel lays it out.
#[repr(C)]
#[derive(Default)]
struct LinkState {
    command: u32,
    up: u32,
}

/// Returns once the kernel has taken note of the carrier of `device`; fails when there is none.
pub(crate) fn settle(place: &Netns, device: &str) -> Result<()> {
    match place.run(|| carrier(device))? {
        Ok(true) => Ok(()),
        Ok(false) => Err(LabError::spec(format!("{device} in {}", place.name()), "its other end is down")),
        Err(err) => {
            Err(LabError::socket(format!("read the link state of {device} in {}", place.name()), err))
        }
    }
}

#[expect(unsafe_code, reason = "there is no safe wrapper around this ioctl")]
fn carrier(device: &str) -> io::Result<bool> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    let mut state = LinkState { command: ETHTOOL_GLINK, up: 0 };
    // SAFETY: ifreq is plain data, for which all zeroes is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if device.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (slot, byte) in request.ifr_name.iter_mut().zip(device.bytes()) {
        *slot = byte as libc::c_char;
    }
    request.ifr_ifru.ifru_data = (&raw mut state).cast();
    // SAFETY: the request and the state it points to live through the call and have the kernel's layout.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) };
    if done == 0 { Ok(state.up == 1) } else { Err(io::Error::last_os_error()) }
}
