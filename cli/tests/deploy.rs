//! The installation in `deploy/`: that it is what the sources render to, that the API knows every field of it,
//! that it asks for no right beyond its stated ones, and that it fits this program.

use std::path::{Path, PathBuf};
use std::process::Command;

use k8s_openapi::api::{apps::v1 as apps, core::v1 as core, policy::v1 as policy, rbac::v1 as rbac};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

const LABEL: &str = "/metadata/labels/app.kubernetes.io~1";

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace").join("deploy")
}

fn rendered() -> String {
    std::fs::read_to_string(deploy().join("install.yaml")).expect("deploy/install.yaml is part of the source")
}

fn documents() -> Vec<Value> {
    serde_saphyr::from_multiple(&rendered()).expect("deploy/install.yaml is YAML")
}

/// The one object of that kind and name, in its type.
fn object<K: DeserializeOwned>(kind: &str, name: &str) -> K {
    let mut documents = documents();
    documents.retain(|document| document["kind"] == kind && document["metadata"]["name"] == name);
    assert_eq!(documents.len(), 1, "{kind} {name}");
    serde_json::from_value(documents.remove(0)).expect("the kind is what it says")
}

fn text<'v>(document: &'v Value, pointer: &str) -> &'v str {
    document.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// What the typed API keeps of a document: a field that it does not know is lost.
fn kept(document: &Value) -> Value {
    fn through<K: DeserializeOwned + Serialize>(document: &Value) -> Value {
        let typed: K = serde_json::from_value(document.clone()).expect("every field has the type of the API");
        serde_json::to_value(typed).expect("a typed object is JSON")
    }
    match (text(document, "/apiVersion"), text(document, "/kind")) {
        ("v1", "Namespace") => through::<core::Namespace>(document),
        ("v1", "ResourceQuota") => through::<core::ResourceQuota>(document),
        ("v1", "Service") => through::<core::Service>(document),
        ("v1", "ServiceAccount") => through::<core::ServiceAccount>(document),
        ("apps/v1", "DaemonSet") => through::<apps::DaemonSet>(document),
        ("v1", "PersistentVolumeClaim") => through::<core::PersistentVolumeClaim>(document),
        ("apps/v1", "Deployment") => through::<apps::Deployment>(document),
        ("policy/v1", "PodDisruptionBudget") => through::<policy::PodDisruptionBudget>(document),
        ("rbac.authorization.k8s.io/v1", "ClusterRole") => through::<rbac::ClusterRole>(document),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding") => {
            through::<rbac::ClusterRoleBinding>(document)
        }
        (version, kind) => panic!("{version} {kind} is not checked: add it here"),
    }
}

fn agent() -> core::PodTemplateSpec {
    object::<apps::DaemonSet>("DaemonSet", "portolan-agent").spec.expect("a spec").template
}

fn collector() -> core::PodTemplateSpec {
    object::<apps::Deployment>("Deployment", "portolan-collector").spec.expect("a spec").template
}

/// The pod and its only container.
fn parts(template: core::PodTemplateSpec) -> (core::PodSpec, core::Container) {
    let mut pod = template.spec.expect("a template has a pod");
    let container = pod.containers.pop().expect("a pod has a container");
    assert!(pod.containers.is_empty(), "one container per pod");
    (pod, container)
}

fn arguments(template: core::PodTemplateSpec) -> Vec<String> {
    parts(template).1.args.expect("the container has arguments")
}

#[test]
fn the_api_knows_every_field() {
    let documents = documents();
    assert!(documents.len() >= 9, "{}", documents.len());
    for document in documents {
        assert_eq!(kept(&document), document, "{} {}", document["kind"], document["metadata"]["name"]);
    }
}

