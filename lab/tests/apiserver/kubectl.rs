//! kubectl itself, where it is installed.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use portolan_lab::apiserver::kubeconfig;
use serde_json::Value;

use crate::world::World;

const MANIFEST: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  nodeName: n1
  containers:
  - name: web
    image: web:1
    ports: [{containerPort: 80, name: http}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: client}}}]
    ports: [{port: 80}]
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: top}
spec: {tier: Admin, priority: 5, subject: {namespaces: {}}}
";

/// kubectl with a home of its own; `None` when there is no kubectl.
struct Kubectl {
    home: PathBuf,
}

impl Kubectl {
    fn on(world: &World) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let found = Command::new("kubectl").arg("version").arg("--client").output();
        if !found.is_ok_and(|output| output.status.success()) {
            println!("skipped: no kubectl on PATH");
            return None;
        }
        let unique = format!("kubectl-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(unique);
        std::fs::create_dir_all(&home).unwrap();
        std::fs::write(home.join("config"), kubeconfig(&world.server.url())).unwrap();
        Some(Self { home })
    }

    /// Runs a command; the answer is whether it worked, and what it printed on both channels.
    fn run(&self, arguments: &str, input: &str) -> (bool, String) {
        let mut child = Command::new("kubectl")
            .args(arguments.split(' '))
            .env("HOME", &self.home)
            .env("KUBECONFIG", self.home.join("config"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // kubectl may refuse the command before it reads anything.
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        let output = child.wait_with_output().unwrap();
        let text =
            [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        (output.status.success(), text)
    }

    /// Runs a command that must work.
    fn ok(&self, arguments: &str, input: &str) -> String {
        let (worked, text) = self.run(arguments, input);
        assert!(worked, "kubectl {arguments}: {text}");
        text
    }
}

impl Drop for Kubectl {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.home));
    }
}

#[test]
fn apply_creates_changes_and_says_unchanged() {
    for flags in ["apply", "apply --server-side"] {
        let world = World::new();
        let Some(kubectl) = Kubectl::on(&world) else { return };
        kubectl.ok(&format!("{flags} -f -"), MANIFEST);
        let created = world.store.get("pod", "shop", "web").unwrap();
        assert_eq!(created["spec"]["containers"][0]["image"], "web:1", "{flags}");
        let revision = world.store.revision();
        kubectl.ok(&format!("{flags} -f -"), MANIFEST);
        assert_eq!(world.store.revision(), revision, "{flags}: the same again changes nothing");
        let changed = MANIFEST
            .replace("web:1", "web:2")
            .replace("port: 80}", "port: 81}")
            .replace("priority: 5", "priority: 6");
        kubectl.ok(&format!("{flags} -f -"), &changed);
        let pod = world.store.get("pod", "shop", "web").unwrap();
        assert_eq!(pod["spec"]["containers"][0]["image"], "web:2", "{flags}");
        let policy = world.store.get("netpol", "shop", "web").unwrap();
        assert_eq!(policy["spec"]["ingress"][0]["ports"][0]["port"], 81, "{flags}");
        assert_eq!(world.store.get("cnp", "", "top").unwrap()["spec"]["priority"], 6, "{flags}");
    }
}

#[test]
fn an_applied_object_can_be_taken_over_by_server_side_apply() {
    let world = World::new();
    let Some(kubectl) = Kubectl::on(&world) else { return };
    kubectl.ok("apply -f -", MANIFEST);
    kubectl.ok("apply --server-side -f -", MANIFEST);
    let changed = MANIFEST.replace("app: client", "app: other");
    kubectl.ok("apply --server-side -f -", &changed);
    let policy = world.store.get("netpol", "shop", "web").unwrap();
    assert_eq!(policy["spec"]["ingress"][0]["from"][0]["podSelector"]["matchLabels"]["app"], "other");
}

