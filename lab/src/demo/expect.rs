//! What must be found in the flows, said by hand for each attempt of a client.

use std::fmt;
use std::net::SocketAddr;

/// What the policies should say on one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// The spelling of the flows: `not-isolated`, `admitted`, `denied`, `not-applicable`.
    pub verdict: &'static str,
    /// `namespace/name` of the policies, in order.
    pub policies: Vec<&'static str>,
}

impl Side {
    /// No policy isolates this side.
    pub fn open() -> Self {
        Self { verdict: "not-isolated", policies: Vec::new() }
    }

    /// No policy could have a say on this side.
    pub fn none() -> Self {
        Self { verdict: "not-applicable", policies: Vec::new() }
    }

    /// These policies admit.
    pub fn admitted(policies: &[&'static str]) -> Self {
        Self { verdict: "admitted", policies: policies.to_vec() }
    }

    /// These policies isolate and none admits.
    pub fn denied(policies: &[&'static str]) -> Self {
        Self { verdict: "denied", policies: policies.to_vec() }
    }
}

/// One or more attempts that must look alike in the flows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// Who dialled: `namespace/pod`, a node, an outside address.
    pub source: String,
    /// Who may have been reached: several behind a service, one otherwise.
    pub destinations: Vec<String>,
    /// The service that was dialled.
    pub service: Option<String>,
    /// The port after address translation.
    pub port: Option<u16>,
    /// The spelling of the flows.
    pub protocol: &'static str,
    /// The outcomes that describe what the client saw; more than one where the kernel decides.
    pub outcomes: &'static [&'static str],
    /// The verdict.
    pub verdict: &'static str,
    /// The policies at the source.
    pub egress: Side,
    /// The policies at the destination.
    pub ingress: Side,
    /// The client's own addresses, one per attempt.
    pub clients: Vec<SocketAddr>,
}

impl Expectation {
    /// How many attempts it stands for.
    pub fn attempts(&self) -> usize {
        self.clients.len()
    }

    /// Whether another expectation differs by nothing but its clients.
    pub fn is_like(&self, other: &Self) -> bool {
        let Self {
            source,
            destinations,
            service,
            port,
            protocol,
            outcomes,
            verdict,
            egress,
            ingress,
            clients: _,
        } = self;
        *source == other.source
            && *destinations == other.destinations
            && *service == other.service
            && *port == other.port
            && *protocol == other.protocol
            && *outcomes == other.outcomes
            && *verdict == other.verdict
            && *egress == other.egress
            && *ingress == other.ingress
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}", self.source, self.destinations.join("|"))?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "/{} {} {}", self.protocol, self.outcomes.join("|"), self.verdict)?;
        if let Some(service) = &self.service {
            write!(f, " via {service}")?;
        }
        write!(f, ", egress {}", self.egress)?;
        write!(f, ", ingress {}", self.ingress)
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.verdict)?;
        if self.policies.is_empty() { Ok(()) } else { write!(f, " by {}", self.policies.join(", ")) }
    }
}
