//! Port numbers and protocols as Kubernetes objects write them.

use crate::Protocol;

/// The number of a port; `None` where the API would reject it.
pub(crate) fn read_number(number: i32) -> Option<u16> {
    u16::try_from(number).ok().filter(|port| *port != 0)
}

/// The protocol of a port, TCP where it says none (N1); `None` for a word the API does not know.
pub(crate) fn read_protocol(text: Option<&str>) -> Option<Protocol> {
    match text {
        None | Some("TCP") => Some(Protocol::Tcp),
        Some("UDP") => Some(Protocol::Udp),
        Some("SCTP") => Some(Protocol::Sctp),
        Some(_) => None,
    }
}
