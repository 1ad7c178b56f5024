//! Probes that are switched off: the rest goes on, and says what is not seen.

use crate::support::{Agent, Manifests, SECOND, pair, told};
use portolan_lab::{Direction, Mechanism, Protocol};
use portolan_policy::{Outcome, Verdict};

#[test]
fn without_the_device_programs_drops_are_still_told() {
    let mut lab = pair("nodev");
    lab.enforce(Mechanism::NftDrop, Direction::Ingress, "shop/web", &[(Protocol::Tcp, 8080)]).unwrap();
    let web = lab.pod_info("shop/web").unwrap();
    let agent = Agent::start_with(&lab, "n1", &["--without", "portolan_from,portolan_to"]);
    lab.connect_tcp("shop/client", web.v4(), 8080, SECOND / 2).unwrap();
    let log = agent.log();
    for probe in ["portolan_from", "portolan_to"] {
        assert!(log.contains(&format!("probe=\"{probe}\"")), "{log}");
    }
    let flows = agent.stop();
    assert_eq!(flows.len(), 1, "{flows:#?}");
    assert_eq!(told(&flows[0]), (Outcome::Dropped, Verdict::Blocked), "{flows:#?}");
    assert_eq!(flows[0].drop_reason.as_deref(), Some("NETFILTER_DROP"), "{flows:#?}");
}

#[test]
fn without_the_tracepoints_what_crosses_the_devices_is_still_told() {
    let lab = pair("notp");
    let web = lab.pod_info("shop/web").unwrap();
    let _server = lab.serve_tcp("shop/web", 8080).unwrap();
    let agent = Agent::start_with(&lab, "n1", &["--without", "kfree_skb,inet_sock_set_state"]);
    let attempt = lab.connect_tcp("shop/client", web.v4(), 8080, SECOND).unwrap();
    assert!(attempt.result.succeeded(), "{attempt:?}");
    let log = agent.log();
    assert!(log.contains("dropped attempts show as no-reply"), "{log}");
    let flows = agent.stop();
    assert_eq!(flows.len(), 1, "{flows:#?}");
    assert_eq!(told(&flows[0]), (Outcome::Established, Verdict::Allowed), "{flows:#?}");
}

#[test]
fn an_agent_without_any_probe_says_why_and_ends() {
    let lab = pair("noprobe");
    let all = "portolan_from,portolan_to,kfree_skb,inet_sock_set_state";
    let manifests = Manifests::of(&lab);
    let mut command = manifests.command();
    command.args(["--without", all]);
    let mut process = lab.spawn_in_node("n1", command).unwrap();
    let status = process.wait(SECOND * 30).unwrap();
    let log = process.stderr().join("\n");
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("no probe works") && log.contains("kfree_skb: switched off by --without"), "{log}");
}
