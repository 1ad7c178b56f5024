//! `portolan lint`: what it prints, where, and how it ends.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// Nothing to find: every pod is isolated, and everything that is admitted is there.
const CLEAN: &str = "{apiVersion: v1, kind: Node, metadata: {name: n1}}\n";

/// A folder of its own for a test, with these files.
fn folder(test: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lint").join(test);
    let _absent = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
    folder
}

/// `portolan lint` in a folder, which is where its paths begin.
fn lint(folder: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portolan"));
    command.current_dir(folder).arg("lint").args(arguments.split_whitespace());
    command.env_remove("RUST_LOG").stdin(Stdio::null()).output().unwrap()
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn manifests_without_a_finding_end_with_0() {
    let folder = folder("clean", &[("clean.yaml", CLEAN)]);
    let output = lint(&folder, "--manifests .");
    assert_eq!((output.status.code(), out(&output)), (Some(0), ""));
    assert_eq!(err(&output), "portolan: 0 findings: 0 errors, 0 warnings, 0 infos\n");
    let output = lint(&folder, "--manifests . --output json --fail-on info");
    assert_eq!((output.status.code(), out(&output), err(&output)), (Some(0), "[]\n", ""));
}

#[test]
fn a_document_that_cannot_be_read_is_a_finding_like_others() {
    let folder = folder("unreadable", &[("a.yaml", CLEAN), ("b.yaml", "# first\n---\nkind: [\n")]);
    let output = lint(&folder, "--manifests a.yaml b.yaml");
    assert!(
        out(&output)
            .starts_with("b.yaml: error unreadable-document: document 1 (line 2): the YAML cannot be read"),
        "{output:?}"
    );
    assert_eq!(out(&output).lines().count(), 1, "{output:?}");
    assert_eq!(err(&output), "portolan: 1 finding: 1 error, 0 warnings, 0 infos\n");
    assert_eq!(output.status.code(), Some(1));
    let output = lint(&folder, "--manifests . -o json --fail-on error");
    let findings: Vec<Value> = serde_json::from_str(out(&output)).unwrap();
    assert_eq!(findings[0]["code"], "unreadable-document");
    assert_eq!(findings[0]["file"], "./b.yaml");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(lint(&folder, "--manifests . --fail-on never").status.code(), Some(0));
}

#[test]
fn files_of_a_folder_that_are_no_objects_are_passed_over() {
    let files = [
        ("clean.yaml", CLEAN),
        ("Chart.yaml", "apiVersion: v2\nname: shop\n"),
        ("values.yaml", "replicas: 2\n"),
    ];
    let folder = folder("foreign", &files);
    let output = lint(&folder, "--manifests .");
    assert_eq!((output.status.code(), out(&output)), (Some(0), ""));
    let told: Vec<&str> = err(&output).lines().collect();
    assert_eq!(told.len(), 3, "{output:?}");
    assert_eq!(
        told[0],
        "portolan: warning: ./Chart.yaml: document 1 (line 1) is passed over: it has no kind, so it is \
         no Kubernetes object"
    );
    assert!(told[1].starts_with("portolan: warning: ./values.yaml: document 1"), "{output:?}");
    let output = lint(&folder, "--manifests clean.yaml values.yaml");
    assert!(
        out(&output)
            .starts_with("values.yaml: error unreadable-document: document 1 (line 1): kind is missing")
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_templates_of_workloads_count_as_pods() {
    let web = "{apiVersion: apps/v1, kind: Deployment, metadata: {namespace: shop, name: web}, \
               spec: {template: {metadata: {labels: {app: web}}}}}";
    let policy = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {namespace: shop, name: p}, \
                  spec: {podSelector: {matchLabels: {app: wep}}}}";
    let folder = folder("workloads", &[("web.yaml", web), ("policy.yaml", policy)]);
    let output = lint(&folder, "--manifests .");
    let expected = "./policy.yaml: warning selects-no-pod: NetworkPolicy shop/p: spec.podSelector: selects no pod: no \
                    workload of namespace shop has the label `app=wep`; nearest is `app=web`; ";
    assert!(out(&output).starts_with(expected), "{output:?}");
    assert_eq!(out(&lint(&folder, "--manifests policy.yaml")), "");
}

#[test]
fn what_the_objects_show_is_told_with_their_file() {
    let odd = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {namespace: shop, name: odd}, \
               spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/33}}]}]}}";
    let folder = folder("found", &[("clean.yaml", CLEAN), ("odd.yaml", odd)]);
    let output = lint(&folder, "--manifests clean.yaml odd.yaml --fail-on error");
    let expected =
        "odd.yaml: error invalid-field: NetworkPolicy shop/odd: spec.ingress[0].from[0].ipBlock.cidr: ";
    assert!(out(&output).lines().any(|line| line.starts_with(expected)), "{output:?}");
    assert_eq!(output.status.code(), Some(1));
    let output = lint(&folder, "--manifests clean.yaml odd.yaml -o json --fail-on never");
    let findings: Vec<Value> = serde_json::from_str(out(&output)).unwrap();
    let invalid = findings.iter().find(|finding| finding["code"] == "invalid-field").unwrap();
    assert_eq!(invalid["object"]["name"], "odd");
    assert_eq!(invalid["field"], "spec.ingress[0].from[0].ipBlock.cidr");
    assert_eq!(invalid["file"], "odd.yaml");
    assert_eq!(output.status.code(), Some(0));
}

