//! Making sure that a fresh link carries packets.
//!
//! The kernel finishes a new link in work queues. Until it has noted the carrier of a veth, what is sent onto the
//! device vanishes; asking ethtool for the link state makes it catch up. Until it has joined the group that neighbours
//! ask for an IPv6 address, nobody is answered; that is waited for.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

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

/// How long the kernel may take; seconds on a machine that is removing many namespaces.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(1);
/// The flag of an address that is not to be used yet.
const TENTATIVE: u32 = 0x40;

/// Returns once `device` carries packets and its addresses are answered for.
pub(crate) fn settle(place: &Netns, device: &str) -> Result<()> {
    let fault = |err| LabError::socket(format!("read the state of {device} in {}", place.name()), err);
    let settled = place.run(|| -> io::Result<bool> { Ok(carrier(device)? && await_addresses(device)?) })?;
    if settled.map_err(fault)? {
        return Ok(());
    }
    Err(LabError::Late {
        what: format!("{device} in {} to carry packets", place.name()),
        waited: PATIENCE,
        detail: "; is its other end up?".to_owned(),
    })
}

fn await_addresses(device: &str) -> io::Result<bool> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let addresses = fs::read_to_string("/proc/thread-self/net/if_inet6")?;
        let groups = fs::read_to_string("/proc/thread-self/net/igmp6")?;
        if addresses_are_answered(device, &addresses, &groups) {
            return Ok(true);
        }
        if Instant::now() > deadline {
            return Ok(false);
        }
        thread::sleep(PAUSE);
    }
}

/// Whether every IPv6 address of a device is in use and its neighbours' questions are heard, as the kernel's tables
/// of addresses and of multicast groups tell.
fn addresses_are_answered(device: &str, addresses: &str, groups: &str) -> bool {
    let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let joined: Vec<String> = groups
        .lines()
        .map(fields)
        .filter(|group| group.get(1).is_some_and(|name| name == device))
        .filter_map(|group| group.into_iter().nth(2))
        .collect();
    addresses.lines().map(fields).filter(|address| address.get(5).is_some_and(|name| name == device)).all(
        |address| {
            let tentative = u32::from_str_radix(&address[4], 16).is_ok_and(|flags| flags & TENTATIVE != 0);
            let tail = address[0].get(26..).unwrap_or_default();
            !tentative && joined.contains(&format!("ff0200000000000000000001ff{tail}"))
        },
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESSES: &str = "\
        fd000010024400010000000000000002 02 80 00 82     eth0\n\
        00000000000000000000000000000001 01 80 10 80       lo\n";
    const GROUPS: &str = "\
        1    lo              ff020000000000000000000000000001     1 0000000C 0\n\
        2    eth0            ff0200000000000000000001ff000002     1 00000004 0\n";

    #[test]
    fn an_address_is_answered_for_once_its_group_is_joined() {
        assert!(addresses_are_answered("eth0", ADDRESSES, GROUPS));
        assert!(!addresses_are_answered("eth0", ADDRESSES, GROUPS.lines().next().unwrap()));
        let other = GROUPS.replace("eth0", "eth1");
        assert!(!addresses_are_answered("eth0", ADDRESSES, &other));
    }

    #[test]
    fn a_tentative_address_is_not_in_use() {
        assert!(!addresses_are_answered("eth0", &ADDRESSES.replace(" 82 ", " c2 "), GROUPS));
    }

    #[test]
    fn a_device_without_ipv6_is_ready() {
        assert!(addresses_are_answered("eth9", ADDRESSES, GROUPS));
    }
}
