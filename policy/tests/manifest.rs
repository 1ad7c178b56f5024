//! Manifests: what is read, what is refused and how it is said.

use portolan_policy::{Manifest, Object, ObjectKey, ObjectKind, parse_manifest};
use proptest::prelude::*;

/// The keys of the objects, as an operator names them.
fn keys(manifest: &Manifest) -> Vec<String> {
    manifest.objects.iter().map(|object| object.key().to_string()).collect()
}

/// The errors in words.
fn errors(manifest: &Manifest) -> Vec<String> {
    manifest.errors.iter().map(ToString::to_string).collect()
}

/// Reads text that has no errors.
fn read(text: &str) -> Manifest {
    let manifest = parse_manifest(text);
    assert_eq!(errors(&manifest), Vec::<String>::new());
    manifest
}

#[test]
fn documents_of_all_kinds_are_read_in_order() {
    let manifest = read(
        "# a comment first
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a}}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
---
---
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: web}
---
# nothing but a comment
---
apiVersion: v1
kind: Service
metadata: {namespace: shop, name: web}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {namespace: shop, name: web-1}
addressType: IPv4
endpoints: []
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db}
...
apiVersion: apps/v1
kind: ReplicaSet
metadata: {namespace: shop, name: web-7d9f}
---
apiVersion: batch/v1
kind: Job
metadata: {namespace: shop, name: nightly-1}
",
    );
    let expected = [
        "Namespace shop",
        "Node n1",
        "Pod shop/web",
        "Service shop/web",
        "EndpointSlice shop/web-1",
        "NetworkPolicy default/db",
        "ReplicaSet shop/web-7d9f",
        "Job shop/nightly-1",
    ];
    assert_eq!(keys(&manifest), expected);
    assert_eq!(manifest.ignored, []);
}

#[test]
fn empty_text_is_an_empty_manifest() {
    for text in ["", "\n\n", "---\n", "# only a comment\n", "---\n---\n...\n", "\u{feff}", "null"] {
        assert_eq!(parse_manifest(text), Manifest::default(), "{text:?}");
    }
}

#[test]
fn json_is_read_as_one_object_as_lines_and_as_a_list() {
    let pod = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"shop","name":"NAME"}}"#;
    let (one, two) = (pod.replace("NAME", "one"), pod.replace("NAME", "two"));
    assert_eq!(keys(&read(&one)), ["Pod shop/one"]);
    assert_eq!(keys(&read(&format!("{one}\n{two}\n"))), ["Pod shop/one", "Pod shop/two"]);
    let list = format!(r#"{{"apiVersion":"v1","kind":"List","items":[{one},{two}]}}"#);
    assert_eq!(keys(&read(&list)), ["Pod shop/one", "Pod shop/two"]);
    assert_eq!(keys(&read(&format!("{one}\n---\n{two}"))), ["Pod shop/one", "Pod shop/two"]);
}

#[test]
fn a_yaml_flow_mapping_is_not_mistaken_for_json() {
    let manifest = read("{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}}\n");
    assert_eq!(keys(&manifest), ["Pod shop/web"]);
}

#[test]
fn the_items_of_a_typed_list_need_not_say_what_they_are() {
    let manifest = read(
        "apiVersion: networking.k8s.io/v1
kind: NetworkPolicyList
items:
- metadata: {namespace: shop, name: a}
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {namespace: shop, name: b}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
- apiVersion: v1
  kind: PodList
  items: [{metadata: {name: web}}]
---
apiVersion: v1
kind: PodList
items: null
",
    );
    let expected = ["NetworkPolicy shop/a", "NetworkPolicy shop/b", "Namespace shop", "Pod default/web"];
    assert_eq!(keys(&manifest), expected);
}

#[test]
fn kinds_that_are_not_needed_are_counted_by_name() {
    let manifest = read(
        "apiVersion: v1
kind: ConfigMap
metadata: {name: a}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: b}
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: c}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: d}
---
apiVersion: example.com/v1
kind: AllowList
spec: {}
",
    );
    let ignored: Vec<_> = manifest.ignored.iter().map(ToString::to_string).collect();
    let expected = [
        "1 AllowList (example.com/v1)",
        "1 NetworkPolicy (projectcalico.org/v3)",
        "1 Service (serving.knative.dev/v1)",
        "2 ConfigMap (v1)",
    ];
    assert_eq!(ignored, expected);
    assert_eq!(manifest.objects, []);
}