#[test]
fn get_prints_tables_and_objects() {
    let world = World::new();
    let Some(kubectl) = Kubectl::on(&world) else { return };
    kubectl.ok("apply -f -", MANIFEST);
    world.add("db");
    let table = kubectl.ok("get pods -A -o wide", "");
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "IP", "NODE", "AGE"]);
    assert_eq!(rows[1][..7], ["shop", "db", "0/1", "Running", "0", "10.0.0.1", "n1"]);
    assert_eq!(rows[2][..4], ["shop", "web", "0/1", "Pending"]);
    assert!(kubectl.ok("get netpol,cnp -A", "").contains("app=web"));
    let yaml = kubectl.ok("get networkpolicies -A -o yaml", "");
    let list: Value = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!(list["items"][0]["kind"], "NetworkPolicy");
    assert_eq!(list["items"][0]["spec"]["policyTypes"][0], "Ingress");
    assert_eq!(kubectl.ok("get pods -n shop -l app=db -o name", ""), "pod/db\n");
    assert!(kubectl.ok("describe netpol -n shop web", "").contains("PodSelector: app=client"));
}

#[test]
fn mistakes_are_explained() {
    let world = World::new();
    let Some(kubectl) = Kubectl::on(&world) else { return };
    let policy = |spec: &str| {
        format!(
            "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: p, namespace: shop}}, spec: {spec}}}"
        )
    };
    let cases = [
        ("{podSelector: {}, ingres: []}", "unknown field \"spec.ingres\""),
        ("{podSelector: {}, ingress: [{ports: [{port: 0}]}]}", "must be between 1 and 65535, inclusive"),
        (
            "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/40}}]}]}",
            "must be a valid CIDR value",
        ),
    ];
    for (spec, expected) in cases {
        let (worked, text) = kubectl.run("apply -f -", &policy(spec));
        assert!(!worked && text.contains(expected), "{spec}: {text}");
    }
    let (worked, text) = kubectl.run("get pods nope", "");
    assert!(!worked && text.contains("pods \"nope\" not found"), "{text}");
}

#[test]
fn delete_waits_until_it_is_gone() {
    let world = World::new();
    let Some(kubectl) = Kubectl::on(&world) else { return };
    kubectl.ok("apply -f -", MANIFEST);
    let text = kubectl.ok("delete --timeout 20s -f -", MANIFEST);
    assert!(text.contains("pod \"web\" deleted"), "{text}");
    assert_eq!(world.store.get("pod", "shop", "web").unwrap_err().code, 404);
    assert_eq!(world.store.get("cnp", "", "top").unwrap_err().code, 404);
}

#[test]
fn a_watch_prints_changes_as_they_come() {
    use std::io::{BufRead, BufReader};

    let world = World::new();
    let Some(kubectl) = Kubectl::on(&world) else { return };
    world.add("web");
    let mut child = Command::new("kubectl")
        .args(["get", "pods", "-n", "shop", "-w"])
        .env("HOME", &kubectl.home)
        .env("KUBECONFIG", kubectl.home.join("config"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert!(next().starts_with("NAME"));
    assert!(next().starts_with("web"));
    world.add("db");
    assert!(next().starts_with("db"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn edits_by_label_patch_and_diff_work() {
    let world = World::new();
    let Some(kubectl) = Kubectl::on(&world) else { return };
    kubectl.ok("apply -f -", MANIFEST);
    kubectl.ok("label pod -n shop web tier=front", "");
    let patch =
        r#"patch pod -n shop web --subresource status --type merge -p {"status":{"phase":"Running"}}"#;
    kubectl.ok(patch, "");
    let pod = world.store.get("pod", "shop", "web").unwrap();
    assert_eq!(
        (&pod["metadata"]["labels"]["tier"], &pod["status"]["phase"]),
        (&"front".into(), &"Running".into())
    );
    let (same, text) = kubectl.run("diff -f -", &MANIFEST.replace("web:1", "web:2"));
    assert!(!same && text.contains("+  - image: web:2"), "{text}");
    assert!(kubectl.ok("api-resources", "").contains("clusternetworkpolicies"));
}
