//! How a client wants to see objects: as they are, as a table for people, or their metadata alone.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::kinds::KindRef;
use super::table;

/// The form of an answer, from the `Accept` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// Objects as they are.
    Object,
    /// `meta.k8s.io/v1` Table.
    Table(RowObject),
    /// `meta.k8s.io/v1` PartialObjectMetadata.
    Metadata,
}

/// What a row of a table carries along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowObject {
    Nothing,
    Metadata,
    Object,
}

impl View {
    /// One object in this form; `None` when it is shown as it is.
    pub(super) fn object(self, kind: KindRef, object: &Value) -> Option<Value> {
        match self {
            Self::Object => None,
            Self::Metadata => Some(metadata_only(object)),
            Self::Table(row) => {
                let metadata = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
                Some(table::table(kind, &[object], row, &metadata, Timestamp::now()))
            }
        }
    }

    /// A list in this form.
    pub(super) fn list(self, kind: KindRef, items: &[&Value], metadata: &Value) -> Value {
        match self {
            Self::Object => json!({
                "kind": format!("{}List", kind.kind),
                "apiVersion": kind.api_version(),
                "metadata": metadata,
                "items": items.iter().map(|item| list_item(kind, item)).collect::<Vec<_>>(),
            }),
            Self::Metadata => json!({
                "kind": "PartialObjectMetadataList",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata,
                "items": items.iter().map(|item| metadata_only(item)).collect::<Vec<_>>(),
            }),
            Self::Table(row) => table::table(kind, items, row, metadata, Timestamp::now()),
        }
    }
}

/// Items of built-in kinds do not repeat their kind, as on a real server.
fn list_item(kind: KindRef, item: &Value) -> Value {
    let mut item = item.clone();
    if let Some(map) = item.as_object_mut().filter(|_| !kind.is_custom()) {
        map.remove("kind");
        map.remove("apiVersion");
    }
    item
}

/// The metadata of an object as an object of its own.
pub(super) fn metadata_only(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object["metadata"],
    })
}