#[test]
fn a_bad_document_costs_only_itself_and_is_named() {
    let manifest = parse_manifest(
        "apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: first}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: db}
spec:
  ingress:
  - ports:
    - port: [80]
---
kind: Pod
  broken: : yaml
---
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: last}
",
    );
    assert_eq!(keys(&manifest), ["Pod shop/first", "Pod shop/last"]);
    let errors = errors(&manifest);
    assert_eq!(errors.len(), 2, "{errors:?}");
    let place = "document 2 (line 4), NetworkPolicy shop/db: spec.ingress[0].ports[0].port: ";
    assert!(errors[0].starts_with(place), "{}", errors[0]);
    let mend = "compare with `kubectl explain networkpolicy.spec.ingress.ports.port`";
    assert!(errors[0].ends_with(mend), "{}", errors[0]);
    assert!(errors[1].starts_with("document 3 (line 12): the YAML cannot be read: "), "{}", errors[1]);
    assert!(errors[1].contains("line 14"), "{}", errors[1]);
    assert_eq!((manifest.errors[1].document, manifest.errors[1].line), (3, 12));
}

#[test]
fn a_bad_item_costs_only_itself() {
    let manifest = parse_manifest(
        "apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Pod, metadata: {name: first}}
- {apiVersion: v1, kind: Pod, metadata: {name: second, labels: {version: 1.10}}}
- just text
- {apiVersion: v1, kind: Pod, metadata: {name: last}}
",
    );
    assert_eq!(keys(&manifest), ["Pod default/first", "Pod default/last"]);
    let errors = errors(&manifest);
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(
        errors[0].starts_with("document 1 (line 1), Pod second: metadata.labels.version: "),
        "{errors:?}"
    );
    assert!(errors[0].ends_with("put the value in quotes"), "{errors:?}");
    let expected =
        "document 1 (line 1): text where an object was expected; write apiVersion, kind and metadata";
    assert_eq!(errors[1], expected);
}

#[test]
fn what_an_object_lacks_is_said() {
    let cases = [
        (
            "metadata: {name: web}",
            "web: kind is missing; say what the object is, such as `kind: NetworkPolicy`",
        ),
        (
            "kind: Pod\nmetadata: {namespace: shop, name: web}",
            "Pod shop/web: apiVersion is missing; say it, such as `apiVersion: networking.k8s.io/v1`",
        ),
        ("apiVersion: v1\nkind: Pod", "Pod: metadata.name is missing; give the object a name"),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: ''}",
            "Pod: metadata.name is missing; give the object a name",
        ),
        (
            "apiVersion: networking.k8s.io/v1beta1\nkind: NetworkPolicy\nmetadata: {name: p}",
            "NetworkPolicy p: apiVersion networking.k8s.io/v1beta1 is not read; write networking.k8s.io/v1",
        ),
        (
            "apiVersion: extensions/v1beta1\nkind: NetworkPolicy\nmetadata: {name: p}",
            "NetworkPolicy p: apiVersion extensions/v1beta1 is not read; write networking.k8s.io/v1",
        ),
        (
            "apiVersion: networking.k8s.io/v1\nkind: Networkpolicy\nmetadata: {name: p}",
            "Networkpolicy p: there is no kind `Networkpolicy`; write `kind: NetworkPolicy`",
        ),
    ];
    for (text, problem) in cases {
        let manifest = parse_manifest(text);
        assert_eq!(errors(&manifest), [format!("document 1 (line 1), {problem}")], "{text}");
        assert_eq!(manifest.objects, [], "{text}");
    }
    let manifest = parse_manifest("- a\n- b\n");
    let expected =
        "document 1 (line 1): a list where an object was expected; write apiVersion, kind and metadata";
    assert_eq!(errors(&manifest), [expected]);
}

#[test]
fn what_was_never_meant_as_an_object_is_marked_so() {
    let foreign = |text: &str| -> Vec<bool> {
        parse_manifest(text).errors.iter().map(|error| error.is_foreign).collect()
    };
    for text in [
        "resources: [a.yaml]",
        "replicas: 2\nimage: {tag: v1}",
        "apiVersion: v2\nname: shop\nversion: 1.0.0",
        "- a\n- b",
        "[]",
        r#"{"name": "shop", "scripts": {}}"#,
    ] {
        assert_eq!(foreign(text), [true], "{text}");
    }
    for text in [
        "kind: Pod\nmetadata: {name: web}",
        "apiVersion: networking.k8s.io/v1\nmetadata: {name: web}\nspec: {}",
        "apiVersion: v1\nkind: Pod",
        "apiVersion: [",
    ] {
        assert_eq!(foreign(text), [false], "{text}");
    }
}

