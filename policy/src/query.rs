//! Questions that name pods: who, whom, which port, and what the policies say to it.
//!
//! ```text
//! a line of JSON -> Query -> [ resolve: pods, family, addresses ] -> Decision -> Answer -> a line
//! --from, --to   ──┘                                           └───> Explanation
//! ```
//!
//! Owns the form of a question and of its answer, and which addresses a question is about. What
//! the policies say is the evaluator's matter alone.

mod answer;
mod error;
mod line;
mod meant;
mod resolve;
mod words;

pub use answer::{Answer, Reply, answer_line};
pub use error::QueryError;
pub use resolve::Resolved;

use crate::{Protocol, address::parse_ip, shown::short};
use serde::Serialize;
use std::{fmt, net::IpAddr, str::FromStr};

/// A question: may a connection from here to there be opened?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Who opens the connection.
    pub from: Place,
    /// Whom it is to reach.
    pub to: Place,
    /// The destination port; absent where it is not known, and without meaning for ICMP.
    pub port: Option<u16>,
    /// The protocol.
    pub protocol: Protocol,
    /// The address family, where it matters to the one who asks.
    pub family: Option<Family>,
}

impl Query {
    /// No line of JSON that is a question is longer, in bytes.
    pub const LONGEST_LINE: usize = 1024 * 1024;
}

/// One end of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The pod of this name.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Whoever holds this address; in canonical form.
    Ip(IpAddr),
}

impl Place {
    /// Reads `NAMESPACE/POD`.
    pub(crate) fn pod(text: &str) -> Result<Self, QueryError> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self::Pod { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err(QueryError::PodName(short(text))),
        }
    }

    /// Reads an address; a zone is stripped and an IPv4-mapped address is IPv4 (M4).
    pub(crate) fn ip(text: &str) -> Result<Self, QueryError> {
        parse_ip(text).map(Self::Ip).ok_or_else(|| QueryError::Ip(short(text)))
    }
}

/// Reads `NAMESPACE/POD` or an address.
impl FromStr for Place {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match parse_ip(text) {
            Some(ip) => Ok(Self::Ip(ip)),
            None if text.contains('/') => Self::pod(text),
            None => Err(QueryError::Place(short(text))),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod { namespace, name } => write!(f, "{}", short(&format!("{namespace}/{name}"))),
            Self::Ip(ip) => write!(f, "{ip}"),
        }
    }
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Family {
    /// IPv4.
    #[serde(rename = "IPv4")]
    Ipv4,
    /// IPv6.
    #[serde(rename = "IPv6")]
    Ipv6,
}

impl Family {
    /// The family of an address in canonical form.
    pub const fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }
}

/// Reads `IPv4` or `IPv6`, in any case.
impl FromStr for Family {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is = |word: &str| text.eq_ignore_ascii_case(word);
        match text {
            _ if is("IPv4") => Ok(Self::Ipv4),
            _ if is("IPv6") => Ok(Self::Ipv6),
            _ => Err(QueryError::Family(short(text))),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}
