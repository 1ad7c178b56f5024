//! Headless services that are asked about by name: each ready endpoint is asked at the port given.

use crate::cluster_of;
use portolan_policy::{
    Explanation, Protocol, Query, QueryError, SideDecision, SideVerdict, answer_line,
    explain::SideExplanation,
};

/// Two replicas of a database behind a headless service, of which one has a policy of its own, and
/// one that is not ready.
const REPLICAS: &str = "
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: web, labels: {app: web}}
spec: {containers: []}
status: {phase: Running, podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: db-0, labels: {app: db, role: primary}}
spec: {containers: []}
status: {phase: Running, podIPs: [{ip: 10.0.0.2}, {ip: 'fd00::2'}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: db-1, labels: {app: db, role: replica}}
spec: {containers: []}
status: {phase: Running, podIPs: [{ip: 10.0.0.3}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: db-2, labels: {app: db, role: late}}
spec: {containers: []}
status: {phase: Running, podIPs: [{ip: 10.0.0.4}]}
---
apiVersion: v1
kind: Service
metadata: {namespace: shop, name: db}
spec: {clusterIP: None, ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: shop, name: db-v4, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: '', port: 5432}]
endpoints:
- {addresses: [10.0.0.2], conditions: {ready: true}}
- {addresses: [10.0.0.3]}
- {addresses: [10.0.0.4], conditions: {ready: false}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: shop, name: db-v6, labels: {kubernetes.io/service-name: db}}
addressType: IPv6
ports: [{name: '', port: 5432}]
endpoints: [{addresses: ['fd00::2']}]
---
";

/// Who is admitted to the pods of a role on which port.
fn ingress(role: &str, port: u16) -> String {
    format!(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{namespace: shop, name: {role}}}
spec:
  podSelector: {{matchLabels: {{role: {role}}}}}
  ingress: [{{ports: [{{port: {port}}}]}}]
---
"
    )
}

fn ask(policies: &[String], question: &str) -> Result<Explanation, QueryError> {
    let (from, to) = question.split_once(" -> ").unwrap();
    let (to, port) = to.split_once(" on ").unwrap();
    let (to, family) = to.split_once(" as ").map_or((to, None), |(to, f)| (to, Some(f.parse().unwrap())));
    let (port, protocol) = match port.split_once('/') {
        Some((port, protocol)) => (Some(port.parse().unwrap()), protocol),
        None => (None, port),
    };
    let protocol: Protocol = protocol.parse().unwrap();
    let query = Query { from: from.parse().unwrap(), to: to.parse().unwrap(), port, protocol, family };
    let cluster = cluster_of(&(REPLICAS.to_owned() + &policies.concat()));
    let (answer, explanation) = (query.answer(&cluster)?, query.explain(&cluster)?);
    let [of_answer, of_explanation] = [
        (answer.allowed, answer.egress, answer.ingress),
        (explanation.allowed, decision(&explanation.egress).into(), decision(&explanation.ingress).into()),
    ];
    assert_eq!(of_answer, of_explanation, "{question}");
    Ok(explanation)
}

fn decision(side: &SideExplanation) -> SideDecision {
    SideDecision { verdict: side.verdict, policies: side.policies.clone(), reason: side.reason.clone() }
}

fn told(policies: &[String], question: &str) -> String {
    ask(policies, question).unwrap().to_string()
}

#[test]
fn every_ready_endpoint_is_asked_at_the_port_that_is_given() {
    let policies = [ingress("primary", 5432), ingress("replica", 5432), ingress("late", 1)];
    let allowed = |question| ask(&policies, question).unwrap().allowed;
    assert_eq!(allowed("shop/web -> svc:shop/db on 5432/TCP"), Some(true));
    // Neither the service's port nor a port that no slice has is translated.
    assert_eq!(allowed("shop/web -> svc:shop/db on 80/TCP"), Some(false));
    assert_eq!(allowed("shop/web -> svc:shop/db on 9999/TCP"), Some(false));
    assert_eq!(allowed("shop/web -> svc:shop/db on 5432/UDP"), Some(false));
}

#[test]
fn endpoints_that_differ_leave_it_open_and_are_told_one_by_one() {
    let policies = [ingress("primary", 5432), ingress("replica", 5433)];
    let explanation = ask(&policies, "shop/web -> svc:shop/db on 5432/TCP").unwrap();
    assert_eq!(explanation.egress.verdict, SideVerdict::NotIsolated);
    assert_eq!(
        explanation.ingress.reason.as_deref(),
        Some("backend not chosen: the endpoints of service shop/db differ")
    );
    assert_eq!(
        explanation.to_string(),
        "\
shop/web -> headless service shop/db, 5432/TCP: denied at 1 of 2 endpoints: shop/db-1
10.0.0.1 -> 10.0.0.2, 10.0.0.3 (IPv4)
service shop/db has no address of its own; policies see the endpoint that is chosen:
  denied at ingress: shop/db-1 (5432/TCP)
  allowed: shop/db-0 (5432/TCP)

egress of shop/web: allowed, no policy isolates it

ingress of shop/db-1: denied by isolation
  NetworkPolicy shop/replica selects it by role=replica: its ingress rule does not admit this
    ingress rule 0: port 5432 is not among 5433/TCP
  1 other policy of the namespace does not select it
  to admit it: add port 5432/TCP to ingress rule 0 of NetworkPolicy shop/replica
    then: allowed"
    );
}