#[test]
fn an_array_of_objects_is_a_list() {
    let pod = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"shop","name":"NAME"}}"#;
    let (one, two) = (pod.replace("NAME", "one"), pod.replace("NAME", "two"));
    assert_eq!(keys(&read(&format!("[{one},{two}]"))), ["Pod shop/one", "Pod shop/two"]);
    assert_eq!(keys(&read(&format!("- {one}\n- {two}\n"))), ["Pod shop/one", "Pod shop/two"]);
    let broken = parse_manifest(&format!("[{one},{{}}]"));
    assert_eq!((keys(&broken), broken.errors.len()), (vec!["Pod shop/one".to_owned()], 1));
}

#[test]
fn of_workloads_the_pod_templates_are_read() {
    let template = "{metadata: {labels: {app: web}}, spec: {hostNetwork: true}}";
    let manifest = read(&format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{namespace: shop, name: web}}, spec: {{template: {template}}}}}
---
{{apiVersion: batch/v1, kind: CronJob, metadata: {{name: nightly}}, spec: {{jobTemplate: {{spec: {{template: {template}}}}}}}}}
---
{{apiVersion: example.com/v1, kind: Deployment, metadata: {{name: other}}, spec: {{template: {template}}}}}
---
{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: patch}}, spec: {{replicas: 2}}}}
"
    ));
    let workloads: Vec<_> = manifest.workloads.iter().map(ToString::to_string).collect();
    assert_eq!(workloads, ["Deployment shop/web", "CronJob default/nightly"]);
    let ignored: Vec<_> = manifest.ignored.iter().map(ToString::to_string).collect();
    assert_eq!(ignored, ["1 Deployment (apps/v1)", "1 Deployment (example.com/v1)"]);
    assert_eq!(manifest.objects, []);
    let broken = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {metadata: {labels: {app: 1}}}}}";
    let errors = errors(&parse_manifest(broken));
    assert!(errors[0].contains("spec.template.metadata.labels.app: "), "{errors:?}");
}

#[test]
fn a_truth_value_is_true_or_false() {
    let manifest =
        parse_manifest("{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {hostNetwork: yes}}");
    assert_eq!(manifest.errors.len(), 1, "{:?}", manifest.errors);
    let problem = &manifest.errors[0].problem;
    assert!(problem.starts_with("spec.hostNetwork: "), "{problem}");
    assert!(problem.ends_with("write true or false"), "{problem}");
}

#[test]
fn a_broken_json_line_costs_only_itself() {
    let manifest = parse_manifest(
        r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"one"}}
{"apiVersion":"v1","kind":"Pod","metadata":{"name":
{"apiVersion":"v1","kind":"Pod","metadata":{"name":"three"}}
"#,
    );
    assert_eq!(keys(&manifest), ["Pod default/one", "Pod default/three"]);
    assert_eq!(manifest.errors.len(), 1, "{:?}", manifest.errors);
    assert!(manifest.errors[0].problem.starts_with("the JSON cannot be read: "), "{:?}", manifest.errors);
}

#[test]
fn words_and_numbers_mean_what_kubernetes_takes_them_for() {
    let manifest = read(
        r#"apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: y, name: n}
spec:
  podSelector: {matchLabels: {switch: on, port: "80", on: off-peak}}
  ingress:
  - ports: [{port: 80}, {port: "80"}, {port: http}]
"#,
    );
    let Object::NetworkPolicy(policy) = &manifest.objects[0] else { panic!("a policy") };
    assert_eq!(policy.metadata.namespace.as_deref(), Some("y"));
    let spec = policy.spec.as_ref().unwrap();
    let labels = spec.pod_selector.as_ref().unwrap().match_labels.as_ref().unwrap();
    assert_eq!(labels.get("on").map(String::as_str), Some("off-peak"));
    assert_eq!(labels.get("switch").map(String::as_str), Some("on"));
    assert_eq!(labels.get("port").map(String::as_str), Some("80"));
    let ports = spec.ingress.as_ref().unwrap()[0].ports.as_ref().unwrap();
    let ports: Vec<_> = ports.iter().map(|port| serde_json::to_value(&port.port).unwrap()).collect();
    assert_eq!(ports, [serde_json::json!(80), serde_json::json!("80"), serde_json::json!("http")]);
}

