//! What explanations say: each folder beside this file holds a cluster, a question and the expected
//! answer as text and as JSON. `PORTOLAN_BLESS=1` writes what is said in place of what was expected.
#![expect(clippy::unwrap_used, reason = "what a test takes for granted should end it when it fails")]
#![expect(clippy::print_stdout, reason = "a test that fails names the seed of its clusters")]

mod properties;
mod world;

use portolan_policy::{
    BaselineReading, Cluster, Connection, Explanation, Pod, Protocol, explain_between, parse_manifest,
};
use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

/// The longest line of text, but for lines of YAML and words that cannot be broken.
const WIDTH: usize = 110;

#[test]
fn every_case_is_explained_as_expected() {
    let mut wrong = Vec::new();
    let cases = cases();
    assert!(cases.len() >= 20, "only {} cases were found", cases.len());
    for case in cases {
        let explanation = explain_case(&case);
        let json = serde_json::to_string_pretty(&explanation).unwrap();
        for (file, said) in [("expect.txt", explanation.to_string()), ("expect.json", json)] {
            wrong.extend(compare(&case.join(file), &format!("{said}\n")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_line_of_text_is_too_long() {
    for case in cases() {
        for line in explain_case(&case).to_string().lines() {
            assert!(line.chars().count() <= WIDTH, "{}: {line}", case.display());
        }
    }
}

#[test]
fn values_beyond_all_measure_are_cut_in_the_text() {
    let huge = "x".repeat(1_000_000);
    let pod = |name: &str, labels: &str, ip: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{namespace: shop, name: {name}, labels: {{{labels}}}}}, \
             status: {{podIPs: [{{ip: {ip}}}]}}}}\n---\n"
        )
    };
    let manifests = [
        pod("web", &format!("app: {huge}, role: web"), "10.0.0.1"),
        pod("db", "app: db", "10.0.0.2"),
        pod(&huge, "app: other", "10.0.0.3"),
        format!(
            "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{namespace: shop, name: {huge}}}, \
             spec: {{podSelector: {{matchLabels: {{app: db}}}}, \
             ingress: [{{from: [{{podSelector: {{matchLabels: {{app: {huge}y}}}}}}]}}]}}}}"
        ),
    ];
    let mut cluster = Cluster::default();
    let manifest = parse_manifest(&manifests.concat());
    assert!(manifest.errors.is_empty());
    for object in manifest.objects {
        cluster.apply(object).unwrap();
    }
    for question in ["10.0.0.1 -> 10.0.0.2 on 80/TCP", "10.0.0.3 -> 10.0.0.2 on 80/TCP"] {
        let explanation = ask(&mut cluster, question);
        let text = explanation.to_string();
        assert!(text.len() < 10_000, "{question}: {} bytes", text.len());
        assert!(text.contains("xxx…") && explanation.answer.len() < 5_000, "{question}");
    }
}

#[test]
fn every_fact_of_the_text_is_in_the_json() {
    for case in cases() {
        let explanation = explain_case(&case);
        let json = serde_json::to_value(&explanation).unwrap();
        assert_eq!(json["answer"].as_str(), Some(explanation.answer.as_str()));
        let decision = (explanation.egress.verdict, explanation.ingress.verdict);
        let said = ["egress", "ingress"].map(|side| json[side]["verdict"].clone());
        assert_eq!(
            said,
            [serde_json::to_value(decision.0).unwrap(), serde_json::to_value(decision.1).unwrap()]
        );
    }
}

fn cases() -> Vec<PathBuf> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/explain");
    let folders = fs::read_dir(home).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = folders.filter(|path| path.join("question").exists()).collect();
    cases.sort();
    cases
}

fn explain_case(case: &Path) -> Explanation {
    let manifest = parse_manifest(&fs::read_to_string(case.join("manifests.yaml")).unwrap());
    assert!(manifest.errors.is_empty(), "{}: {:?}", case.display(), manifest.errors);
    let mut cluster = Cluster::default();
    for object in manifest.objects {
        cluster.apply(object).unwrap();
    }
    ask(&mut cluster, fs::read_to_string(case.join("question")).unwrap().trim())
}

/// `SOURCE -> DESTINATION on PORT/PROTOCOL`, ends being `namespace/pod` or addresses.
fn ask(cluster: &mut Cluster, question: &str) -> Explanation {
    let question = question.strip_prefix("any-direction: ").map_or(question, |question| {
        cluster.set_baseline_reading(BaselineReading::AnyDirection);
        question
    });
    let (source, rest) = question.split_once(" -> ").unwrap();
    let (destination, service) = rest.split_once(" on ").unwrap();
    let (port, protocol) =
        service.split_once('/').map_or((None, service), |(p, protocol)| (Some(p), protocol));
    let (source, destination) = (end(cluster, source), end(cluster, destination));
    let connection = Connection {
        source: source.0,
        destination: destination.0,
        port: port.map(|port| port.parse().unwrap()),
        protocol: protocol.parse::<Protocol>().unwrap(),
    };
    explain_between(cluster, &connection, source.1, destination.1)
}

fn end<'a>(cluster: &'a Cluster, place: &str) -> (IpAddr, Option<&'a Pod>) {
    if let Ok(ip) = place.parse() {
        return (ip, None);
    }
    let (namespace, name) = place.split_once('/').unwrap();
    let pod = cluster.pod(namespace, name).unwrap();
    (pod.ips[0], Some(pod))
}

/// What differs from the file, which is written anew where that is asked for.
fn compare(file: &Path, said: &str) -> Option<String> {
    if std::env::var_os("PORTOLAN_BLESS").is_some() {
        fs::write(file, said).unwrap();
    }
    let expected = fs::read_to_string(file).unwrap_or_default();
    (expected != said).then(|| format!("{}: expected\n{expected}\nbut it says\n{said}", file.display()))
}
