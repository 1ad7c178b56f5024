//! The kinds that the server knows, as one table: names, scope, selectable fields and the typed shape.
//!
//! Everything else asks this table; a new kind is one more row.

use std::fmt;
use std::ops::Deref;

use k8s_openapi::api::{
    apps::v1 as apps, batch::v1 as batch, coordination::v1 as coordination, core::v1 as core,
    discovery::v1 as discovery, networking::v1 as networking, policy::v1 as policy, rbac::v1 as rbac,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Decodes an object into its typed form and encodes it again, so that what the type does not know is gone.
type RoundTrip = fn(&Value) -> Result<Value, String>;

/// One row of the table.
pub struct Kind {
    /// API group, empty for the core group.
    pub group: &'static str,
    /// API version inside the group.
    pub version: &'static str,
    /// Kind in objects, such as `Pod`.
    pub kind: &'static str,
    /// Name in paths, such as `pods`.
    pub plural: &'static str,
    /// Name for one object on command lines.
    pub singular: &'static str,
    /// Abbreviations on command lines.
    pub short: &'static [&'static str],
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Whether objects have a status of their own path.
    pub status: bool,
    /// Whether the kind belongs to `kubectl get all`.
    pub in_all: bool,
    /// Fields for field selectors beside `metadata.name` and `metadata.namespace`.
    pub fields: &'static [&'static str],
    /// The typed shape; kinds without one behave like custom resources.
    round_trip: Option<RoundTrip>,
}

impl Kind {
    /// `apiVersion` of objects of this kind.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `Kind.group`, as error messages name it.
    pub fn qualified_kind(&self) -> String {
        qualified(self.kind, self.group)
    }

    /// `plural.group`, as error messages name it.
    pub fn qualified_plural(&self) -> String {
        qualified(self.plural, self.group)
    }

    /// Whether the kind behaves like a custom resource: no strategic merge, list items keep their kind.
    pub fn is_custom(&self) -> bool {
        self.round_trip.is_none()
    }

    /// Decodes and encodes an object by its type; `None` when the kind has no type here.
    pub(super) fn round_trip(&self, object: &Value) -> Option<Result<Value, String>> {
        self.round_trip.map(|decode| decode(object))
    }

    const fn cluster_scoped(mut self) -> Self {
        self.namespaced = false;
        self
    }

    const fn short(mut self, names: &'static [&'static str]) -> Self {
        self.short = names;
        self
    }

    const fn with_status(mut self) -> Self {
        self.status = true;
        self
    }

    const fn in_all(mut self) -> Self {
        self.in_all = true;
        self
    }

    const fn fields(mut self, fields: &'static [&'static str]) -> Self {
        self.fields = fields;
        self
    }
}

