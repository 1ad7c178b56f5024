//! How lists and maps of built-in kinds merge: which lists are keyed, which are sets, which are one value.
//!
//! Strategic merge patch and server-side apply read the same table.

use super::kinds::KindRef;

/// How two versions of a list become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The newer list replaces the older.
    Atomic,
    /// Values are added.
    Set,
    /// Items with the same key fields merge. Strategic merge uses the first key alone.
    Keyed(&'static [&'static str]),
}

/// The shape of the list `field` inside `parent`; both are field names, list items counting for their list.
pub(super) fn list_shape(kind: KindRef, parent: &str, field: &str) -> Shape {
    match (parent, field) {
        ("metadata", "ownerReferences") => return Shape::Keyed(&["uid"]),
        ("metadata", "finalizers") => return Shape::Set,
        _ if kind.is_custom() => return Shape::Atomic,
        _ => {}
    }
    match (parent, field) {
        (
            _,
            "containers" | "initContainers" | "ephemeralContainers" | "volumes" | "imagePullSecrets" | "env",
        ) => Shape::Keyed(&["name"]),
        ("containers" | "initContainers" | "ephemeralContainers", "ports") => {
            Shape::Keyed(&["containerPort", "protocol"])
        }
        ("spec", "ports") if kind.kind == "Service" => Shape::Keyed(&["port", "protocol"]),
        (_, "volumeMounts") => Shape::Keyed(&["mountPath"]),
        (_, "volumeDevices") => Shape::Keyed(&["devicePath"]),
        (_, "hostAliases" | "podIPs" | "hostIPs") => Shape::Keyed(&["ip"]),
        (_, "topologySpreadConstraints") => Shape::Keyed(&["topologyKey", "whenUnsatisfiable"]),
        ("spec", "taints") => Shape::Keyed(&["key"]),
        ("status", "conditions") => Shape::Keyed(&["type"]),
        _ => Shape::Atomic,
    }
}

/// Maps that are one value: changing a part replaces the whole.
pub(super) fn is_atomic_map(field: &str) -> bool {
    matches!(field, "podSelector" | "namespaceSelector" | "selector" | "labelSelector" | "nodeSelector")
}

/// The value that an absent key field stands for.
pub(super) fn key_default(field: &str) -> Option<&'static str> {
    (field == "protocol").then_some("TCP")
}