#[test]
fn the_rendered_file_is_what_the_sources_make() {
    let kustomize = Command::new("kubectl").arg("kustomize").arg(deploy().join("base")).output();
    let Ok(output) = kustomize else {
        println!("skipped: no kubectl");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made = String::from_utf8(output.stdout).unwrap();
    assert!(made == rendered(), "run: kubectl kustomize deploy/base > deploy/install.yaml");
}

#[test]
fn the_agent_holds_four_capabilities_and_no_other_privilege() {
    let (pod, container) = parts(agent());
    let security = container.security_context.unwrap();
    let capabilities = security.capabilities.unwrap();
    assert_eq!(capabilities.drop.unwrap(), ["ALL"]);
    assert_eq!(capabilities.add.unwrap(), ["BPF", "PERFMON", "NET_ADMIN", "SYSLOG"]);
    assert_eq!(security.privileged, Some(false));
    assert_eq!(security.allow_privilege_escalation, Some(false));
    assert_eq!(security.read_only_root_filesystem, Some(true));
    assert_eq!(pod.security_context.unwrap().seccomp_profile.unwrap().type_, "RuntimeDefault");
    assert!(!pod.host_pid.unwrap_or(false) && !pod.host_ipc.unwrap_or(false));
}

#[test]
fn the_spool_is_all_of_the_host_that_the_agent_mounts() {
    let arguments = arguments(agent());
    let (pod, container) = parts(agent());
    let [volume] = &pod.volumes.unwrap()[..] else { panic!("one volume") };
    let [mount] = &container.volume_mounts.unwrap()[..] else { panic!("one mount") };
    let host = volume.host_path.as_ref().unwrap();
    assert_eq!((host.path.as_str(), host.type_.as_deref()), ("/var/lib/portolan", Some("DirectoryOrCreate")));
    assert_eq!((&volume.name, mount.mount_path.as_str()), (&mount.name, "/var/lib/portolan"));
    assert!(arguments.contains(&format!("--spool={}/spool", mount.mount_path)), "{arguments:?}");
}

#[test]
fn the_agent_sees_the_nodes_network_and_still_resolves_cluster_names() {
    let (pod, _) = parts(agent());
    assert_eq!(pod.host_network, Some(true));
    assert_eq!(pod.dns_policy.as_deref(), Some("ClusterFirstWithHostNet"));
}

#[test]
fn the_collector_keeps_to_the_restricted_standard() {
    let (pod, container) = parts(collector());
    let of_pod = pod.security_context.unwrap();
    assert_eq!((of_pod.run_as_non_root, of_pod.run_as_user), (Some(true), Some(65532)));
    assert_eq!(of_pod.seccomp_profile.unwrap().type_, "RuntimeDefault");
    let security = container.security_context.unwrap();
    let capabilities = security.capabilities.unwrap();
    assert_eq!((capabilities.drop, capabilities.add), (Some(vec!["ALL".to_owned()]), None));
    assert_eq!(security.allow_privilege_escalation, Some(false));
    assert_eq!(security.read_only_root_filesystem, Some(true));
    let volumes = pod.volumes.unwrap();
    assert!(volumes.iter().all(|volume| volume.host_path.is_none()), "{volumes:?}");
    assert_eq!(pod.host_network, None);
}

#[test]
fn only_the_agents_namespace_is_privileged() {
    for (name, level) in [("portolan", "restricted"), ("portolan-agent", "privileged")] {
        let labels = object::<core::Namespace>("Namespace", name).metadata.labels.unwrap();
        assert_eq!(labels["pod-security.kubernetes.io/enforce"], level, "{name}");
    }
}

#[test]
fn the_agents_role_reads_and_nothing_else() {
    let role: rbac::ClusterRole = object("ClusterRole", "portolan-agent");
    let mut resources = Vec::new();
    for rule in role.rules.unwrap() {
        assert_eq!(rule.verbs, ["get", "list", "watch"]);
        resources.extend(rule.resources.unwrap());
    }
    resources.sort_unstable();
    let expected = [
        "adminnetworkpolicies",
        "baselineadminnetworkpolicies",
        "clusternetworkpolicies",
        "endpointslices",
        "jobs",
        "namespaces",
        "networkpolicies",
        "nodes",
        "pods",
        "replicasets",
        "services",
    ];
    assert_eq!(resources, expected);
}

#[test]
fn selectors_match_their_own_pods_and_hold_what_never_changes() {
    let agents = object::<apps::DaemonSet>("DaemonSet", "portolan-agent").spec.unwrap();
    let collectors = object::<apps::Deployment>("Deployment", "portolan-collector").spec.unwrap();
    let budget =
        object::<policy::PodDisruptionBudget>("PodDisruptionBudget", "portolan-collector").spec.unwrap();
    for (selector, template) in [
        (agents.selector, &agents.template),
        (collectors.selector, &collectors.template),
        (budget.selector.unwrap(), &collectors.template),
    ] {
        let selector = selector.match_labels.unwrap();
        let keys: Vec<&str> = selector.keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            ["app.kubernetes.io/component", "app.kubernetes.io/instance", "app.kubernetes.io/name"]
        );
        let labels = template.metadata.as_ref().unwrap().labels.as_ref().unwrap();
        assert!(
            selector.iter().all(|(key, value)| labels.get(key) == Some(value)),
            "{selector:?} {labels:?}"
        );
    }
}

