//! `portolan explain`: what it prints, where, and how it ends.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
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
fn a_batch_is_answered_in_order_and_a_bad_line_costs_only_itself() {
    let shop = shop("batch");
    let lines = [
        GOOD,
        "",
        r#"{"id":"two","from":{"pod":"shop/web"},"to":{"pod":"shop/db"},"port":0}"#,
        "what?",
        GOOD,
    ];
    fs::write(shop.join("q.jsonl"), lines.join("\n")).unwrap();
    let output = run(&shop, "--manifests shop.yaml --batch q.jsonl --output jsonl");
    let replies: Vec<&str> = out(&output).lines().collect();
    assert_eq!(replies.len(), 4, "{output:?}");
    assert_eq!((replies[0], replies[3]), (ADMITTED, ADMITTED));
    assert_eq!(
        replies[1],
        r#"{"id":"two","error":"0 is no port; write a number from 1 to 65535, without quotes"}"#
    );
    assert!(
        replies[2].starts_with(r#"{"id":null,"error":"line 4: this is no JSON object; "#),
        "{}",
        replies[2]
    );
    assert_eq!((output.status.code(), err(&output)), (Some(1), ""));
}

#[test]
fn a_batch_without_a_bad_line_ends_with_0_whatever_the_verdicts() {
    let shop = shop("good_batch");
    let denied = GOOD.replace("5432", "80");
    let output = run_with(&shop, "--manifests shop.yaml --batch -", &format!("{GOOD}\r\n{denied}\n"));
    assert!(out(&output).starts_with(&format!("{ADMITTED}\n{{\"id\":1,\"allowed\":false,")), "{output:?}");
    assert_eq!((output.status.code(), err(&output)), (Some(0), ""));
}

#[test]
fn a_batch_can_be_answered_in_words() {
    let shop = shop("words");
    let output = run_with(&shop, "--manifests shop.yaml --batch - --output text", &format!("{GOOD}\n7\n"));
    let (answer, refusal) = out(&output).split_once('\n').unwrap();
    assert_eq!(answer, "1: allowed; egress: not isolated; ingress: admitted by NetworkPolicy shop/db rule 0");
    assert!(refusal.starts_with("null: error: line 2: this is no JSON object"), "{refusal}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_line_without_end_is_passed_over_in_bounded_memory() {
    let shop = shop("long_line");
    let long = format!("{GOOD}\n{}\n{GOOD}\n", " ".repeat(3 * 1024 * 1024));
    let output = run_with(&shop, "--manifests shop.yaml --batch -", &long);
    assert_eq!(out(&output), format!("{ADMITTED}\n{ADMITTED}\n"), "only blanks: no question");
    let long = format!("{GOOD}\n{}\n{GOOD}\n", "x".repeat(3 * 1024 * 1024));
    let output = run_with(&shop, "--manifests shop.yaml --batch -", &long);
    let replies: Vec<&str> = out(&output).lines().collect();
    assert_eq!(replies.len(), 3, "{output:?}");
    assert!(replies[1].contains("longer than a mebibyte"), "{}", replies[1]);
    assert_eq!(replies[2], ADMITTED);
}

#[test]
fn a_question_is_answered_before_the_next_is_asked() {
    let shop = shop("talk");
    let mut command = explain(&shop, "--manifests shop.yaml --batch -");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut questions = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..3 {
        writeln!(questions, "{GOOD}").unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim_end(), ADMITTED);
    }
    drop(questions);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let shop = shop("gone");
    let mut questions = String::new();
    for _ in 0..20_000 {
        writeln!(questions, "{GOOD}").unwrap();
    }
    fs::write(shop.join("q.jsonl"), questions).unwrap();
    let mut command = explain(&shop, "--manifests shop.yaml --batch q.jsonl");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    answers.read_line(&mut first).unwrap();
    drop(answers);
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}

#[test]
fn a_bad_document_is_named_with_its_file_and_the_rest_goes_on() {
    let shop = shop("bad_document");
    let bad = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {namespace: shop, name: odd}\n\
               spec: {podSelector: {matchLabels: {version: 1}}}\n";
    fs::write(
        shop.join("bad.yaml"),
        format!("{{apiVersion: v1, kind: Secret, metadata: {{name: a}}}}\n---\n{bad}"),
    )
    .unwrap();
    fs::write(shop.join("latin.yaml"), b"kind: \xe9").unwrap();
    let address = "{apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: lost}, status: {podIPs: [{ip: none}]}}";
    fs::write(shop.join("pod.yaml"), address).unwrap();
    let output = run(&shop, "--manifests . --from 10.0.0.1 --to shop/db --port 5432 -o jsonl");
    let said: Vec<&str> = err(&output).lines().collect();
    assert_eq!(said.len(), 3, "{output:?}");
    assert!(
        said[0].starts_with("portolan: ./bad.yaml: document 2 (line 2), NetworkPolicy shop/odd: "),
        "{}",
        said[0]
    );
    assert!(said[0].contains("spec.podSelector.matchLabels.version"), "{}", said[0]);
    assert!(said[0].ends_with("; put the value in quotes"), "{}", said[0]);
    assert_eq!(said[1], "portolan: ./latin.yaml: no UTF-8 text from byte 6 on; save it as UTF-8");
    assert!(said[2].starts_with("portolan: ./pod.yaml: Pod shop/lost: status.podIPs: "), "{}", said[2]);
    assert!(out(&output).contains(r#""allowed":true,"source":"#), "{output:?}");
    assert_eq!(output.status.code(), Some(0));
    let json: serde_json::Value = serde_json::from_str(out(&output)).unwrap();
    let unread = json["unread"].as_array().unwrap().iter().map(|told| told.as_str().unwrap());
    assert!(said.iter().map(|told| told.trim_start_matches("portolan: ")).eq(unread), "{json}");
    assert_eq!(json.get("warnings"), None);
}

#[test]
fn an_object_that_is_there_twice_is_warned_of_with_both_files() {
    let shop = shop("twice");
    let open = MANIFESTS.rsplit("---").next().unwrap().replace("port: 5432", "port: 80");
    fs::write(shop.join("tomorrow.yaml"), open).unwrap();
    let question = "--from 10.0.0.1 --to shop/db --port 80 -o jsonl";
    let output = run(&shop, &format!("--manifests . {question}"));
    let told = "warning: NetworkPolicy shop/db is in ./shop.yaml and ./tomorrow.yaml; the one in ./tomorrow.yaml \
                counts: keep one, or rename the others";
    assert_eq!(err(&output), format!("portolan: {told}\n"));
    let json: serde_json::Value = serde_json::from_str(out(&output)).unwrap();
    assert_eq!((&json["allowed"], &json["warnings"][0]), (&true.into(), &told.into()));
    let output = run(&shop, &format!("--manifests shop.yaml shop.yaml {question}"));
    assert!(
        err(&output).contains("Namespace shop is 2 times in shop.yaml; the last one counts: "),
        "{output:?}"
    );
    assert!(out(&output).contains(r#""allowed":false"#), "{output:?}");
}

#[test]
fn many_duplicates_are_not_all_named() {
    let shop = folder("many_twice");
    let pod = |n| format!("{{apiVersion: v1, kind: Pod, metadata: {{namespace: n, name: p{n}}}}}");
    let pods: Vec<String> = (0..12).map(pod).collect();
    let pods = pods.join("\n---\n");
    fs::write(shop.join("a.yaml"), &pods).unwrap();
    fs::write(shop.join("b.yaml"), &pods).unwrap();
    let output = run(&shop, "--manifests . --from 10.0.0.1 --to 10.0.0.2 --port 80");
    assert_eq!(err(&output).lines().count(), 9, "{output:?}");
    assert!(err(&output).ends_with("warning: 4 more objects are there more than once\n"), "{output:?}");
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
        "shop/web -> service shop/db (fd00:96::7), 80/TCP: allowed by the policies, but no ready endpoint of service"
    );
    let line = r#"{"id":1,"from":{"pod":"shop/web"},"to":{"service":"shop/db"},"port":80}"#;
    assert_eq!(out(&run_with(&shop, "--manifests . --batch -", line)), format!("{ADMITTED}\n"));
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
fn a_field_that_the_api_would_reject_is_warned_of_with_its_effect() {
    let shop = shop("invalid_field");
    let policy = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {namespace: shop, name: odd}, \
                  spec: {podSelector: {}, ingress: [{ports: [{port: \"80\"}]}]}}";
    fs::write(shop.join("odd.yaml"), policy).unwrap();
    let output = run(&shop, "--manifests . --from shop/db --to shop/web --port 80 -o jsonl");
    assert!(
        err(&output).starts_with(
            "portolan: ./odd.yaml: warning: NetworkPolicy shop/odd: spec.ingress[0].ports[0].port: "
        ),
        "{output:?}"
    );
    assert_eq!(err(&output).lines().count(), 1, "{output:?}");
    assert!(out(&output).contains(r#""allowed":false,"source":"#), "{output:?}");
    assert!(
        out(&output).contains(r#""warnings":["./odd.yaml: warning: NetworkPolicy shop/odd: "#),
        "{output:?}"
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn manifests_that_hold_nothing_or_are_not_there_end_with_1() {
    let folder = folder("nothing");
    fs::write(folder.join("empty.yaml"), "# nothing\n").unwrap();
    let question = "--from 10.0.0.1 --to 10.0.0.2 --port 80";
    for (manifests, told) in [("empty.yaml", "no object"), (".", "no object"), ("away.yaml", "away.yaml")] {
        let output = run(&folder, &format!("--manifests {manifests} {question}"));
        assert_eq!((output.status.code(), out(&output)), (Some(1), ""), "{manifests}");
        assert!(err(&output).contains(told), "{manifests}: {output:?}");
    }
    let output = run(&folder, "--manifests empty.yaml --batch away.jsonl");
    assert_eq!((output.status.code(), out(&output)), (Some(1), ""));
    assert!(err(&output).contains("cannot read the questions away.jsonl"), "{output:?}");
}

#[test]
fn manifests_come_from_several_paths_and_from_standard_input() {
    let folder = folder("paths");
    let (cluster, policy) = MANIFESTS.split_at(MANIFESTS.rfind("---").unwrap());
    fs::write(folder.join("cluster.yml"), cluster).unwrap();
    let question = "--from 10.0.0.1 --to shop/db --port 5432 -o jsonl";
    let output = run_with(&folder, &format!("--manifests cluster.yml - {question}"), policy);
    assert!(out(&output).contains("\"admitted\""), "{output:?}");
    let output = run_with(&folder, &format!("--manifests cluster.yml {question}"), policy);
    assert!(out(&output).contains(r#""ingress":{"verdict":"not-isolated","#), "{output:?}");
}

#[test]
fn folders_are_read_once_each_however_they_are_linked() {
    let shop = shop("links");
    fs::create_dir_all(shop.join("sub/.hidden")).unwrap();
    fs::write(shop.join("sub/.hidden/bad.yaml"), "bad: [").unwrap();
    fs::write(shop.join("sub/notes.txt"), "no manifest").unwrap();
    std::os::unix::fs::symlink("..", shop.join("sub/one")).unwrap();
    std::os::unix::fs::symlink("..", shop.join("sub/two")).unwrap();
    let output = run(&shop, "--manifests . --from 10.0.0.1 --to shop/db --port 5432 -o jsonl");
    assert!(out(&output).contains(r#""allowed":true,"source":"#), "{output:?}");
    assert_eq!(err(&output), "");
}

#[test]
fn policies_of_other_kinds_are_named_and_pipes_are_passed_over() {
    let shop = shop("other-kinds");
    let other = "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: a}, spec: {}}";
    fs::write(shop.join("other.yaml"), other).unwrap();
    assert!(Command::new("mkfifo").arg(shop.join("pipe.yaml")).status().unwrap().success());
    let output = run(&shop, "--manifests . --from shop/web --to shop/db --port 5432 -o jsonl");
    assert!(out(&output).contains(r#""allowed":true"#), "{output:?}");
    assert!(err(&output).contains("warning: CiliumNetworkPolicy"), "{output:?}");
}

#[test]
fn names_cannot_steer_a_terminal() {
    let shop = shop("steering");
    let evil = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"n","name":"evil\u001b[2J"},"spec":{"containers":[]}}"#;
    fs::write(shop.join("evil.json"), evil).unwrap();
    let output = run(&shop, "--manifests . --from shop/web --to shop/db --port 5432");
    assert!(err(&output).contains("evil\u{fffd}[2J"), "{output:?}");
    assert!(!err(&output).contains('\u{1b}'), "{output:?}");
}
