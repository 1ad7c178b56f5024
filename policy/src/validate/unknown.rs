//! The keys of a policy's text that are no fields where they stand, and what was perhaps meant.
//!
//! ```text
//! text of the policy + table of fields -> path of the key, and a field: spelt alike, of what stands
//!                                         inside, or of what stands around
//! ```

use super::{
    Path, consequence,
    fields::{self, Holds, Type},
};
use crate::{ObjectKind, nearest::nearest, object::UnknownKey};
use serde_json::{Map, Value};

/// Words of one version of the API for what another one calls otherwise.
const ELSEWHERE: [(&str, &str); 2] = [("ports", "protocols"), ("protocols", "ports")];

/// One object of the text on the way down to a key.
struct Level<'a> {
    around: Option<&'a Level<'a>>,
    of: &'static Type,
    /// Its path; absent for the policy itself.
    at: Option<Path<'a>>,
}

/// Names the keys that are no fields, in the order of the text; only policies are looked through.
pub(crate) fn unknown_keys(kind: ObjectKind, policy: &Value) -> Vec<UnknownKey> {
    let mut keys = Vec::new();
    if let (Some(of), Value::Object(policy)) = (fields::of(kind), policy) {
        Level { around: None, of, at: None }.look_through(policy, &mut keys);
    }
    keys
}

/// Kinds that are no policies and have metadata that decisions ask for, or templates of pods.
const PLAIN_KINDS: [&str; 11] = [
    "Namespace",
    "Node",
    "Pod",
    "Service",
    "EndpointSlice",
    "ReplicaSet",
    "Job",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "CronJob",
];

/// The same for objects that are no policies, of which only the metadata, that of their pod templates
/// and the addresses of a pod are looked through.
pub(crate) fn metadata_slips(object: &Map<String, Value>) -> Vec<UnknownKey> {
    let mut keys = Vec::new();
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    if PLAIN_KINDS.contains(&kind) {
        Level { around: None, of: &fields::PLAIN, at: None }.look_through(object, &mut keys);
    }
    if let ("Pod", Some(Value::Object(status))) = (kind, object.get("status")) {
        keys.extend(status.keys().filter_map(|key| address_slip(key)));
    }
    keys
}

/// `podIps` for `podIPs`; other keys of a status are the API server's own.
fn address_slip(key: &str) -> Option<UnknownKey> {
    let is_slip = !matches!(key, "podIP" | "podIPs")
        && key.len() <= 64
        && strsim::osa_distance(&key.to_lowercase(), "podips") <= 1;
    is_slip.then(|| UnknownKey {
        field: Path::root("status").field(key).to_string(),
        mend: "write `podIPs`".to_owned(),
        consequence: None,
    })
}

impl Level<'_> {
    fn look_through(&self, object: &Map<String, Value>, keys: &mut Vec<UnknownKey>) {
        for (key, value) in object {
            let at = self.at.as_ref().map_or_else(|| Path::root(key), |at| at.field(key));
            match self.of.get(key) {
                Some(Holds::Anything) => {}
                Some(Holds::One(of)) => self.enter(of, at, value, keys),
                Some(Holds::Many(of)) => {
                    for (index, entry) in value.as_array().into_iter().flatten().enumerate() {
                        self.enter(of, at.index(index), entry, keys);
                    }
                }
                None if self.of.keeps_unknown => {}
                None => keys.push(UnknownKey {
                    field: at.to_string(),
                    mend: self.mend(key),
                    consequence: consequence::without(self.of, object, wanted(self.of, key)),
                }),
            }
        }
    }

    fn enter(&self, of: &'static Type, at: Path<'_>, value: &Value, keys: &mut Vec<UnknownKey>) {
        if let Value::Object(object) = value {
            Level { around: Some(self), of, at: Some(at) }.look_through(object, keys);
        }
    }

    fn mend(&self, key: &str) -> String {
        if let Some(mend) = meant(self.of, key) {
            return mend;
        }
        let mut around = self.around;
        while let Some(level) = around {
            if level.of.get(key).is_some() {
                let whose = level.at.map_or("the object itself".to_owned(), |at| at.to_string());
                return format!("it is a field of {whose}; move it there");
            }
            around = level.around;
        }
        let names: Vec<_> = self.of.names().collect();
        format!("leave it out; the fields here are {}", names.join(", "))
    }
}

/// What was meant with a key, as far as the object that it stands in can tell.
pub(super) fn meant(of: &Type, key: &str) -> Option<String> {
    if let Some(field) = nearest_field(of, key) {
        return Some(format!("write `{field}`"));
    }
    if let Some(field) = elsewhere(of, key) {
        return Some(format!("write `{field}`, in the form of this version"));
    }
    let holders = of.holders_of(key);
    if !holders.is_empty() {
        return Some(format!("it is a field of what `{}` holds; move it there", holders.join("` or `")));
    }
    of.is_selector().then(|| "write labels under `matchLabels`".to_owned())
}

/// The field that a key stands for, or the key itself.
fn wanted<'a>(of: &Type, key: &'a str) -> &'a str {
    let labels = || of.is_selector().then_some("matchLabels");
    nearest_field(of, key).or_else(|| elsewhere(of, key)).or_else(labels).unwrap_or(key)
}

fn nearest_field(of: &Type, key: &str) -> Option<&'static str> {
    nearest(key, of.names().map(|name| (name, name)))
}

fn elsewhere(of: &Type, key: &str) -> Option<&'static str> {
    let mut known = ELSEWHERE.iter().filter(|(word, field)| *word == key && of.get(field).is_some());
    known.next().map(|(_, field)| *field)
}
