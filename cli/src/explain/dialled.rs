//! What is dialled: `5432/tcp`, `5432`, `icmp`.

use portolan_policy::Protocol;
use std::str::FromStr;

/// A protocol and its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialled {
    pub(super) port: Option<u16>,
    pub(super) protocol: Protocol,
}

impl FromStr for Dialled {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (port, protocol) = match text.split_once('/') {
            Some((protocol, port)) if is_turned_round(protocol, port) => {
                return Err(format!("`{text}` is the wrong way round: write {port}/{protocol}"));
            }
            Some((port, protocol)) => (Some(port), protocol),
            None if text.starts_with(|first: char| first.is_ascii_digit()) => (Some(text), "TCP"),
            None => (None, text),
        };
        let protocol: Protocol = protocol.parse().map_err(|_unknown| wrong(protocol, "protocol"))?;
        match port {
            Some(_) if !protocol.has_ports() => {
                Err(format!("{protocol} has no port: write {protocol} alone"))
            }
            None if protocol.has_ports() => {
                Err(format!("{protocol} needs a port: write such as 80/{}", protocol.as_str().to_lowercase()))
            }
            port => Ok(Self { port: port.map(number).transpose()?, protocol }),
        }
    }
}

fn is_turned_round(protocol: &str, port: &str) -> bool {
    protocol.parse::<Protocol>().is_ok_and(Protocol::has_ports) && number(port).is_ok()
}

fn number(text: &str) -> Result<u16, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|port| digits && *port != 0);
    number.ok_or_else(|| wrong(text, "port number"))
}

fn wrong(text: &str, what: &str) -> String {
    format!(
        "`{text}` is no {what}: write a number from 1 to 65535 and tcp, udp or sctp, such as 5432/tcp or 53/udp; a \
         number alone is TCP; ICMP is icmp or icmpv6 alone; names of ports are not read"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_number_is_tcp_and_icmp_has_none() {
        let service = |port, protocol| Ok(Dialled { port, protocol });
        assert_eq!("5432/tcp".parse(), service(Some(5432), Protocol::Tcp));
        assert_eq!("53/UDP".parse(), service(Some(53), Protocol::Udp));
        assert_eq!("80".parse(), service(Some(80), Protocol::Tcp));
        assert_eq!("icmp".parse(), service(None, Protocol::Icmp));
        assert_eq!("ICMPv6".parse(), service(None, Protocol::Icmpv6));
    }

    #[test]
    fn what_is_refused_is_told_with_what_is_accepted() {
        let told = |text: &str| text.parse::<Dialled>().unwrap_err();
        assert!(
            told("dns/udp").starts_with("`dns` is no port number: write a number from 1 to 65535 and tcp")
        );
        assert!(told("5432/tpc").starts_with("`tpc` is no protocol: write a number"));
        assert!(told("http").ends_with("ICMP is icmp or icmpv6 alone; names of ports are not read"));
        assert_eq!(told("tcp/80"), "`tcp/80` is the wrong way round: write 80/tcp");
        assert_eq!(told("8/icmp"), "ICMP has no port: write ICMP alone");
        assert_eq!(told("tcp"), "TCP needs a port: write such as 80/tcp");
    }

    #[test]
    fn what_is_no_service_is_refused() {
        for text in [
            "", "/", "0", "0/tcp", "65536", "+80", "80/", "/tcp", "80/tpc", "tcp", "80/icmp", "http",
            "80/tcp/x",
        ] {
            assert!(text.parse::<Dialled>().is_err(), "{text:?}");
        }
    }
}
