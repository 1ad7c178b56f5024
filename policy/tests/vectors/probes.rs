//! Cases with single connections: allowed or denied, both sides together.

use crate::{
    read,
    state::{State, object},
};
use portolan_policy::{
    Connection, Decision, Object, Protocol, SideVerdict, api::v1alpha2::ClusterNetworkPolicy,
};
use serde::Deserialize;
use serde_json::json;
use std::net::IpAddr;

#[derive(Deserialize)]
struct Case {
    #[serde(flatten)]
    state: State,
    mock: Option<Mock>,
    probes: Vec<Probe>,
}

/// The two outer tiers as fixed verdicts.
#[derive(Deserialize)]
struct Mock {
    admin_tier_verdict: String,
    baseline_tier_verdict: String,
}

#[derive(Deserialize)]
struct Probe {
    src: Place,
    dst: Place,
    port: u16,
    protocol: Protocol,
    expect: String,
    tier_verdict: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Place {
    Pod(String),
    Ip(IpAddr),
}

/// How many of the verdicts were checked.
#[derive(Debug, Default, PartialEq)]
struct Checked {
    probes: usize,
    tiers: usize,
}

impl Place {
    fn ip(&self, state: &State) -> IpAddr {
        match self {
            Self::Pod(name) => state.ip(name),
            Self::Ip(ip) => *ip,
        }
    }
}

impl Mock {
    /// Policies that give every connection between pods the fixed verdicts.
    fn objects(&self) -> Vec<Object> {
        let tiers = [("Admin", &self.admin_tier_verdict), ("Baseline", &self.baseline_tier_verdict)];
        let decided = tiers.into_iter().filter(|(_, verdict)| *verdict != "Next");
        decided.map(|(tier, verdict)| fixed(tier, verdict)).collect()
    }
}

fn fixed(tier: &str, action: &str) -> Object {
    object::<ClusterNetworkPolicy>(json!({
        "metadata": {"name": tier.to_lowercase()},
        "spec": {
            "tier": tier,
            "priority": 0,
            "subject": {"namespaces": {}},
            "ingress": [{"action": action, "from": [{"namespaces": {}}]}],
            "egress": [{"action": action, "to": [{"namespaces": {}}]}],
        },
    }))
}

/// What the only tier with policies says of a connection.
fn tier_verdict(decision: &Decision) -> &'static str {
    let verdicts = [decision.egress.verdict, decision.ingress.verdict];
    if verdicts.contains(&SideVerdict::Denied) {
        "Deny"
    } else if verdicts.contains(&SideVerdict::Admitted) {
        "Accept"
    } else {
        "Next"
    }
}

impl Case {
    fn check(&self, checked: &mut Checked) {
        let mocks = self.mock.iter().flat_map(Mock::objects);
        let evaluators = self.state.evaluators(mocks);
        for probe in &self.probes {
            let connection = Connection {
                source: probe.src.ip(&self.state),
                destination: probe.dst.ip(&self.state),
                port: Some(probe.port),
                protocol: probe.protocol,
            };
            let decision = evaluators.decide(&connection);
            let expected = Some(probe.expect == "allow");
            assert_eq!(decision.admits(), expected, "{}: {connection:?}: {decision:?}", self.state.id);
            checked.probes += 1;
            if let Some(expected) = &probe.tier_verdict {
                assert_eq!(
                    tier_verdict(&decision),
                    expected,
                    "{}: {connection:?}: {decision:?}",
                    self.state.id
                );
                checked.tiers += 1;
            }
        }
    }
}

fn check(file: &str, expected: &Checked) {
    let Some(cases) = read::<Case>(file) else { return };
    let mut checked = Checked::default();
    for case in &cases {
        case.check(&mut checked);
    }
    assert_eq!(&checked, expected);
}

#[test]
fn the_kubernetes_end_to_end_tests_agree() {
    check("k8s-e2e-netpol.json", &Checked { probes: 506, tiers: 0 });
}

#[test]
fn the_cases_of_kube_network_policies_agree() {
    check("kube-network-policies.json", &Checked { probes: 69, tiers: 12 });
}