#[test]
fn services_lead_to_ports_that_their_pods_declare() {
    for (name, template) in [("portolan-agent", agent()), ("portolan-collector", collector())] {
        let service = object::<core::Service>("Service", name).spec.unwrap();
        let labels = template.metadata.as_ref().unwrap().labels.clone().unwrap();
        assert!(
            service.selector.unwrap().iter().all(|(key, value)| labels.get(key) == Some(value)),
            "{name}"
        );
        let (_, container) = parts(template);
        for port in service.ports.unwrap() {
            let declared =
                container.ports.as_ref().unwrap().iter().find(|declared| declared.name == port.name);
            assert_eq!(declared.map(|declared| declared.container_port), Some(port.port), "{name}");
        }
    }
}

#[test]
fn the_collector_keeps_its_ledger_in_a_volume_with_room_for_it() {
    let claim: core::PersistentVolumeClaim = object("PersistentVolumeClaim", "portolan-collector");
    let (pod, container) = parts(collector());
    let volume = pod.volumes.unwrap().pop().unwrap();
    assert_eq!(volume.persistent_volume_claim.unwrap().claim_name, "portolan-collector");
    let mount = container.volume_mounts.unwrap().pop().unwrap();
    assert_eq!(mount.name, volume.name);
    let arguments = container.args.unwrap();
    assert!(arguments.contains(&format!("--data={}", mount.mount_path)), "{arguments:?}");
    for kept in ["--keep-bytes=10GiB", "--keep-graph-bytes=2GiB"] {
        assert!(arguments.contains(&kept.to_owned()), "{arguments:?}");
    }
    let room = claim.spec.unwrap().resources.unwrap().requests.unwrap()["storage"].0.clone();
    assert_eq!(room, "24Gi", "twice as much as flows and graph may take");
    assert_eq!(pod.security_context.unwrap().fs_group, Some(65532), "it may write there");
}

#[test]
fn agents_stream_to_the_collectors_service() {
    let service: core::Service = object("Service", "portolan-collector");
    let namespace = service.metadata.namespace.unwrap();
    let ports = service.spec.unwrap().ports.unwrap();
    let grpc = ports.iter().find(|port| port.name.as_deref() == Some("grpc")).unwrap().port;
    let url = format!("--collector=http://portolan-collector.{namespace}.svc:{grpc}");
    assert!(arguments(agent()).contains(&url), "{url}");
}

#[test]
fn the_programs_listen_where_the_manifests_say() {
    for template in [agent(), collector()] {
        let (_, container) = parts(template);
        let arguments = container.args.clone().unwrap();
        let listens = |flag: &str, port: i32| arguments.contains(&format!("{flag}=0.0.0.0:{port}"));
        for port in container.ports.clone().unwrap() {
            let flag = if port.name.as_deref() == Some("metrics") { "--metrics-listen" } else { "--listen" };
            assert!(listens(flag, port.container_port), "{flag} {} {arguments:?}", port.container_port);
        }
        for probe in [container.startup_probe, container.liveness_probe, container.readiness_probe] {
            let port = probe.and_then(|probe| probe.grpc).map(|grpc| grpc.port);
            assert!(port.is_some_and(|port| listens("--listen", port)), "{port:?} {arguments:?}");
        }
    }
}

#[test]
fn everything_carries_the_version_of_this_program() {
    for document in documents() {
        let version = text(&document, &format!("{LABEL}version"));
        assert_eq!(version, env!("CARGO_PKG_VERSION"), "{}", document["metadata"]["name"]);
        assert_eq!(text(&document, &format!("{LABEL}part-of")), "portolan");
    }
    for template in [agent(), collector()] {
        assert_eq!(parts(template).1.image.unwrap(), format!("portolan:{}", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn the_program_knows_the_arguments_that_it_is_given() {
    for template in [agent(), collector()] {
        let arguments = arguments(template);
        let help =
            Command::new(env!("CARGO_BIN_EXE_portolan")).args(&arguments).arg("--help").output().unwrap();
        assert!(help.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&help.stderr));
        assert!(String::from_utf8_lossy(&help.stdout).contains("Usage:"), "{arguments:?}");
    }
}