fn qualified(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

const fn untyped(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
) -> Kind {
    Kind {
        group,
        version,
        kind,
        plural,
        singular,
        short: &[],
        namespaced: true,
        status: false,
        in_all: false,
        fields: &[],
        round_trip: None,
    }
}

const fn typed<T: DeserializeOwned + Serialize>(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
) -> Kind {
    let mut row = untyped(group, version, kind, plural, singular);
    row.round_trip = Some(round_trip::<T>);
    row
}

fn round_trip<T: DeserializeOwned + Serialize>(object: &Value) -> Result<Value, String> {
    let decoded: T = serde_path_to_error::deserialize(object).map_err(|err| err.to_string())?;
    serde_json::to_value(decoded).map_err(|err| err.to_string())
}

const POLICY_GROUP: &str = "policy.networking.k8s.io";
const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// The table. Discovery lists kinds in this order.
static KINDS: &[Kind] = &[
    typed::<core::Namespace>("", "v1", "Namespace", "namespaces", "namespace")
        .cluster_scoped()
        .short(&["ns"])
        .with_status()
        .fields(&["status.phase"]),
    typed::<core::Node>("", "v1", "Node", "nodes", "node")
        .cluster_scoped()
        .short(&["no"])
        .with_status()
        .fields(&["spec.unschedulable"]),
    typed::<core::Pod>("", "v1", "Pod", "pods", "pod").short(&["po"]).with_status().in_all().fields(&[
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ]),
    typed::<core::Service>("", "v1", "Service", "services", "service")
        .short(&["svc"])
        .with_status()
        .in_all()
        .fields(&["spec.clusterIP", "spec.type"]),
    typed::<core::Endpoints>("", "v1", "Endpoints", "endpoints", "endpoints").short(&["ep"]),
    typed::<core::Event>("", "v1", "Event", "events", "event").short(&["ev"]).fields(&[
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ]),
    typed::<core::ConfigMap>("", "v1", "ConfigMap", "configmaps", "configmap").short(&["cm"]),
    typed::<core::Secret>("", "v1", "Secret", "secrets", "secret").fields(&["type"]),
    typed::<core::ServiceAccount>("", "v1", "ServiceAccount", "serviceaccounts", "serviceaccount")
        .short(&["sa"]),
    typed::<apps::Deployment>("apps", "v1", "Deployment", "deployments", "deployment")
        .short(&["deploy"])
        .with_status()
        .in_all(),
    typed::<apps::ReplicaSet>("apps", "v1", "ReplicaSet", "replicasets", "replicaset")
        .short(&["rs"])
        .with_status()
        .in_all(),
    typed::<apps::StatefulSet>("apps", "v1", "StatefulSet", "statefulsets", "statefulset")
        .short(&["sts"])
        .with_status()
        .in_all(),
    typed::<apps::DaemonSet>("apps", "v1", "DaemonSet", "daemonsets", "daemonset")
        .short(&["ds"])
        .with_status()
        .in_all(),
    typed::<batch::Job>("batch", "v1", "Job", "jobs", "job")
        .with_status()
        .in_all()
        .fields(&["status.successful"]),
    typed::<batch::CronJob>("batch", "v1", "CronJob", "cronjobs", "cronjob")
        .short(&["cj"])
        .with_status()
        .in_all(),
    typed::<discovery::EndpointSlice>(
        "discovery.k8s.io",
        "v1",
        "EndpointSlice",
        "endpointslices",
        "endpointslice",
    ),
    typed::<networking::NetworkPolicy>(
        "networking.k8s.io",
        "v1",
        "NetworkPolicy",
        "networkpolicies",
        "networkpolicy",
    )
    .short(&["netpol"]),
    typed::<coordination::Lease>("coordination.k8s.io", "v1", "Lease", "leases", "lease"),
    typed::<policy::PodDisruptionBudget>(
        "policy",
        "v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        "poddisruptionbudget",
    )
    .short(&["pdb"])
    .with_status(),
    typed::<rbac::Role>(RBAC_GROUP, "v1", "Role", "roles", "role"),
    typed::<rbac::RoleBinding>(RBAC_GROUP, "v1", "RoleBinding", "rolebindings", "rolebinding"),
    typed::<rbac::ClusterRole>(RBAC_GROUP, "v1", "ClusterRole", "clusterroles", "clusterrole")
        .cluster_scoped(),
    typed::<rbac::ClusterRoleBinding>(
        RBAC_GROUP,
        "v1",
        "ClusterRoleBinding",
        "clusterrolebindings",
        "clusterrolebinding",
    )
    .cluster_scoped(),
    untyped(
        POLICY_GROUP,
        "v1alpha2",
        "ClusterNetworkPolicy",
        "clusternetworkpolicies",
        "clusternetworkpolicy",
    )
    .cluster_scoped()
    .short(&["cnp"])
    .with_status(),
    untyped(POLICY_GROUP, "v1alpha1", "AdminNetworkPolicy", "adminnetworkpolicies", "adminnetworkpolicy")
        .cluster_scoped()
        .short(&["anp"])
        .with_status(),
    untyped(
        POLICY_GROUP,
        "v1alpha1",
        "BaselineAdminNetworkPolicy",
        "baselineadminnetworkpolicies",
        "baselineadminnetworkpolicy",
    )
    .cluster_scoped()
    .short(&["banp"])
    .with_status(),
];

/// A row of the table, cheap to copy and to compare.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindRef(usize);

impl KindRef {
    /// Every kind, in table order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..KINDS.len()).map(Self)
    }

    /// The kind at a path, such as (`apps`, `v1`, `deployments`).
    pub fn by_path(group: &str, version: &str, plural: &str) -> Option<Self> {
        Self::all().find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
    }

    /// The kind of an object, such as (`apps/v1`, `Deployment`).
    pub fn by_object(api_version: &str, kind: &str) -> Option<Self> {
        Self::all().find(|row| row.kind == kind && row.api_version() == api_version)
    }

    /// The kind that a person means by `Pod`, `pod`, `pods` or `po`.
    pub fn by_name(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        Self::all().find(|kind| {
            kind.plural == lower || kind.singular == lower || kind.short.contains(&lower.as_str())
        })
    }

    /// Position in the table.
    pub(super) fn index(self) -> usize {
        self.0
    }
}

impl Deref for KindRef {
    type Target = Kind;

    fn deref(&self) -> &'static Kind {
        &KINDS[self.0]
    }
}

impl fmt::Debug for KindRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.plural)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_kinds_share_a_path_or_a_name() {
        let paths: BTreeSet<_> = KindRef::all().map(|kind| (kind.group, kind.version, kind.plural)).collect();
        let names: BTreeSet<_> = KindRef::all().map(|kind| kind.plural).collect();
        assert_eq!(paths.len(), KINDS.len());
        assert_eq!(names.len(), KINDS.len());
    }

    #[test]
    fn a_kind_is_found_by_every_name_that_people_use() {
        for name in ["NetworkPolicy", "networkpolicy", "networkpolicies", "netpol"] {
            assert_eq!(KindRef::by_name(name).map(|kind| kind.kind), Some("NetworkPolicy"), "{name}");
        }
        assert_eq!(KindRef::by_name("gateways"), None);
    }

    #[test]
    fn an_object_finds_its_row_by_group_version_and_kind() {
        let found = KindRef::by_object("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy");
        assert_eq!(found.map(|kind| kind.plural), Some("adminnetworkpolicies"));
        assert_eq!(KindRef::by_object("apps/v1beta1", "Deployment"), None);
    }
}
