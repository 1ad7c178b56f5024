//! The cluster-wide policy kinds of `policy.networking.k8s.io`, as their objects are written.
//!
//! Plain data with nothing checked: what the API would reject is kept, so that it can be named.
//! Keys that the API does not have are kept too: a selector of an older API read without them would
//! match everybody (A5).

pub mod v1alpha1;
pub mod v1alpha2;

use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Keys that the API does not have.
pub type UnknownFields = BTreeMap<String, Value>;

/// Whom a policy is about: exactly one of the two fields (C6).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// All pods of the selected namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<LabelSelector>,
    /// The selected pods of the selected namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<NamespacedPods>,
    /// Keys that the API does not have.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// Who may be at the other end: exactly one of the fields (C7).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    /// All pods of the selected namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<LabelSelector>,
    /// The selected pods of the selected namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<NamespacedPods>,
    /// Egress only: the selected nodes (C9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<LabelSelector>,
    /// Egress only: blocks of addresses (C10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<String>>,
    /// Egress only: names, `*.` at the front for any labels before them (C11).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain_names: Option<Vec<String>>,
    /// Keys that the API does not have.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// Pods by their labels and those of their namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespacedPods {
    /// Their namespaces; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// The pods; required by the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,
    /// Keys that the API does not have.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// A label selector that remembers the keys it could not read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// Labels that must be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_labels: Option<BTreeMap<String, String>>,
    /// Conditions that must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_expressions: Option<Vec<meta::LabelSelectorRequirement>>,
    /// Keys that the API does not have.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

impl LabelSelector {
    /// The same as the Kubernetes type, without the unknown keys.
    pub fn known(&self) -> meta::LabelSelector {
        meta::LabelSelector {
            match_labels: self.match_labels.clone(),
            match_expressions: self.match_expressions.clone(),
        }
    }
}

/// Makes a type an object of the Kubernetes API: its group, version, kind and plural.
macro_rules! cluster_scoped_object {
    ($kind:ident, $version:literal, $plural:literal) => {
        impl k8s_openapi::Resource for $kind {
            const API_VERSION: &'static str = concat!("policy.networking.k8s.io/", $version);
            const GROUP: &'static str = "policy.networking.k8s.io";
            const KIND: &'static str = stringify!($kind);
            const VERSION: &'static str = $version;
            const URL_PATH_SEGMENT: &'static str = $plural;
            type Scope = k8s_openapi::ClusterResourceScope;
        }

        impl k8s_openapi::Metadata for $kind {
            type Ty = k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

            fn metadata(&self) -> &Self::Ty {
                &self.metadata
            }

            fn metadata_mut(&mut self) -> &mut Self::Ty {
                &mut self.metadata
            }
        }
    };
}
use cluster_scoped_object;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_of_the_old_api_is_not_an_empty_one() {
        let peer: Peer =
            serde_json::from_str(r#"{"namespaces": {"namespaceSelector": {"matchLabels": {"a": "b"}}}}"#)
                .unwrap();
        assert_eq!(peer.namespaces.unwrap().unknown.keys().collect::<Vec<_>>(), ["namespaceSelector"]);
    }

    #[test]
    fn what_is_read_is_written_again() {
        let text = r#"{"pods":{"namespaceSelector":{},"podSelector":{"matchLabels":{"app":"web"}}}}"#;
        let peer: Peer = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&peer).unwrap(), text);
    }
}