#[test]
fn anchors_and_block_text_and_line_ends_of_any_sort_are_read() {
    let manifest = read(
        "apiVersion: v1\r\nkind: Pod\r\nmetadata: &m\r\n  name: one\r\n  annotations:\r\n    text: |\r\n      ---\r\n      kind: Nothing\r\n  labels: &l {app: web}\r\n---\r\napiVersion: v1\r\nkind: Pod\r\nmetadata: {name: two, labels: &x {a: b}, annotations: *x}\r\n",
    );
    assert_eq!(keys(&manifest), ["Pod default/one", "Pod default/two"]);
}

#[test]
fn a_directive_belongs_to_the_document_behind_it() {
    let manifest = read("%YAML 1.2\n--- # opens\napiVersion: v1\nkind: Node\nmetadata: {name: n1}\n");
    assert_eq!(keys(&manifest), ["Node n1"]);
}

#[test]
fn a_big_list_is_read_whole() {
    let item =
        "- apiVersion: v1\n  kind: Pod\n  metadata: {namespace: shop, name: pod-N, labels: {a: b, c: d}}\n";
    let items: String = (0..20_000).map(|index| item.replace('N', &index.to_string())).collect();
    let manifest = read(&format!("apiVersion: v1\nkind: List\nitems:\n{items}"));
    assert_eq!(manifest.objects.len(), 20_000);
    let last = ObjectKey::namespaced(ObjectKind::Pod, "shop", "pod-19999");
    assert_eq!(manifest.objects[19_999].key(), last);
}

#[test]
fn an_alias_bomb_is_an_error() {
    let line = |(name, of): (char, char)| {
        let aliases = vec![format!("*{of}"); 10].join(", ");
        format!("{name}: &{name} [{aliases}]\n")
    };
    let lines: String = ('b'..='j').zip('a'..='i').map(line).collect();
    let text = format!("a: &a [x, x, x, x, x, x, x, x, x, x]\n{lines}");
    let manifest = parse_manifest(&text);
    assert_eq!(manifest.errors.len(), 1);
    assert!(manifest.errors[0].problem.starts_with("the YAML cannot be read: "), "{:?}", manifest.errors);
}

#[test]
fn deep_nesting_is_an_error_and_no_crash() {
    for text in ["[".repeat(100_000), "{\"a\":".repeat(100_000), "- ".repeat(100_000), "a: ".repeat(50_000)] {
        let manifest = parse_manifest(&text);
        assert_eq!(manifest.objects, []);
        assert!(!manifest.errors.is_empty());
    }
}

const SAMPLE: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: db}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - namespaceSelector: {matchExpressions: [{key: team, operator: In, values: [a, b]}]}
    - ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}
    ports: [{port: 5432, endPort: 5433}, {port: \"http\", protocol: UDP}]
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Pod, metadata: {name: web}, status: {podIPs: [{ip: 10.0.0.1}]}}
";

/// Overwrites parts of the sample.
fn mutated() -> impl Strategy<Value = String> {
    let edit =
        (any::<prop::sample::Index>(), 0..12_usize, "[ -~\n\u{e9}]{0,6}|---\n|\\.\\.\\.\n|\t|&a|\\*a|<<|!!x");
    prop::collection::vec(edit, 1..6).prop_map(|edits| {
        let mut text: Vec<char> = SAMPLE.chars().collect();
        for (at, length, by) in edits {
            let start = at.index(text.len() + 1);
            let end = (start + length).min(text.len());
            text.splice(start..end, by.chars());
        }
        text.into_iter().collect()
    })
}

/// Reads the text and builds a cluster of it; nothing may panic.
fn survives(text: &str) {
    let manifest = parse_manifest(text);
    let mut cluster = portolan_policy::Cluster::default();
    let read = manifest.objects.len();
    let refused = manifest.objects.into_iter().filter_map(|object| cluster.apply(object).err()).count();
    assert!(refused <= read);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        survives(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_text_makes_it_panic(text in "(\\PC|[\n{}\\[\\]:,&*#?|<>=!%@`'\"-]){0,120}") {
        survives(&text);
    }

    #[test]
    fn no_mutation_of_a_manifest_makes_it_panic(text in mutated()) {
        survives(&text);
    }
}

#[test]
fn a_template_is_told_once_and_its_other_documents_are_read() {
    let told = "document 1 (line 1): it holds `{{`, so it is a template; render it first (`helm template`)";
    let node = "\n---\n{apiVersion: v1, kind: Node, metadata: {name: n1}}\n";
    for text in [
        "{{- if .Values.on }}\napiVersion: v1\nkind: Pod\n{{- end }}",
        "{{- if .Values.on }}\nkind: Pod\n---\nkind: {{ .Values.kind }}\n{{- end }}\n",
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Release.Name }}\n",
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: '{{ .Release.Name }}-web'\n",
    ] {
        let manifest = parse_manifest(&format!("{text}{node}"));
        assert_eq!(errors(&manifest), [told], "{text}");
        assert_eq!(keys(&manifest), ["Node n1"], "{text}");
    }
    let fine = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, annotations: {summary: '{{ $value }}'}}";
    assert_eq!(keys(&read(fine)), ["Pod default/web"]);
    let cut =
        r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "annotations": {"a": "{{ x }}"}"#;
    assert!(parse_manifest(cut).errors[0].problem.starts_with("the JSON cannot be read"));
}

