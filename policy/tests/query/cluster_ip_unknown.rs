//! Services as they stand in Git: without a `clusterIP`, which is not the same as `clusterIP: None`.

use crate::cluster_of;
use portolan_policy::{Answer, Explanation, Protocol, Query, QueryError};

/// A service that translates 80 to 8080 of one pod, and 53/UDP to 5353 of the same.
const FROM_GIT: &str = "
{apiVersion: v1, kind: Pod, metadata: {namespace: g, name: cli}, status: {podIPs: [{ip: 10.9.0.1}]}}
---
apiVersion: v1
kind: Pod
metadata: {namespace: g, name: web-0, labels: {app: web}}
status: {podIPs: [{ip: 10.9.0.2}]}
---
apiVersion: v1
kind: Service
metadata: {namespace: g, name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}, {name: dns, port: 53, protocol: UDP}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: g, name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.9.0.2]}]
ports: [{name: http, port: 8080}, {name: dns, port: 5353, protocol: UDP}]
---
";

fn policy(port: u16, protocol: &str) -> String {
    format!(
        "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{namespace: g, name: web}}, \
         spec: {{podSelector: {{matchLabels: {{app: web}}}}, \
         ingress: [{{ports: [{{port: {port}, protocol: {protocol}}}]}}]}}}}"
    )
}

fn query(from: &str, port: Option<u16>, protocol: Protocol) -> Query {
    let (from, to) = (from.parse().unwrap(), "svc:g/web".parse().unwrap());
    Query { from, to, port, protocol, family: None }
}

fn ask(manifests: &str, query: &Query) -> Result<(Answer, Explanation), QueryError> {
    let cluster = cluster_of(manifests);
    let (answer, explanation) = (query.answer(&cluster)?, query.explain(&cluster)?);
    assert_eq!(explanation.allowed, answer.allowed, "{explanation}");
    assert_eq!(explanation.ingress.policies, answer.ingress.policies, "{explanation}");
    Ok((answer, explanation))
}

#[test]
fn a_service_without_a_cluster_ip_is_asked_at_the_port_of_its_slice() {
    let allowed = |port, policy: &str| {
        let (answer, _) = ask(&(FROM_GIT.to_owned() + policy), &query("g/cli", port, Protocol::Tcp)).unwrap();
        answer.allowed
    };
    assert_eq!(allowed(Some(80), &policy(80, "TCP")), Some(false));
    assert_eq!(allowed(Some(80), &policy(8080, "TCP")), Some(true));
    // Without a port it stands for all its ports of the protocol.
    assert_eq!(allowed(None, &policy(8080, "TCP")), Some(true));
    assert_eq!(allowed(None, &policy(80, "TCP")), Some(false));
    let dns = ask(&(FROM_GIT.to_owned() + &policy(5353, "UDP")), &query("g/cli", Some(53), Protocol::Udp));
    assert_eq!(dns.unwrap().0.allowed, Some(true));
}

#[test]
fn its_explanation_tells_the_endpoint_and_how_to_admit_it() {
    let manifests = FROM_GIT.to_owned() + &policy(80, "TCP");
    let (_, explanation) = ask(&manifests, &query("g/cli", Some(80), Protocol::Tcp)).unwrap();
    assert_eq!(
        explanation.to_string(),
        "\
g/cli -> service g/web, 80/TCP: denied at ingress
10.9.0.1 -> 10.9.0.2 (IPv4)
service g/web has a ClusterIP that is not known; policies see its endpoint g/web-0, 8080/TCP

egress of g/cli: allowed, no policy isolates it

ingress of g/web-0: denied by isolation
  NetworkPolicy g/web selects it by app=web: its ingress rule does not admit this
    ingress rule 0: port 8080 is not among 80/TCP
      hint: 80 is the port of service g/web; policies see the pod's port
  to admit it: add port 8080/TCP to ingress rule 0 of NetworkPolicy g/web
    then: allowed"
    );
    assert!(!explanation.destination.headless);
}

/// Whether the ClusterIP is written down changes no answer, not even through itself.
#[test]
fn the_answer_is_that_of_the_same_service_with_a_cluster_ip() {
    let second = "
---
{apiVersion: v1, kind: Pod, metadata: {namespace: g, name: web-1, labels: {app: web, n: b}}, status: {podIPs: [{ip: 10.9.0.3}]}}
---
";
    let two =
        FROM_GIT.replace("[{addresses: [10.9.0.2]}]", "[{addresses: [10.9.0.2]}, {addresses: [10.9.0.3]}]");
    assert_ne!(two, FROM_GIT);
    for of_git in [FROM_GIT.to_owned(), two + second.trim_start_matches("\n---\n")] {
        for policy in
            [policy(80, "TCP"), policy(8080, "TCP"), policy(8080, "TCP").replace("app: web", "n: b")]
        {
            let of_git = of_git.clone() + &policy;
            let known = of_git.replace("spec: {selector", "spec: {clusterIP: 10.96.0.7, selector");
            assert_ne!(known, of_git);
            for from in ["g/cli", "g/web-0"] {
                for port in [Some(80), None] {
                    let query = query(from, port, Protocol::Tcp);
                    let [unknown, known] = [&of_git, &known].map(|text| ask(text, &query).unwrap().0);
                    assert_eq!(unknown, known, "{query:?} of\n{of_git}");
                }
            }
        }
    }
}

#[test]
fn what_leads_nowhere_is_told_with_the_mend() {
    let told = |manifests: &str, port, protocol| {
        ask(manifests, &query("g/cli", port, protocol)).unwrap_err().to_string()
    };
    assert_eq!(
        told(FROM_GIT, Some(81), Protocol::Tcp),
        "to: service g/web has no port 81/TCP, only 80/TCP, 53/UDP; ask for a port that it has, or about one of its pods"
    );
    assert!(
        told(FROM_GIT, None, Protocol::Icmp).starts_with("to: ICMP leads to no endpoint of service g/web; ")
    );
    let empty = FROM_GIT.replace("[{addresses: [10.9.0.2]}]", "[]");
    assert_eq!(
        told(&empty, Some(80), Protocol::Tcp),
        "to: service g/web has a ClusterIP that is not known, and no ready endpoint of it is known for 80/TCP; add its \
         EndpointSlice and spec.clusterIP, or ask about one of its pods"
    );
}

#[test]
fn another_name_for_something_outside_is_told() {
    let service = "{apiVersion: v1, kind: Service, metadata: {namespace: g, name: web}, \
                   spec: {type: ExternalName, externalName: db.example.com}}";
    let cluster = cluster_of(&format!("{}---\n{service}", FROM_GIT.split("---").next().unwrap()));
    let told = query("g/cli", Some(80), Protocol::Tcp).answer(&cluster).unwrap_err().to_string();
    assert_eq!(
        told,
        "to: service g/web is another name for db.example.com and has no endpoints; ask for the address that \
         db.example.com leads to"
    );
}
