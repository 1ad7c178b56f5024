//! How an attempt of the demo is made, and how what should be said of it is written down.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::acts;
use super::expect::{Expectation, Side};
use crate::attempts::{Attempted, Seen};
use crate::error::Result;
use crate::lab::Lab;
use crate::net::addresses::EXTERNAL_V4;
use crate::place::Place;
use crate::spec::Protocol;

/// How long a client waits. Shorter than the first retransmission, so that an attempt is one packet.
const WAIT: Duration = Duration::from_millis(500);

/// How often a customer walks through the shop.
const CUSTOMERS: usize = 4;

pub(super) const DNS: &str = "kube-system/kube-dns";

/// What the traffic was, and what should be said of it.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) expectations: Vec<Expectation>,
    /// Attempts that went otherwise than the firewall was told: then the demo itself is wrong.
    pub(super) surprises: Vec<String>,
}

/// What the network does with an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Goes through and is answered.
    Answered,
    /// Goes through and nobody answers.
    Silent,
    /// Reaches the pod, which has no room for it.
    Overflow,
    /// Reaches the pod, which refuses.
    Refused,
    /// The firewall drops it.
    Dropped,
    /// The firewall refuses it.
    Rejected,
}

impl Fate {
    /// The outcomes that describe it.
    fn outcomes(self) -> &'static [&'static str] {
        match self {
            Self::Answered => &["established"],
            Self::Silent => &["delivered"],
            // The kernel of the pod drops what does not fit; from outside nothing comes back.
            Self::Overflow => &["no-reply", "dropped"],
            Self::Refused => &["refused"],
            Self::Dropped => &["dropped"],
            Self::Rejected => &["rejected"],
        }
    }

    /// Whether a client saw it so.
    fn is_seen_as(self, seen: Seen) -> bool {
        match self {
            Self::Answered => seen.succeeded(),
            Self::Silent => seen == Seen::Silent,
            Self::Overflow => seen == Seen::TimedOut,
            Self::Refused => seen == Seen::Refused,
            Self::Dropped => matches!(seen, Seen::TimedOut | Seen::Silent),
            Self::Rejected => matches!(seen, Seen::Refused | Seen::Unreachable(_)),
        }
    }
}

