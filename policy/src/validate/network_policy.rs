//! NetworkPolicy v1 (N1–N25, §8).

use super::{
    Path, ip_block,
    report::Report,
    selector::{self, Place},
    syntax,
    workload::{PORT_NAME_MEND, number, protocol},
};
use crate::shown::quote;
use k8s_openapi::{
    api::networking::v1::{NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort},
    apimachinery::pkg::util::intstr::IntOrString,
};

/// The effect of a port entry that cannot be read.
const NO_PORT: &str = "the entry matches no port";

/// The directions that `policyTypes` may name.
const TYPES: usize = 2;

/// Checks the spec.
pub(super) fn check(report: &mut Report<'_>, policy: &NetworkPolicy) {
    let Some(spec) = &policy.spec else { return };
    let at = Path::root("spec");
    if let Some(pods) = &spec.pod_selector {
        selector::check(report, &at.field("podSelector"), pods, Place::Subject);
    }
    policy_types(report, &at.field("policyTypes"), spec.policy_types.as_deref().unwrap_or_default());
    let ingress = at.field("ingress");
    for (index, rule) in spec.ingress.iter().flatten().enumerate() {
        let at = ingress.index(index);
        peers(report, &at.field("from"), rule.from.as_deref().unwrap_or_default());
        ports(report, &at.field("ports"), rule.ports.as_deref().unwrap_or_default());
    }
    let egress = at.field("egress");
    for (index, rule) in spec.egress.iter().flatten().enumerate() {
        let at = egress.index(index);
        peers(report, &at.field("to"), rule.to.as_deref().unwrap_or_default());
        ports(report, &at.field("ports"), rule.ports.as_deref().unwrap_or_default());
    }
}

fn policy_types(report: &mut Report<'_>, at: &Path<'_>, types: &[String]) {
    report.at_most(at, types.len(), TYPES, "repetitions are ignored");
    for (index, word) in types.iter().enumerate() {
        if !matches!(word.as_str(), "Ingress" | "Egress") {
            let problem = format!("no policy type: {}", quote(word));
            let effect = "whether the policy isolates in a direction that it does not name is unknown";
            report.invalid(&at.index(index), problem, "write Ingress or Egress", effect);
        }
    }
}

fn peers(report: &mut Report<'_>, at: &Path<'_>, peers: &[NetworkPolicyPeer]) {
    for (index, peer) in peers.iter().enumerate() {
        check_peer(report, &at.index(index), peer);
    }
}

/// N11: one of the forms, a namespace and a pod selector being one.
fn check_peer(report: &mut Report<'_>, at: &Path<'_>, peer: &NetworkPolicyPeer) {
    let NetworkPolicyPeer { ip_block, namespace_selector, pod_selector } = peer;
    let has_selector = namespace_selector.is_some() || pod_selector.is_some();
    match (ip_block.is_some(), has_selector) {
        (false, false) => {
            let mend = "write podSelector, namespaceSelector or ipBlock, or leave the list out for any peer";
            report.invalid(at, "the peer says nothing", mend, "the entry matches nobody");
        }
        (true, true) => {
            let mend = "write two entries, one for each";
            report.invalid(at, "ipBlock and a selector in one peer", mend, "the entry matches nobody");
        }
        _ => {}
    }
    if let Some(namespaces) = namespace_selector {
        selector::check(report, &at.field("namespaceSelector"), namespaces, Place::Peer);
    }
    if let Some(pods) = pod_selector {
        selector::check(report, &at.field("podSelector"), pods, Place::Peer);
    }
    if let Some(block) = ip_block {
        ip_block::check(report, &at.field("ipBlock"), block);
    }
}

fn ports(report: &mut Report<'_>, at: &Path<'_>, ports: &[NetworkPolicyPort]) {
    for (index, port) in ports.iter().enumerate() {
        let at = at.index(index);
        protocol(report, &at.field("protocol"), port.protocol.as_deref(), NO_PORT);
        match (&port.port, port.end_port) {
            (Some(IntOrString::Int(first)), end) => range(report, &at, *first, end),
            (Some(IntOrString::String(name)), end) => named(report, &at, name, end),
            (None, Some(_)) => {
                let mend = "write port too, or leave endPort out";
                report.invalid(&at.field("endPort"), "endPort without port", mend, NO_PORT);
            }
            (None, None) => {}
        }
    }
}

/// N17.
fn range(report: &mut Report<'_>, at: &Path<'_>, first: i32, end: Option<i32>) {
    number(report, &at.field("port"), first, NO_PORT);
    let Some(end) = end else { return };
    let at = at.field("endPort");
    if end < first {
        let problem = format!("endPort {end} is below port {first}");
        report.invalid(&at, problem, "write the higher number as endPort", NO_PORT);
    } else if end > i32::from(u16::MAX) {
        let mend = "write a number up to 65535";
        report.invalid(&at, format!("{end} is no port"), mend, "the range ends at 65535");
    }
}

/// N18, N19.
fn named(report: &mut Report<'_>, at: &Path<'_>, name: &str, end: Option<i32>) {
    if end.is_some() {
        let mend = "write the port as a number, or leave endPort out";
        report.invalid(&at.field("endPort"), "endPort beside the name of a port", mend, NO_PORT);
    }
    let Err(problem) = syntax::port_name(name) else { return };
    let at = at.field("port");
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
        let problem = format!("{} is text, so it names a port", quote(name));
        let mend = "write the number without quotes";
        return report.invalid(&at, problem, mend, "it is the name of a port, which no container can have");
    }
    let effect = if name.is_empty() { NO_PORT } else { "it is taken as the name of a port" };
    report.invalid(&at, format!("port name {} {problem}", quote(name)), PORT_NAME_MEND, effect);
}
