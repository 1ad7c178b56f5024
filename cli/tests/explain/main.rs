//! `portolan explain`: what it prints, where, and how it ends.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod batch;
mod files;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

const MANIFESTS: &str = r#"
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: web, labels: {app: web}}
spec: {containers: []}
status: {podIPs: [{ip: 10.0.0.1}, {ip: "fd00::1"}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: db, labels: {app: db}}
spec: {containers: []}
status: {podIPs: [{ip: 10.0.0.2}, {ip: "fd00::2"}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: db}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/24}}], ports: [{port: 5432}]}]
"#;

const GOOD: &str = r#"{"id":1,"from":{"pod":"shop/web"},"to":{"pod":"shop/db"},"port":5432}"#;
const ADMITTED: &str = r#"{"id":1,"allowed":true,"egress":{"verdict":"not-isolated","policies":[]},"ingress":{"verdict":"admitted","policies":[{"kind":"NetworkPolicy","namespace":"shop","name":"db","rule":0}]}}"#;

/// A folder of its own for a test, empty.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("explain").join(test);
    let _absent = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A folder with the manifests in it.
fn shop(test: &str) -> PathBuf {
    let folder = folder(test);
    fs::write(folder.join("shop.yaml"), MANIFESTS).unwrap();
    folder
}

/// `portolan explain` in a folder, which is where its paths begin.
fn explain(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portolan"));
    command.current_dir(folder).arg("explain").args(arguments.split_whitespace());
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

fn run(folder: &Path, arguments: &str) -> Output {
    explain(folder, arguments).output().unwrap()
}

/// Runs with something on standard input.
fn run_with(folder: &Path, arguments: &str, input: &str) -> Output {
    let file = folder.join("input");
    fs::write(&file, input).unwrap();
    explain(folder, arguments).stdin(fs::File::open(file).unwrap()).output().unwrap()
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn one_question_is_answered_and_the_exit_code_does_not_tell_the_verdict() {
    let shop = shop("one_question");
    let ends = "--manifests . --from shop/web --to shop/db";
    for (rest, allowed) in [
        ("--port 5432/tcp --family IPv4", "true"),
        ("--port 5432 --family ipv4", "true"),
        ("--port 5432/tcp --family IPv6", "false"),
        ("--port 5432/udp", "false"),
        ("--port icmp", "false"),
    ] {
        let output = run(&shop, &format!("{ends} {rest} -o jsonl"));
        assert!(out(&output).contains(&format!(r#""allowed":{allowed},"source":"#)), "{rest}: {output:?}");
        assert_eq!((output.status.code(), err(&output)), (Some(0), ""), "{rest}");
    }
}

#[test]
fn an_answer_says_why_and_what_would_admit_it() {
    let shop = shop("why");
    let question = "--manifests . --from shop/web --to shop/db --port 5433 --family IPv4";
    assert_eq!(
        out(&run(&shop, question)),
        "shop/web -> shop/db, 5433/TCP: denied at ingress\n\
         10.0.0.1 -> 10.0.0.2 (IPv4)\n\
         \n\
         egress of shop/web: allowed, no policy isolates it\n\
         \n\
         ingress of shop/db: denied by isolation\n\
         \x20 NetworkPolicy shop/db selects it by app=db: its ingress rule does not admit this\n\
         \x20   ingress rule 0: port 5433 is not among 5432/TCP\n\
         \x20 to admit it: add port 5433/TCP to ingress rule 0 of NetworkPolicy shop/db\n\
         \x20   then: allowed\n"
    );
    let json = run(&shop, &format!("{question} -o json"));
    let json: serde_json::Value = serde_json::from_str(out(&json)).unwrap();
    assert_eq!(json["answer"], "shop/web -> shop/db, 5433/TCP: denied at ingress");
    assert_eq!(json["ingress"]["proposal"]["then"]["allowed"], true);
}

#[test]
fn a_pod_that_is_named_is_explained_though_another_claims_its_address() {
    let shop = shop("claimed");
    let other = "{apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: other}, status: {podIPs: [{ip: 10.0.0.2}]}}";
    fs::write(shop.join("other.yaml"), other).unwrap();
    let answer = |to: &str| {
        let output = run(&shop, &format!("--manifests . --from 203.0.113.1 --to {to} --port 80"));
        out(&output).lines().next().unwrap().to_owned()
    };
    let denied = "203.0.113.1 (external) -> shop/db, 80/TCP: denied at ingress";
    assert_eq!(answer("shop/db"), denied);
    assert!(answer("10.0.0.2").contains("cannot be said"), "{}", answer("10.0.0.2"));
}

#[test]
fn an_address_stands_for_the_pod_that_holds_it() {
    let shop = shop("an_address");
    let by_name = run(&shop, "--manifests . --from shop/web --to shop/db --port 5432 --family IPv4 -o json");
    let by_address = run(&shop, "--manifests . --from 10.0.0.1 --to ::ffff:10.0.0.2 --port 5432 -o json");
    assert_eq!(out(&by_name), out(&by_address));
    assert!(out(&by_name).contains("\"admitted\""), "{by_name:?}");
}

#[test]
fn an_unknown_pod_is_an_error_that_names_the_nearest() {
    let output = run(&shop("unknown_pod"), "--manifests . --from shop/wbe --to shop/db --port 80");
    assert_eq!(err(&output), "portolan: from: pod shop/wbe is not known; did you mean shop/web?\n");
    assert_eq!((output.status.code(), out(&output)), (Some(1), ""));
}

#[test]
fn wrong_usage_is_told_and_ends_with_2() {
    let shop = shop("usage");
    fs::write(shop.join("q.jsonl"), GOOD).unwrap();
    for arguments in [
        "--from shop/web --to shop/db --port 80",
        "--manifests .",
        "--manifests . --from shop/web --to shop/db",
        "--manifests . --from shop/web --port 80",
        "--manifests . --from web --to shop/db --port 80",
        "--manifests . --from shop/web --to shop/db --port 0",
        "--manifests . --from shop/web --to shop/db --port http",
        "--manifests . --from shop/web --to shop/db --port 80/tpc",
        "--manifests . --from shop/web --to shop/db --port 80 --family v4",
        "--manifests . --from shop/web --to shop/db --port 80 --output yaml",
        "--manifests . --from shop/web --to shop/db --port 80 --batch q.jsonl",
        "--manifests - --batch -",
        "--manifests - - --batch q.jsonl",
    ] {
        let output = run(&shop, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {output:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{arguments}: {output:?}");
    }
}

#[test]
fn the_baseline_tier_can_be_read_in_both_ways() {
    let shop = shop("baseline");
    let baseline = "
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: closed}
spec: {tier: Baseline, priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{networks: [0.0.0.0/0]}]}]}
";
    fs::write(shop.join("baseline.yaml"), baseline).unwrap();
    // A policy isolates db in ingress: may Baseline still speak about its egress?
    let question = "--manifests . --from shop/db --to 10.0.0.1 --port 80 -o jsonl";
    let egress = |reading: &str| out(&run(&shop, &format!("{question} {reading}"))).to_owned();
    assert!(
        egress("").contains(r#""egress":{"verdict":"denied","cause":"baseline-denied","#),
        "{}",
        egress("")
    );
    assert_eq!(egress("--baseline per-direction"), egress(""));
    let any = egress("--baseline any-direction");
    assert!(any.contains(r#""egress":{"verdict":"not-isolated","#), "{any}");
    let output = run(&shop, &format!("{question} --baseline both"));
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn a_service_is_asked_by_its_name() {
    let shop = shop("service");
    let service = r#"
{apiVersion: v1, kind: Service, metadata: {namespace: shop, name: db}, spec: {clusterIPs: [10.96.0.7, "fd00:96::7"], ports: [{port: 80}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: shop, name: db-v4, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: '', port: 5432}]
endpoints: [{addresses: [10.0.0.2]}]
"#;
    fs::write(shop.join("service.yaml"), service).unwrap();
    let first = |rest: &str| {
        let output = run(&shop, &format!("--manifests . --from shop/web --to svc:shop/db {rest}"));
        assert_eq!((output.status.code(), err(&output)), (Some(0), ""));
        out(&output).lines().next().unwrap().to_owned()
    };
    assert_eq!(first("--port 80"), "shop/web -> service shop/db (10.96.0.7), 80/TCP: allowed");
    assert_eq!(
        first("--port 5432"),
        "shop/web -> service shop/db (10.96.0.7), 5432/TCP: allowed by the policies, but service shop/db has no port"
    );
    assert_eq!(
        first("--port 80 --family IPv6"),
        "shop/web -> service shop/db (fd00:96::7), 80/TCP: cannot be said: what stands behind service shop/db is not"
    );
    let line = r#"{"id":1,"from":{"pod":"shop/web"},"to":{"service":"shop/db"},"port":80}"#;
    assert_eq!(out(&run_with(&shop, "--manifests . --batch -", line)), format!("{ADMITTED}\n"));
    let empty = service.split_once("---\n").unwrap().1.replace("v4", "v6").replace("IPv4", "IPv6");
    fs::write(shop.join("empty.yaml"), empty.replace("[{addresses: [10.0.0.2]}]", "[]")).unwrap();
    assert_eq!(
        first("--port 80 --family IPv6"),
        "shop/web -> service shop/db (fd00:96::7), 80/TCP: allowed by the policies, but no ready endpoint of service"
    );
}

#[test]
fn dns_answers_are_told_by_option_and_by_file() {
    let shop = shop("dns");
    let policy = "
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: names}
spec:
  tier: Admin
  priority: 1
  subject: {namespaces: {}}
  egress:
    - {action: Accept, to: [{domainNames: ['*.example.com']}]}
    - {action: Deny, to: [{networks: [198.51.100.0/24]}]}
";
    fs::write(shop.join("names.yaml"), policy).unwrap();
    fs::write(shop.join("answers.jsonl"), r#"{"name":"API.example.com.","ips":["198.51.100.8"]}"#).unwrap();
    let allowed = |to: &str, rest: &str| {
        let question =
            format!("--manifests names.yaml shop.yaml --from shop/web --to {to} --port 443 -o jsonl");
        let output = run(&shop, &format!("{question} {rest}"));
        let json: serde_json::Value = serde_json::from_str(out(&output)).unwrap();
        json["allowed"].as_bool()
    };
    assert_eq!(allowed("198.51.100.7", ""), None);
    let told = "--dns api.example.com=198.51.100.7 --dns api.example.com=198.51.100.9,198.51.100.10";
    assert_eq!(allowed("198.51.100.7", told), Some(true));
    assert_eq!(allowed("198.51.100.10", told), Some(true));
    assert_eq!(allowed("198.51.100.8", told), Some(false));
    assert_eq!(allowed("198.51.100.8", "--dns-file answers.jsonl"), Some(true));
    assert_eq!(allowed("198.51.100.7", "--dns-file answers.jsonl"), Some(false));
    let question = "--manifests . --from shop/web --to 198.51.100.8 --port 443";
    assert_eq!(run(&shop, &format!("{question} --dns api")).status.code(), Some(2));
    fs::write(shop.join("bad.jsonl"), "\n{\"name\":1}\n").unwrap();
    let output = run(&shop, &format!("{question} --dns-file bad.jsonl"));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(err(&output).starts_with("portolan: bad.jsonl: line 2 is no DNS answer: "), "{output:?}");
}

#[test]
fn a_service_from_git_is_asked_at_the_port_of_its_slice() {
    let shop = shop("from_git");
    let service = "
{apiVersion: v1, kind: Service, metadata: {namespace: shop, name: db}, spec: {ports: [{port: 80, targetPort: 5432}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: shop, name: db-v4, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{port: 5432}]
endpoints: [{addresses: [10.0.0.2]}]
";
    fs::write(shop.join("service.yaml"), service).unwrap();
    let first = |port: &str| {
        let output = run(&shop, &format!("--manifests . --from shop/web --to svc:shop/db --port {port}"));
        [out(&output), err(&output)].concat().lines().next().unwrap().to_owned()
    };
    assert_eq!(first("80"), "shop/web -> service shop/db, 80/TCP: allowed");
    assert!(first("5432").contains("service shop/db has no port 5432/TCP, only 80/TCP"), "{}", first("5432"));
}

#[test]
fn a_workload_in_the_place_of_a_pod_is_told_to_be_one() {
    let shop = shop("workload");
    let workload = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {namespace: shop, name: cart}\n\
                    spec: {template: {metadata: {labels: {app: cart}}, spec: {containers: []}}}\n";
    fs::write(shop.join("cart.yaml"), workload).unwrap();
    let output = run(&shop, "--manifests . --from shop/cart --to shop/db --port 80");
    let told = "; that is the name of a Deployment: name one of its pods, and give its Pod object, with an address in \
                status.podIPs\n";
    assert!(err(&output).ends_with(told), "{output:?}");
    assert_eq!(output.status.code(), Some(1));
    let output = run(&shop, "--manifests . --from shop/crt --to shop/db --port 80");
    assert!(!err(&output).contains("Deployment"), "{output:?}");
}

#[test]
fn a_source_is_not_offered_to_be_a_service() {
    let shop = shop("source");
    for from in ["cli", "svc:shop/db", "service:shop/db"] {
        let output = run(&shop, &format!("--manifests . --from {from} --to shop/db --port 80"));
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(!err(&output).contains("NAMESPACE/SERVICE"), "{output:?}");
    }
}

#[test]
fn a_pattern_is_no_name_that_leads_somewhere() {
    let shop = shop("pattern");
    let question = "--manifests . --from shop/web --to 198.51.100.8 --port 443";
    let output = run(&shop, &format!("{question} --dns *.example.com=198.51.100.7"));
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(err(&output).contains("write it without `*`"), "{output:?}");
    fs::write(shop.join("dns.jsonl"), r#"{"name":"*.example.com","ips":["198.51.100.7"]}"#).unwrap();
    let output = run(&shop, &format!("{question} --dns-file dns.jsonl"));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(err(&output).contains("line 1 is no DNS answer: `*.example.com` is a pattern"), "{output:?}");
}
