//! Putting a loaded classifier into the clsact qdisc of a device, over netlink: `tc` takes programs from files only.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

const RTM_NEWTFILTER: u16 = 44;
/// `REQUEST | ACK | EXCL | CREATE`.
const FLAGS: u16 = 0x0605;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_BPF_FD: u16 = 6;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_FLAGS: u16 = 8;
const DIRECT_ACTION: u32 = 1;
/// Behind whatever chose its own priority.
const PRIORITY: u32 = 50_000;
const ALL_PROTOCOLS: u16 = 3;
const NLMSG_ERROR: u16 = 2;

/// Which way past a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Into the stack.
    Ingress,
    /// Onto the device.
    Egress,
}

impl Way {
    /// The place in the clsact qdisc.
    fn parent(self) -> u32 {
        match self {
            Self::Ingress => 0xffff_fff2,
            Self::Egress => 0xffff_fff3,
        }
    }
}

/// Adds the program as a filter. The device must have a clsact qdisc; the filter goes with it.
pub(crate) fn add_filter(device: u32, way: Way, program: BorrowedFd<'_>) -> io::Result<()> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&request(device, way, program), 0)?;
    let (answer, _) = socket.recv_from_full()?;
    acknowledged(&answer)
}

fn request(device: u32, way: Way, program: BorrowedFd<'_>) -> Vec<u8> {
    let mut options = attribute(TCA_BPF_FD, &program.as_raw_fd().to_ne_bytes());
    options.extend(attribute(TCA_BPF_NAME, b"portolan_lab\0"));
    options.extend(attribute(TCA_BPF_FLAGS, &DIRECT_ACTION.to_ne_bytes()));
    let mut body = vec![0; 4];
    body.extend(device.to_ne_bytes());
    body.extend(0_u32.to_ne_bytes());
    body.extend(way.parent().to_ne_bytes());
    body.extend((PRIORITY << 16 | u32::from(ALL_PROTOCOLS.to_be())).to_ne_bytes());
    body.extend(attribute(TCA_KIND, b"bpf\0"));
    body.extend(attribute(TCA_OPTIONS, &options));
    let mut message = (body.len() as u32 + 16).to_ne_bytes().to_vec();
    message.extend(RTM_NEWTFILTER.to_ne_bytes());
    message.extend(FLAGS.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    message
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = (value.len() as u16 + 4).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Reads the answer: an error message with number 0 is the acknowledgement.
fn acknowledged(answer: &[u8]) -> io::Result<()> {
    let kind = answer.get(4..6).map(|bytes| u16::from_ne_bytes([bytes[0], bytes[1]]));
    let code = answer.get(16..20).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    match (kind, code) {
        (Some(NLMSG_ERROR), Some(0)) => Ok(()),
        (Some(NLMSG_ERROR), Some(code)) => Err(io::Error::from_raw_os_error(-code)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_tell_their_own_length() {
        assert_eq!(attribute(7, b"abc\0d"), [9, 0, 7, 0, b'a', b'b', b'c', 0, b'd', 0, 0, 0]);
    }

    #[test]
    fn a_refusal_is_the_kernels_errno() {
        let mut answer = vec![0; 36];
        answer[4] = 2;
        assert!(acknowledged(&answer).is_ok());
        answer[16..20].copy_from_slice(&(-libc::EEXIST).to_ne_bytes());
        assert_eq!(acknowledged(&answer).unwrap_err().raw_os_error(), Some(libc::EEXIST));
        assert!(acknowledged(&[]).is_err());
    }
}