#[test]
fn a_broken_flow_mapping_is_no_json() {
    let manifest = parse_manifest("{apiVersion: v1, kind: Pod, metadata: {name: web}");
    assert_eq!(manifest.errors.len(), 1, "{:?}", manifest.errors);
    assert!(manifest.errors[0].problem.starts_with("the YAML cannot be read: "), "{:?}", manifest.errors);
}

#[test]
fn misspelt_metadata_of_what_is_no_policy_is_told() {
    let slips = |text: &str| -> Vec<String> { read(text).slips.iter().map(ToString::to_string).collect() };
    assert_eq!(
        slips(
            "{apiVersion: v1, kind: Pod, metadata: {name: w, lables: {a: b}}, status: {podIps: [{ip: 10.0.0.1}]}}"
        ),
        [
            "document 1 (line 1), Pod w: metadata.lables: not a field of this object, so it is dropped; write `labels`",
            "document 1 (line 1), Pod w: status.podIps: not a field of this object, so it is dropped; write `podIPs`",
        ]
    );
    let template = "template: {metadata: {lables: {app: db}}}";
    for (text, field) in [
        (
            "{apiVersion: v1, kind: Namespace, metadata: {name: n, lables: {a: b}}}".to_owned(),
            "metadata.lables",
        ),
        (
            format!("{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: d}}, spec: {{{template}}}}}"),
            "spec.template.metadata.lables",
        ),
        (
            format!(
                "{{apiVersion: batch/v1, kind: CronJob, metadata: {{name: c}}, \
                 spec: {{jobTemplate: {{spec: {{{template}}}}}}}}}"
            ),
            "spec.jobTemplate.spec.template.metadata.lables",
        ),
    ] {
        let slips = slips(&text);
        assert_eq!(slips.len(), 1, "{text}: {slips:?}");
        assert!(slips[0].contains(&format!(": {field}: not a field")), "{slips:?}");
    }
    let fine = "{apiVersion: v1, kind: Pod, metadata: {name: w, labels: {lables: x}, clusterName: ''}, \
                spec: {lables: x}, status: {podIP: 10.0.0.1, podIPs: [], hostIPs: [], phase: Running}}";
    assert_eq!(slips(fine), Vec::<String>::new());
}

#[test]
fn a_kind_that_is_not_read_and_has_pods_is_marked_so() {
    let has_pods = |spec: &str| {
        let manifest = read(&format!(
            "{{apiVersion: argoproj.io/v1, kind: Rollout, metadata: {{name: r}}, spec: {spec}}}"
        ));
        manifest.ignored[0].has_pods
    };
    assert!(has_pods("{template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c}]}}}"));
    assert!(has_pods("{template: {metadata: {labels: {a: b}}}}"));
    assert!(!has_pods("{template: {metadata: {labels: {a: b}}, spec: {providerID: x}}}"));
    assert!(!has_pods("{template: {metadata: {labels: {a: b}}, type: Opaque}}"));
    assert!(!has_pods("{template: {spec: {containers: []}}}"));
    assert!(!has_pods("{}"));
}
