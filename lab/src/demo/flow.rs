//! A flow as `portolan observe -o jsonl` prints it, read as any script would: by the field names of the contract,
//! not with Portolan's own types.

use std::net::IpAddr;

use serde::Deserialize;

use super::DemoError;

/// One line.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct FlowLine {
    /// Who opened the connection.
    pub source: EndLine,
    /// Whom it reached or would have reached.
    pub destination: EndLine,
    /// The service it was opened through.
    pub service: Option<NameLine>,
    /// `TCP`, `UDP`, `ICMP`, …
    pub protocol: String,
    /// What the network did.
    pub outcome: String,
    /// The kernel's name for a drop.
    pub drop_reason: Option<String>,
    /// Outcome and decision together.
    pub verdict: String,
    /// The policies at the source.
    pub egress: SideLine,
    /// The policies at the destination.
    pub ingress: SideLine,
    /// How many attempts it stands for.
    pub attempts: u64,
}

/// One end of a flow.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct EndLine {
    /// `pod`, `node`, `service`, `external`.
    pub kind: String,
    /// Of a pod or service.
    pub namespace: Option<String>,
    /// Of a pod.
    pub pod: Option<String>,
    /// Of a node, or where a pod runs.
    pub node: Option<String>,
    /// Of a service.
    pub name: Option<String>,
    /// The address.
    pub ip: IpAddr,
    /// The port, if the protocol has one.
    pub port: Option<u16>,
}

/// Something in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct NameLine {
    /// The namespace; none of a cluster-wide policy.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

/// What the policies say on one side.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SideLine {
    /// `not-isolated`, `admitted`, `denied`, …
    pub verdict: String,
    /// Which ones.
    pub policies: Vec<NameLine>,
}

impl EndLine {
    /// `namespace/pod`, a node's name, `namespace/service`, or the address.
    pub fn label(&self) -> String {
        let namespace = self.namespace.as_deref().unwrap_or_default();
        match (self.kind.as_str(), &self.pod, &self.node, &self.name) {
            ("pod", Some(pod), ..) => format!("{namespace}/{pod}"),
            ("node", _, Some(node), _) => node.clone(),
            ("service", .., Some(name)) => format!("{namespace}/{name}"),
            _ => self.ip.to_string(),
        }
    }
}

impl NameLine {
    /// `namespace/name`.
    pub fn label(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.clone(),
        }
    }
}

impl SideLine {
    /// The policies by name, in order, each once.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.policies.iter().map(NameLine::label).collect();
        names.sort();
        names.dedup();
        names
    }
}

/// Reads lines; the first that is no flow is the error.
pub(super) fn parse_all(lines: &[String]) -> Result<Vec<FlowLine>, DemoError> {
    let parse = |line: &String| {
        serde_json::from_str(line).map_err(|source| DemoError::Flow { line: line.clone(), source })
    };
    lines.iter().map(parse).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The example of the contract.
    pub(in crate::demo) const EXAMPLE: &str = r#"{"time":"2026-11-20T12:00:00Z","end_time":"2026-11-20T12:00:01Z",
        "source":{"kind":"pod","namespace":"shop","pod":"web-7d9f-x2","workload":{"kind":"Deployment","name":"web"},
        "ip":"10.0.0.1","port":40002,"node":"n1"},
        "destination":{"kind":"pod","namespace":"shop","pod":"db-0","workload":{"kind":"StatefulSet","name":"db"},
        "ip":"10.0.0.2","port":5432,"node":"n2"},
        "service":{"namespace":"shop","name":"db","ip":"10.96.0.7","port":5432},"protocol":"TCP",
        "outcome":"established","drop_reason":null,"verdict":"allowed",
        "egress":{"verdict":"not-isolated","policies":[]},
        "ingress":{"verdict":"admitted","policies":[{"kind":"NetworkPolicy","namespace":"shop","name":"db","rule":0}]},
        "reporter":"both","attempts":3,"packets":42,"bytes":9000,
        "latency_us":{"min":80,"p50":95,"p99":210,"max":240},"lost":0}"#;

    #[test]
    fn the_example_of_the_contract_is_read() {
        let flow: FlowLine = serde_json::from_str(EXAMPLE).unwrap();
        assert_eq!(flow.source.label(), "shop/web-7d9f-x2");
        assert_eq!(flow.destination.port, Some(5432));
        assert_eq!(flow.ingress.names(), ["shop/db"]);
        assert_eq!(flow.attempts, 3);
    }

    #[test]
    fn a_line_that_is_no_flow_is_named() {
        let error = parse_all(&["{}".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("no flow: {}"), "{error}");
    }
}