/// Where an attempt goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum To<'a> {
    /// To a pod's own address.
    Pod(&'a str, u16),
    /// To a service: its port, and which pods and port stand behind.
    Service(&'a str, u16, &'a [&'a str], u16),
    /// To an address outside.
    Outside(IpAddr, u16),
}

/// How an attempt is made and what should be said of it.
#[derive(Debug, Clone)]
pub(super) struct Step<'a> {
    from: &'a str,
    /// The outside host has several addresses.
    source: Option<&'a str>,
    to: To<'a>,
    protocol: Protocol,
    v4: bool,
    fate: Fate,
    verdict: &'static str,
    egress: Side,
    ingress: Side,
}

/// A TCP attempt over IPv4 that no policy is concerned with; the rest is said by the methods.
pub(super) fn tcp<'a>(from: &'a str, to: To<'a>) -> Step<'a> {
    let (egress, ingress) = (Side::open(), Side::open());
    let (fate, verdict) = (Fate::Answered, "allowed");
    Step { from, source: None, to, protocol: Protocol::Tcp, v4: true, fate, verdict, egress, ingress }
}

impl<'a> Step<'a> {
    pub(super) fn v6(mut self) -> Self {
        self.v4 = false;
        self
    }

    pub(super) fn over(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    pub(super) fn source(mut self, source: &'a str) -> Self {
        self.source = Some(source);
        self
    }

    pub(super) fn egress(mut self, side: Side) -> Self {
        self.egress = side;
        self
    }

    pub(super) fn ingress(mut self, side: Side) -> Self {
        self.ingress = side;
        self
    }

    pub(super) fn is(mut self, fate: Fate, verdict: &'static str) -> Self {
        (self.fate, self.verdict) = (fate, verdict);
        self
    }
}

/// Makes all attempts, one after the other.
pub(super) fn run(lab: &Lab) -> Result<Told> {
    let mut told = Told::default();
    for _ in 0..CUSTOMERS {
        for step in acts::customer() {
            told.take(lab, &step)?;
        }
    }
    for step in acts::all() {
        told.take(lab, &step)?;
    }
    Ok(told)
}

/// One more customer, of whom nothing is noted.
pub(super) fn welcome_customer(lab: &Lab) -> Result<()> {
    for step in acts::customer() {
        dial(lab, &step)?;
    }
    Ok(())
}

impl Told {
    /// Makes one attempt and notes what should be said of it.
    fn take(&mut self, lab: &Lab, step: &Step<'_>) -> Result<()> {
        let attempt = dial(lab, step)?;
        let expectation = step.expectation(lab, &attempt)?;
        if !step.fate.is_seen_as(attempt.result) {
            let seen = attempt.result;
            self.surprises.push(format!("{expectation}: meant to be {:?}, seen as {seen:?}", step.fate));
        }
        match self.expectations.iter_mut().find(|known| known.is_like(&expectation)) {
            Some(known) => known.clients.extend(expectation.clients),
            None => self.expectations.push(expectation),
        }
        Ok(())
    }
}

fn dial(lab: &Lab, step: &Step<'_>) -> Result<Attempted> {
    let from = Place::from(step.from);
    let (address, port) = match step.to {
        To::Pod(pod, port) => (pick(&lab.pod_info(pod)?.addresses, step.v4), port),
        To::Service(service, port, ..) => (pick(&lab.service_info(service)?.addresses, step.v4), port),
        To::Outside(address, port) => (address, port),
    };
    let source = step.source.map(|source| source.parse().expect("the demo's addresses are addresses"));
    match step.protocol {
        Protocol::Icmp => lab.ping(from, address, 1, WAIT),
        Protocol::Udp if matches!(step.to, To::Service(DNS, ..)) => lab
            .resolve(from, address, "frontend.shop.svc.cluster.local", step.v4, WAIT)
            .map(|(attempt, _)| attempt),
        Protocol::Udp => lab.send_udp(from, address, port, WAIT),
        Protocol::Tcp | Protocol::Sctp => lab.connect_tcp_from(from, source, address, port, WAIT),
    }
}

impl Step<'_> {
    fn expectation(&self, lab: &Lab, attempt: &Attempted) -> Result<Expectation> {
        let (destinations, service, port) = match self.to {
            To::Pod(pod, port) => (vec![pod.to_owned()], None, port),
            To::Service(service, _, pods, port) => {
                (pods.iter().map(ToString::to_string).collect(), Some(service.to_owned()), port)
            }
            To::Outside(address, port) => (vec![address.to_string()], None, port),
        };
        let client = match attempt.local {
            Some(client) => client,
            None => SocketAddr::new(self.usual_source(lab)?, 0),
        };
        let icmp = self.protocol == Protocol::Icmp;
        Ok(Expectation {
            source: self.source.unwrap_or(self.from).to_owned(),
            destinations,
            service,
            port: (!icmp).then_some(port),
            protocol: if icmp && !self.v4 { "ICMPv6" } else { self.protocol.as_str() },
            outcomes: self.fate.outcomes(),
            verdict: self.verdict,
            egress: self.egress.clone(),
            ingress: self.ingress.clone(),
            clients: vec![client],
        })
    }

    /// The address of a client that got no socket.
    fn usual_source(&self, lab: &Lab) -> Result<IpAddr> {
        Ok(match Place::from(self.from) {
            Place::Pod(pod) => pick(&lab.pod_info(&pod)?.addresses, self.v4),
            Place::Node(node) => pick(&lab.node_info(&node)?.addresses.both(), self.v4),
            Place::External | Place::Core => EXTERNAL_V4.into(),
        })
    }
}

fn pick(addresses: &[IpAddr], v4: bool) -> IpAddr {
    let wanted = addresses.iter().find(|address| address.is_ipv4() == v4);
    *wanted.expect("everything in the demo has both families")
}

#[cfg(all(test, feature = "kernel-tests"))]
mod tests {
    use super::*;
    use crate::demo::{firewall, shop};

    #[test]
    fn the_firewall_does_to_every_attempt_what_the_demo_says() {
        let mut lab = Lab::new("traffic").unwrap();
        shop::build(&mut lab).unwrap();
        firewall::load(&lab).unwrap();
        let _servers = shop::serve(&lab).unwrap();
        let told = run(&lab).unwrap();
        assert!(told.surprises.is_empty(), "{:#?}", told.surprises);
        let attempts: usize = told.expectations.iter().map(Expectation::attempts).sum();
        assert_eq!(attempts, lab.attempts().len());
        for verdict in ["allowed", "denied", "unenforced", "failed", "blocked"] {
            assert!(told.expectations.iter().any(|expected| expected.verdict == verdict), "{verdict}");
        }
    }
}
