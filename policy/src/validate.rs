//! What the Kubernetes API would reject in an object, and what Portolan makes of it all the same.
//!
//! Names every field with its path, the problem, the mend and the effect; changes nothing and never
//! fails. How an invalid part is evaluated is decided by the evaluator; this module says it in words.
//!
//! ```text
//! Object -> metadata, spec -> selectors, blocks, ports, tiered rules -> Report -> [InvalidField]
//! text   -> keys that are no fields ───────────────────────────────────┘
//! ```

mod consequence;
mod fields;
mod ip_block;
mod metadata;
mod network_policy;
mod path;
mod report;
mod selector;
mod syntax;
mod tiered;
mod unknown;
mod workload;

pub(crate) use path::Path;
pub(crate) use tiered::view;
pub(crate) use unknown::{metadata_slips, unknown_keys};

use crate::{Object, ObjectKey};
use report::Report;
use serde::{Serialize, Serializer};
use std::fmt;

/// A field that the API would reject, or that it does not have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct InvalidField {
    /// The object that has it.
    #[serde(serialize_with = "write_key")]
    pub object: ObjectKey,
    /// Where it is, such as `spec.ingress[0].from[1].ipBlock.cidr`.
    pub field: String,
    /// What is wrong, with the value that is.
    pub problem: String,
    /// What to write instead.
    pub mend: String,
    /// What Portolan does with it as it is.
    pub effect: String,
}

impl fmt::Display for InvalidField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, field, problem, mend, effect } = self;
        write!(f, "{object}: {field}: {problem}; {mend} (as it is, {effect})")
    }
}

/// Names what the API would reject in an object, in the order of its fields; first the keys of a
/// policy's text that are no fields of the API.
pub fn validate(object: &Object) -> Vec<InvalidField> {
    let key = object.key();
    let mut report = Report::new(&key);
    report.unknown(object.unknown_keys());
    metadata::check(&mut report, object);
    match object {
        Object::Pod(pod) => workload::pod(&mut report, pod),
        Object::Service(service) => workload::service(&mut report, service),
        Object::NetworkPolicy(policy) => network_policy::check(&mut report, policy),
        Object::ClusterNetworkPolicy(_)
        | Object::AdminNetworkPolicy(_)
        | Object::BaselineAdminNetworkPolicy(_) => tiered::check(&mut report, object),
        Object::Namespace(_)
        | Object::Node(_)
        | Object::EndpointSlice(_)
        | Object::ReplicaSet(_)
        | Object::Job(_) => {}
    }
    report.finish()
}

/// Whether the API takes this as the name of a port.
pub(crate) fn is_port_name(name: &str) -> bool {
    syntax::port_name(name).is_ok()
}

/// Writes a key as `{"kind", "namespace", "name"}`, the namespace only where there is one.
pub(crate) fn write_key<S: Serializer>(key: &ObjectKey, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Key<'a> {
        kind: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'a str>,
        name: &'a str,
    }
    let ObjectKey { kind, namespace, name } = key;
    Key { kind: kind.as_str(), namespace: namespace.as_deref(), name }.serialize(serializer)
}
