//! The transport protocols that a flow can have.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A transport protocol, in the spelling of the Kubernetes API where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Protocol {
    /// TCP, IP protocol 6.
    #[serde(rename = "TCP")]
    Tcp,
    /// UDP, IP protocol 17.
    #[serde(rename = "UDP")]
    Udp,
    /// SCTP, IP protocol 132.
    #[serde(rename = "SCTP")]
    Sctp,
    /// ICMP, IP protocol 1; it has no port.
    #[serde(rename = "ICMP")]
    Icmp,
    /// ICMPv6, IP protocol 58; it has no port.
    #[serde(rename = "ICMPv6")]
    Icmpv6,
}

impl Protocol {
    /// Every protocol, in the order of the enum.
    pub const ALL: [Self; 5] = [Self::Tcp, Self::Udp, Self::Sctp, Self::Icmp, Self::Icmpv6];

    /// The spelling used in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
            Self::Icmp => "ICMP",
            Self::Icmpv6 => "ICMPv6",
        }
    }

    /// The number in the IP header.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
            Self::Icmp => 1,
            Self::Icmpv6 => 58,
        }
    }

    /// The protocol with this number in the IP header.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.number() == number)
    }

    /// The protocol with a port, where one is known: `80/TCP`, `ICMP`.
    pub(crate) fn with_port(self, port: Option<u16>) -> String {
        port.map_or_else(|| self.to_string(), |port| format!("{port}/{self}"))
    }

    /// Whether the protocol has ports (policies speak of TCP, UDP and SCTP only: N20).
    pub const fn has_ports(self) -> bool {
        matches!(self, Self::Tcp | Self::Udp | Self::Sctp)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A protocol name that nobody knows.
#[derive(Debug, thiserror::Error)]
#[error("unknown protocol `{0}`: use TCP, UDP, SCTP, ICMP or ICMPv6")]
pub struct UnknownProtocol(String);

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|protocol| protocol.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownProtocol(text.to_owned()))
    }
}
