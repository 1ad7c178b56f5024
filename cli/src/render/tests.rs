//! What people read, line by line.

use super::{Paint, Renderer};
use crate::build::{FlowExt as _, admitted, at, denied, external, flow, node, pod, policy, web_to_db};
use jiff::tz::TimeZone;
use portolan_policy::{
    Enforcer, Evidence, Flow, Outcome, PolicyKind, PolicyRef, Protocol, RuleVerdict, ServiceRef,
    SideDecision, SideVerdict, Who,
};
use std::sync::Arc;

fn line(flow: &Flow) -> String {
    Renderer::new(Paint::Plain, TimeZone::UTC).line(flow, at(1000))
}

fn reached() -> Evidence {
    Evidence { reached_pod: true, ..Evidence::default() }
}

fn unseen() -> Evidence {
    Evidence::default()
}

fn through_service(flow: Flow) -> Flow {
    let ip = "10.96.0.7".parse().unwrap();
    flow.change(|flow| {
        flow.service =
            Some(ServiceRef { namespace: "shop".to_owned(), name: "db".to_owned(), ip, port: 5432 }.into());
    })
}

#[test]
fn every_verdict_says_why() {
    use Outcome::{Delivered, Dropped, NoReply, Refused, Rejected};
    let isolated = || denied(&["shop/db", "shop/default-deny"]);
    let cases = [
        (web_to_db().judged(reached()), "established  ALLOWED"),
        (
            web_to_db().egress(admitted("shop/web")).ingress(admitted("shop/db")).judged(reached()),
            "established  ALLOWED  egress: admitted by shop/web; ingress: admitted by shop/db",
        ),
        (
            web_to_db().ended(Dropped).because("NETFILTER_DROP").ingress(isolated()).judged(unseen()),
            "dropped NETFILTER_DROP  DENIED  ingress: isolated by shop/db, shop/default-deny; none admits it",
        ),
        (
            web_to_db().ended(Rejected).egress(denied(&["shop/web"])).ingress(isolated()).judged(unseen()),
            "rejected  DENIED  egress: isolated by shop/web; it does not admit it; \
             ingress: isolated by shop/db, shop/default-deny; none admits it",
        ),
        (
            web_to_db().ended(NoReply).ingress(denied(&["shop/db"])).judged(unseen()),
            "no-reply  DENIED  ingress: isolated by shop/db; it does not admit it \
             (inferred: no answer, no drop seen)",
        ),
        (
            web_to_db().ingress(isolated()).judged(reached()),
            "established  UNENFORCED  policies deny, yet it connected: not enforced by the network; \
             ingress: isolated by shop/db, shop/default-deny; none admits it",
        ),
        (
            web_to_db().ended(Refused).ingress(denied(&["shop/db"])).judged(reached()),
            "refused  UNENFORCED  policies deny, yet the pod answered: not enforced by the network; \
             ingress: isolated by shop/db; it does not admit it",
        ),
        (
            web_to_db().ended(Delivered).ingress(denied(&["shop/db"])).judged(reached()),
            "delivered  UNENFORCED  policies deny, yet it was delivered: not enforced by the network; \
             ingress: isolated by shop/db; it does not admit it",
        ),
        (
            web_to_db()
                .ended(Dropped)
                .because("NETFILTER_DROP")
                .ingress(admitted("shop/db"))
                .judged(unseen()),
            "dropped NETFILTER_DROP  BLOCKED  policies admit it; something else dropped it",
        ),
        (
            web_to_db().ended(Rejected).judged(unseen()),
            "rejected  BLOCKED  policies admit it; something else rejected it",
        ),
        (
            web_to_db().ended(Refused).judged(reached()),
            "refused  FAILED  policies admit it; nobody listens there",
        ),
        (web_to_db().ended(NoReply).judged(unseen()), "no-reply  FAILED  policies admit it; no answer came"),
        (
            web_to_db().ended(Dropped).because("TCP_LISTEN_OVERFLOW").judged(Evidence {
                reached_pod: true,
                dropped_in_pod: true,
                ..Evidence::default()
            }),
            "dropped TCP_LISTEN_OVERFLOW  FAILED  policies admit it; the pod itself dropped it",
        ),
        (
            web_to_db()
                .ingress(denied(&["shop/db"]))
                .judged(Evidence { recently_changed: true, ..reached() }),
            "established  SETTLING  a pod or policy changed a moment ago; \
             ingress: isolated by shop/db; it does not admit it",
        ),
        (
            web_to_db().ingress(SideDecision::undecidable("the pod is not known yet")).judged(unseen()),
            "established  UNDECIDED  ingress: the pod is not known yet",
        ),
        (
            web_to_db().ingress(denied(&["shop/db"])).judged(unseen()),
            "established  UNDECIDED  policies deny; whether it reached the pod was not seen; \
             ingress: isolated by shop/db; it does not admit it",
        ),
    ];
    for (flow, expected) in cases {
        assert_eq!(line(&flow), format!("12:31:07.412 shop/web-1 → shop/db-0:5432/TCP  {expected}"));
    }
}

#[test]
fn a_rule_that_denies_is_named_with_its_kind() {
    let rule = PolicyRef {
        kind: PolicyKind::ClusterNetworkPolicy,
        namespace: None,
        name: "no-database".to_owned(),
        rule: Some(2),
    };
    let side = SideDecision { verdict: SideVerdict::Denied, policies: vec![rule], reason: None };
    let flow = web_to_db().ended(Outcome::Dropped).egress(side).judged(unseen());
    let expected = "egress: denied by ClusterNetworkPolicy no-database (rule 2)";
    assert!(line(&flow).ends_with(expected), "{}", line(&flow));
}