#[test]
fn a_change_for_a_headless_service_is_tried_with_all_endpoints() {
    let both = ingress("primary", 5433).replace("{role: primary}", "{app: db}");
    let explanation = ask(&[both], "shop/web -> svc:shop/db on 5432/TCP").unwrap();
    assert_eq!(explanation.allowed, Some(false));
    let proposal = explanation.ingress.proposal.unwrap();
    assert_eq!(proposal.text, "add port 5432/TCP to ingress rule 0 of NetworkPolicy shop/primary");
    assert_eq!(proposal.then.allowed, Some(true));
    let each = [ingress("primary", 5433), ingress("replica", 5433)];
    let text = told(&each, "shop/web -> svc:shop/db on 5432/TCP");
    assert!(text.contains("denied at ingress\n"), "{text}");
    assert!(
        text.contains("of NetworkPolicy shop/primary\n") && text.contains("of NetworkPolicy shop/replica\n")
    );
}

#[test]
fn the_family_is_the_first_that_an_endpoint_and_the_source_have() {
    let policies = [ingress("replica", 1)];
    let allowed = |question| ask(&policies, question).unwrap().allowed;
    assert_eq!(allowed("shop/web -> svc:shop/db on 5432/TCP"), None);
    assert_eq!(allowed("shop/web -> svc:shop/db as IPv6 on 5432/TCP"), Some(true));
    assert_eq!(
        ask(&policies, "shop/db-1 -> svc:shop/db as IPv6 on 5432/TCP").unwrap_err().to_string(),
        "from: shop/db-1 has no IPv6 address; leave the family out or ask for the other one"
    );
}

#[test]
fn an_endpoint_that_reaches_itself_by_a_headless_name_is_outside_all_policies() {
    let policies = [ingress("primary", 1), ingress("replica", 1)];
    let explanation = ask(&policies, "shop/db-0 -> svc:shop/db as IPv6 on 5432/TCP").unwrap();
    assert_eq!(explanation.allowed, Some(true));
    assert_eq!(explanation.ingress.verdict, SideVerdict::NotApplicable);
    assert!(explanation.to_string().contains("a pod may always reach itself"), "{explanation}");
    // The other endpoint is not itself.
    assert_eq!(ask(&policies, "shop/db-0 -> svc:shop/db on 5432/TCP").unwrap().allowed, None);
}

#[test]
fn without_a_port_or_for_icmp_the_endpoints_are_asked_so() {
    let policies = [ingress("replica", 5432)];
    let text = told(&policies, "shop/web -> svc:shop/db on TCP");
    assert!(
        text.starts_with(
            "shop/web -> headless service shop/db, TCP: cannot be said at 1 of 2 endpoints: shop/db-1: the \
             destination port\n    is not known\n"
        ),
        "{text}"
    );
    let text = told(&policies, "shop/web -> svc:shop/db on ICMP");
    assert!(
        text.starts_with(
            "shop/web -> headless service shop/db, ICMP: denied at 1 of 2 endpoints: shop/db-1\n"
        ),
        "{text}"
    );
}

#[test]
fn a_line_of_a_batch_asks_a_headless_service_too() {
    let cluster = cluster_of(&(REPLICAS.to_owned() + &ingress("primary", 5432)));
    let line = br#"{"id":1,"from":{"pod":"shop/web"},"to":{"service":"shop/db"},"port":5432}"#;
    let reply = serde_json::to_string(&answer_line(&cluster, line)).unwrap();
    assert_eq!(
        reply,
        r#"{"id":1,"allowed":true,"egress":{"verdict":"not-isolated","policies":[]},"ingress":{"verdict":"admitted","policies":[{"kind":"NetworkPolicy","namespace":"shop","name":"primary","rule":0}]}}"#
    );
}

#[test]
fn a_headless_service_of_one_endpoint_is_that_pod() {
    for policies in [vec![], vec![ingress("primary", 5432)], vec![ingress("primary", 1)]] {
        let of_service = ask(&policies, "shop/web -> svc:shop/db as IPv6 on 5432/TCP").unwrap();
        let of_pod = ask(&policies, "shop/web -> shop/db-0 as IPv6 on 5432/TCP").unwrap();
        assert_eq!(of_service.egress, of_pod.egress);
        assert_eq!(of_service.ingress, of_pod.ingress);
        assert!(of_service.to_string().contains("policies see its endpoint shop/db-0, 5432/TCP"));
    }
}

#[test]
fn the_port_of_a_headless_service_is_translated_by_nobody_and_that_is_said() {
    let hint = |question: &str| ask(&[], question).unwrap().service.unwrap().hint;
    let told = "nothing translates 80; its slice says 5432";
    assert_eq!(hint("shop/web -> svc:shop/db on 80/TCP").as_deref(), Some(told));
    assert!(self::told(&[], "shop/web -> svc:shop/db on 80/TCP").contains(&format!("\nhint: {told}\n")));
    for question in ["on 5432/TCP", "on TCP", "on 80/UDP", "on ICMP"] {
        assert_eq!(hint(&format!("shop/web -> svc:shop/db {question}")), None, "{question}");
    }
}

#[test]
fn endpoints_that_are_allowed_for_different_reasons_are_told_one_by_one() {
    let text = told(&[ingress("replica", 5432)], "shop/web -> svc:shop/db on 5432/TCP");
    assert!(text.contains("\ningress of shop/db-0: allowed, no policy isolates it\n"), "{text}");
    assert!(text.contains("\ningress of shop/db-1: admitted\n"), "{text}");
    assert!(text.contains("\n  NetworkPolicy shop/replica "), "{text}");
    assert!(!text.contains("in any case"), "{text}");
}
