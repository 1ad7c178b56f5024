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
mod slips;
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
    /// The service of this name, by an address of its own.
    Service {
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
        let (namespace, name) = names(text).ok_or_else(|| QueryError::PodName(short(text)))?;
        Ok(Self::Pod { namespace, name })
    }

    /// Reads `NAMESPACE/SERVICE`.
    pub(crate) fn service(text: &str) -> Result<Self, QueryError> {
        let wrong = || slip(text, slips::service(text), QueryError::ServiceName);
        let (namespace, name) = names(text).ok_or_else(wrong)?;
        Ok(Self::Service { namespace, name })
    }

    /// Reads an address; a zone is stripped and an IPv4-mapped address is IPv4 (M4).
    pub(crate) fn ip(text: &str) -> Result<Self, QueryError> {
        parse_ip(text).map(Self::Ip).ok_or_else(|| slip(text, slips::address(text), QueryError::Ip))
    }

    /// Reads `NAMESPACE/POD` or an address: what opens connections is no service.
    pub fn source(text: &str) -> Result<Self, QueryError> {
        if slips::service(text).is_some() {
            return Err(QueryError::ServiceAsSource(short(text)));
        }
        text.parse().map_err(|error| match error {
            QueryError::Place(text) => QueryError::SourcePlace(text),
            error => error,
        })
    }
}

/// What is wrong with a text, with its mend where it is nearly right.
fn slip(text: &str, mend: Option<String>, otherwise: fn(String) -> QueryError) -> QueryError {
    let text = short(text);
    match mend {
        Some(mend) => QueryError::Slip { text, mend: short(&mend) },
        None => otherwise(text),
    }
}

/// The two parts of `NAMESPACE/NAME`.
fn names(text: &str) -> Option<(String, String)> {
    let (namespace, name) = text.split_once('/')?;
    let fits = !namespace.is_empty() && !name.is_empty() && !name.contains('/');
    fits.then(|| (namespace.to_owned(), name.to_owned()))
}

/// What stands before the name of a service.
const SERVICE: &str = "svc:";

/// Reads `NAMESPACE/POD`, `svc:NAMESPACE/SERVICE` or an address.
impl FromStr for Place {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(service) = text.strip_prefix(SERVICE) {
            return Self::service(service);
        }
        if let Some(ip) = parse_ip(text) {
            return Ok(Self::Ip(ip));
        }
        match slips::address(text).or_else(|| slips::service(text)) {
            None if text.contains('/') => Self::pod(text),
            mend => Err(slip(text, mend, QueryError::Place)),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod { namespace, name } => write!(f, "{}", short(&format!("{namespace}/{name}"))),
            Self::Service { namespace, name } => {
                write!(f, "service {}", short(&format!("{namespace}/{name}")))
            }
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