#[test]
fn ends_of_every_kind_are_named() {
    let web = || pod("shop/web-1", "10.0.1.1", "n1");
    let ip = "10.96.0.7".parse().unwrap();
    let service = Who::Service { namespace: "shop".into(), name: "db".into(), ip }.at(None);
    let host = Who::Node {
        node: "n1".into(),
        namespace: Some("kube-system".into()),
        pod: Some("proxy-x".into()),
        ip: "192.168.0.1".parse().unwrap(),
    }
    .at(None);
    let cases = [
        (through_service(web_to_db()), "shop/web-1 → shop/db-0:5432/TCP via shop/db:5432"),
        (flow(web(), service), "shop/web-1 → service shop/db:5432/TCP"),
        (flow(web(), external("1.1.1.1")), "shop/web-1 → 1.1.1.1:5432/TCP"),
        (flow(web(), external("2001:db8::1")), "shop/web-1 → [2001:db8::1]:5432/TCP"),
        (flow(external("2001:db8::1"), web()), "2001:db8::1 → shop/web-1:5432/TCP"),
        (flow(node("n1", "192.168.0.1"), web()), "node n1 → shop/web-1:5432/TCP"),
        (flow(host, web()), "kube-system/proxy-x on node n1 → shop/web-1:5432/TCP"),
    ];
    for (flow, expected) in cases {
        assert_eq!(line(&flow), format!("12:31:07.412 {expected}  established  ALLOWED"));
    }
    let ping = web_to_db().over(Protocol::Icmp);
    let ping = ping.change(|flow| flow.destination = flow.destination.clone().with_port(None));
    assert_eq!(line(&ping), "12:31:07.412 shop/web-1 → shop/db-0 ICMP  established  ALLOWED");
}

#[test]
fn time_is_told_where_the_reader_is_and_the_date_when_it_was_another_day() {
    let zone = TimeZone::fixed(jiff::tz::offset(2));
    let line = |now| Renderer::new(Paint::Plain, zone.clone()).line(&web_to_db(), now);
    assert!(line(at(0)).starts_with("14:31:07.412 shop"));
    assert!(line(at(86_400_000)).starts_with("2026-01-02 14:31:07.412 shop"));
}

#[test]
fn a_drop_says_where_and_silence_how_often_it_was_asked() {
    let dropped = web_to_db()
        .ended(Outcome::Dropped)
        .because("NETFILTER_DROP")
        .change(|flow| flow.drop_location = Some("netfilter".into()));
    assert!(line(&dropped).contains("  dropped NETFILTER_DROP (netfilter)  "), "{}", line(&dropped));
    let silent = |tries| web_to_db().ended(Outcome::NoReply).change(|flow| flow.tries = tries);
    assert!(line(&silent(4)).contains("  no-reply after 4 tries  "), "{}", line(&silent(4)));
    assert!(line(&silent(1)).contains("  no-reply  "), "{}", line(&silent(1)));
    let evil = silent(1).change(|flow| flow.drop_location = Some("\x1b[2J".into()));
    assert!(!line(&evil).contains('\x1b'), "{}", line(&evil));
}

#[test]
fn the_very_rule_is_told_where_a_sample_names_it() {
    let rule = |comment: &str| Enforcer {
        family: "inet".to_owned(),
        table: "cali".to_owned(),
        chain: "fw".to_owned(),
        handle: Some(17),
        comment: Some(comment.to_owned()),
        verdict: RuleVerdict::Drop,
    };
    let dropped = |comment| {
        web_to_db().ended(Outcome::Dropped).change(|flow| flow.enforced_by = Some(rule(comment).into()))
    };
    let told = line(&dropped("by policy x"));
    assert!(told.ends_with("  [drop in inet cali fw (rule 17, \"by policy x\")]"), "{told}");
    assert!(!line(&dropped("\x1b[2J")).contains('\x1b'));
}

#[test]
fn repeated_attempts_and_losses_are_told() {
    let flow = web_to_db().change(|flow| (flow.attempts, flow.lost) = (3, 7));
    assert!(line(&flow).ends_with("ALLOWED  ×3  [7 records lost before]"), "{}", line(&flow));
}

#[test]
fn what_a_flow_revises_stands_behind_its_outcome() {
    let flow = web_to_db().change(|flow| flow.revises = Some(Outcome::Dropped));
    assert!(line(&flow).contains("  established (was dropped)  ALLOWED"), "{}", line(&flow));
}

#[test]
fn colours_are_around_words_only_when_wanted() {
    let flow = web_to_db().ended(Outcome::Dropped).ingress(denied(&["shop/db"])).judged(unseen());
    let colourful = Renderer::new(Paint::Ansi, TimeZone::UTC).line(&flow, at(0));
    assert!(colourful.contains("\x1b[31mDENIED\x1b[0m"), "{colourful:?}");
    assert!(!line(&flow).contains('\x1b'));
}

#[test]
fn names_from_the_network_cannot_steer_the_terminal() {
    let hostile = flow(pod("shop/\u{1b}[2Jweb", "10.0.1.1", "n1"), pod("shop/db-0\r\n", "10.0.2.2", "n2"))
        .ended(Outcome::Dropped)
        .because("\u{7}\u{9b}")
        .ingress(SideDecision {
            verdict: SideVerdict::Denied,
            policies: vec![policy("shop/\u{1b}]0;x", None)],
            reason: None,
        })
        .judged(unseen());
    let hostile = through_service(hostile).change(|flow| {
        Arc::make_mut(flow.service.as_mut().unwrap()).name = "\u{1b}c".to_owned();
    });
    assert!(!line(&hostile).chars().any(char::is_control), "{:?}", line(&hostile));
}
