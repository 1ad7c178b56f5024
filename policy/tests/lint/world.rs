//! Clusters that read like prose, and what lint says of them.

use portolan_policy::{Finding, Manifest, Object, lint_with, parse_manifest};
use serde_json::{Value, json};

/// Objects, to be told more of.
#[derive(Clone, Default)]
pub(crate) struct World(Vec<Value>);

/// No objects.
pub(crate) fn world() -> World {
    World::default()
}

/// `{key: value}` of `key=value,key=value`.
pub(crate) fn labels(text: &str) -> Value {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    Value::Object(pairs.map(|(key, value)| (key.to_owned(), value.into())).collect())
}

/// A selector by labels, empty for the empty text.
pub(crate) fn select(text: &str) -> Value {
    if text.is_empty() { json!({}) } else { json!({"matchLabels": labels(text)}) }
}

impl World {
    pub(crate) fn with(mut self, object: Value) -> Self {
        self.0.push(object);
        self
    }

    pub(crate) fn namespace(self, name: &str, with: &str) -> Self {
        let metadata = json!({"name": name, "labels": labels(with)});
        self.with(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
    }

    pub(crate) fn pod(self, name: &str, with: &str) -> Self {
        self.pod_with(name, with, json!({}), json!([]))
    }

    /// A pod with parts of its spec and the ports of its container.
    pub(crate) fn pod_with(self, name: &str, with: &str, spec: Value, ports: Value) -> Self {
        let (namespace, pod) = name.split_once('/').unwrap();
        let host = self.0.len();
        let mut whole = json!({"containers": [{"name": "main", "ports": ports}]});
        for (key, value) in spec.as_object().unwrap() {
            whole[key] = value.clone();
        }
        self.with(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": namespace, "name": pod, "labels": labels(with)},
            "spec": whole,
            "status": {"phase": "Running", "podIPs": [{"ip": format!("10.0.{}.{}", host / 250, host % 250 + 1)}]},
        }))
    }

    pub(crate) fn host_pod(self, name: &str, with: &str) -> Self {
        self.pod_with(name, with, json!({"hostNetwork": true}), json!([]))
    }

    pub(crate) fn policy(self, name: &str, spec: Value) -> Self {
        let (namespace, name) = name.split_once('/').unwrap();
        let metadata = json!({"namespace": namespace, "name": name});
        self.with(json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}))
    }

    fn tiered(self, kind: &str, version: &str, name: &str, spec: Value) -> Self {
        let api_version = format!("policy.networking.k8s.io/{version}");
        self.with(json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec}))
    }

    pub(crate) fn cluster_policy(self, name: &str, spec: Value) -> Self {
        self.tiered("ClusterNetworkPolicy", "v1alpha2", name, spec)
    }

    pub(crate) fn admin_policy(self, name: &str, spec: Value) -> Self {
        self.tiered("AdminNetworkPolicy", "v1alpha1", name, spec)
    }

    pub(crate) fn baseline_policy(self, spec: Value) -> Self {
        self.tiered("BaselineAdminNetworkPolicy", "v1alpha1", "default", spec)
    }

    fn manifest(&self) -> Manifest {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": self.0});
        let manifest = parse_manifest(&list.to_string());
        assert_eq!(manifest.errors, []);
        manifest
    }

    pub(crate) fn objects(&self) -> Vec<Object> {
        self.manifest().objects
    }

    pub(crate) fn findings(&self) -> Vec<Finding> {
        let Manifest { objects, workloads, .. } = self.manifest();
        lint_with(&objects, &workloads, &|_| None)
    }

    /// The findings of a code, as text without code and severity.
    pub(crate) fn says(&self, code: &str) -> Vec<String> {
        let findings = self.findings();
        let of_code = findings.iter().filter(|finding| finding.code.as_str() == code);
        of_code
            .map(|finding| finding.to_string().split_once(&format!("{code}: ")).unwrap().1.to_owned())
            .collect()
    }

    /// Lint says one thing of that code, and it begins so.
    #[track_caller]
    pub(crate) fn has(self, code: &str, beginning: &str) -> Self {
        let says = self.says(code);
        assert_eq!(says.len(), 1, "{code}: {says:#?}\n{}", self.all());
        assert!(says[0].starts_with(beginning), "{}", says[0]);
        self
    }

    /// Lint says nothing of that code.
    #[track_caller]
    pub(crate) fn has_no(self, code: &str) -> Self {
        assert_eq!(self.says(code), Vec::<String>::new());
        self
    }

    /// All that lint says, a line each.
    pub(crate) fn all(&self) -> String {
        let lines = self.findings().into_iter().map(|finding| format!("{finding}\n"));
        lines.collect()
    }
}