/// A NetworkPolicy `shop/db` with this spec.
fn policy(spec: &str) -> String {
    format!(
        "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{namespace: shop, name: db}}, spec: {spec}}}"
    )
}

#[test]
fn duplicates_name_both_files_and_an_export_of_the_same_policy_is_none() {
    let exported =
        "{podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{port: 80, protocol: TCP}]}]}";
    let files = [
        ("cluster.yaml", &*policy(exported).replace("name: db", "name: db, uid: a-b, managedFields: []")),
        ("same.yaml", &*policy("{podSelector: {}, ingress: [{ports: [{port: 80}]}]}")),
        ("other.yaml", &*policy("{podSelector: {}, ingress: [{ports: [{port: 81}]}]}")),
    ];
    let folder = folder("duplicates", &files);
    assert_eq!(out(&lint(&folder, "--manifests cluster.yaml same.yaml")), "");
    let output = lint(&folder, "--manifests cluster.yaml other.yaml");
    assert_eq!(
        out(&output),
        "other.yaml: error duplicate-object: NetworkPolicy shop/db: is in cluster.yaml and other.yaml; the one in \
         other.yaml counts, and the other one is not judged; keep one, or rename the others\n"
    );
}

#[test]
fn a_template_is_one_finding_of_its_file() {
    let template = "{{- if .Values.on }}\nkind: NetworkPolicy\n---\nmetadata:\n  name: {{ .Release.Name }}\n{{- end }}\n";
    let folder = folder("template", &[("clean.yaml", CLEAN), ("np.yaml", template)]);
    assert_eq!(
        out(&lint(&folder, "--manifests .")),
        "./np.yaml: error unreadable-document: document 1 (line 1): it holds `{{`, so it is a template; render it \
         first (`helm template`)\n"
    );
}

#[test]
fn kinds_that_are_not_read_but_matter_are_named_once() {
    let rollout = "{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {namespace: shop, name: NAME}, \
                   spec: {template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c}]}}}}\n";
    let cilium =
        "---\n{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {namespace: shop, name: x}}\n";
    let harmless = "---\n{apiVersion: v1, kind: ConfigMap, metadata: {namespace: shop, name: x}}\n";
    let (one, two) = (rollout.replace("NAME", "one") + cilium, rollout.replace("NAME", "two") + harmless);
    let folder = folder("unread", &[("a.yaml", &one), ("b.yaml", &two), ("clean.yaml", CLEAN)]);
    let output = lint(&folder, "--manifests .");
    let lines: Vec<&str> = out(&output).lines().collect();
    assert_eq!(lines.len(), 2, "{output:?}");
    assert!(
        lines[0].starts_with(
            "info unread-kinds: Rollout (argoproj.io/v1alpha1): the pods of these kinds are not"
        )
    );
    assert!(lines[1].starts_with("info unread-kinds: CiliumNetworkPolicy (cilium.io/v2): policies of these"));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_misspelt_key_outside_policies_is_a_warning() {
    let pod = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, lables: {team: shop}}}";
    let folder = folder("slips", &[("pod.yaml", pod)]);
    let output = lint(&folder, "--manifests .");
    assert_eq!(
        out(&output),
        "./pod.yaml: warning unknown-key: document 1 (line 1), Namespace shop: metadata.lables: not a field of this \
         object, so it is dropped; write `labels`\n"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn manifests_that_hold_nothing_or_are_not_there_end_with_1() {
    let folder = folder("nothing", &[("empty.yaml", "# nothing\n")]);
    for (arguments, told) in
        [("--manifests . --fail-on never", "no object"), ("--manifests away.yaml", "away.yaml")]
    {
        let output = lint(&folder, arguments);
        assert_eq!((output.status.code(), out(&output)), (Some(1), ""), "{arguments}");
        assert!(err(&output).contains(told), "{arguments}: {output:?}");
    }
}

#[test]
fn readers_that_go_away_are_no_error() {
    let folder = folder("gone", &[("bad.yaml", &"kind: [\n---\n".repeat(3000))]);
    let mut command = Command::new("sh");
    let script = r#"{ "$0" lint --manifests bad.yaml --fail-on never 2>&1; echo $? > code; } | head -n 1"#;
    command.current_dir(&folder).args(["-c", script, env!("CARGO_BIN_EXE_portolan")]);
    let output = command.output().unwrap();
    assert!(out(&output).starts_with("bad.yaml: error unreadable-document: "), "{output:?}");
    assert_eq!(fs::read_to_string(folder.join("code")).unwrap(), "0\n");
}

#[test]
fn wrong_usage_ends_with_2() {
    let folder = folder("usage", &[("clean.yaml", CLEAN)]);
    for arguments in
        ["", "--manifests", "--manifests - -", "--manifests . --fail-on all", "--manifests . -o jsonl"]
    {
        let output = lint(&folder, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {output:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{arguments}: {output:?}");
    }
}
