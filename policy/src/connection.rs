//! A question to the policies: one new connection (M1).

use crate::Protocol;
use std::net::IpAddr;

/// A new connection, by the packet that opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Connection {
    /// Who opens it.
    pub source: IpAddr,
    /// Whom it reaches, after destination NAT where that is known.
    pub destination: IpAddr,
    /// The port at the destination; absent where the protocol has none.
    pub port: Option<u16>,
    /// The transport protocol.
    pub protocol: Protocol,
}

impl Connection {
    /// The same with IPv4-mapped addresses as IPv4 (M4).
    pub(crate) fn canonical(self) -> Self {
        Self { source: self.source.to_canonical(), destination: self.destination.to_canonical(), ..self }
    }

    /// Whether it never leaves its own address: such traffic is outside all policies (N31).
    pub(crate) fn is_own_address(&self) -> bool {
        self.source == self.destination || self.source.is_loopback() || self.destination.is_loopback()
    }
}
