//! Object metadata: names, uids, versions, finalizers. Pure edits of JSON objects.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::admission::Part;
use super::error::{ApiError, FieldError};
use super::kinds::KindRef;
use super::store::{Preconditions, WriteOptions};

/// Makes uids and name suffixes: different for every seed, the same for the same seed.
#[derive(Debug)]
pub(super) struct Ids {
    state: u64,
}

impl Ids {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// splitmix64: well mixed and tiny; nothing here needs to be unguessable.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn uid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            a >> 16 & 0xffff,
            a & 0xfff,
            b >> 48 & 0x3fff | 0x8000,
            b & 0xffff_ffff_ffff
        )
    }

    /// Five letters that spell no words, as Kubernetes picks them.
    fn suffix(&mut self) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let mut bits = self.next();
        (0..5)
            .map(|_| {
                let letter = LETTERS[(bits % LETTERS.len() as u64) as usize];
                bits /= LETTERS.len() as u64;
                char::from(letter)
            })
            .collect()
    }
}

/// Seconds are all that Kubernetes keeps of a time.
pub(super) fn printed_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A text field of the metadata, when it is there and not empty.
pub(super) fn text<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    object.get("metadata")?.get(field)?.as_str().filter(|text| !text.is_empty())
}

/// The metadata of an object, made where it is missing.
pub(super) fn of(object: &mut Value) -> Option<&mut Map<String, Value>> {
    object.as_object_mut()?.entry("metadata").or_insert_with(|| json!({})).as_object_mut()
}

/// The name a new object gets, also from `generateName`; a foreign namespace in the body is refused.
pub(super) fn settle_name(
    kind: KindRef,
    namespace: &str,
    object: &mut Value,
    ids: &mut Ids,
) -> Result<String, ApiError> {
    check_namespace(object, namespace)?;
    if text(object, "resourceVersion").is_some() {
        return Err(ApiError::bad_request("resourceVersion should not be set on objects to be created"));
    }
    if let Some(name) = text(object, "name") {
        return Ok(name.to_owned());
    }
    let Some(prefix) = text(object, "generateName") else {
        let missing = FieldError::required("metadata.name", "name or generateName is required");
        return Err(ApiError::invalid(&kind, "", &[missing]));
    };
    let name = format!("{prefix}{}", ids.suffix());
    if let Some(metadata) = of(object) {
        metadata.insert("name".to_owned(), json!(name));
    }
    Ok(name)
}

/// Refuses an object whose namespace is not the one of the path.
pub(super) fn check_namespace(object: &Value, namespace: &str) -> Result<(), ApiError> {
    match text(object, "namespace") {
        Some(own) if own != namespace => Err(ApiError::bad_request(format!(
            "the namespace of the provided object does not match the namespace sent on the request ({own} is not {namespace:?})"
        ))),
        _ => Ok(()),
    }
}

/// Gives a new object its uid, time of creation and first generation.
pub(super) fn stamp_new(object: &mut Value, ids: &mut Ids, options: &WriteOptions) {
    let has_spec = object.get("spec").is_some();
    let uid = ids.uid();
    let Some(metadata) = of(object) else { return };
    // Test code that plays the cluster may bring its own identity; clients may not.
    if options.part != Part::All {
        metadata.remove("uid");
        metadata.remove("creationTimestamp");
        metadata.remove("deletionTimestamp");
    }
    metadata.remove("selfLink");
    metadata.entry("uid").or_insert_with(|| json!(uid));
    metadata.entry("creationTimestamp").or_insert_with(|| json!(printed_time(options.now)));
    if has_spec {
        metadata.insert("generation".to_owned(), json!(1));
    }
}

/// Stamps the version; objects whose metadata is no object stay as they are.
pub(super) fn set_revision(object: &mut Value, revision: u64) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".to_owned(), json!(revision.to_string()));
    }
}

/// The object with another version, as a watch tells of its end.
pub(super) fn at_revision(object: &Value, revision: u64) -> Value {
    let mut object = object.clone();
    set_revision(&mut object, revision);
    object
}

pub(super) fn is_terminating(object: &Value) -> bool {
    text(object, "deletionTimestamp").is_some()
}

pub(super) fn has_finalizers(object: &Value) -> bool {
    let finalizers = object.get("metadata").and_then(|metadata| metadata.get("finalizers"));
    finalizers.and_then(Value::as_array).is_some_and(|list| !list.is_empty())
}

/// An object that a delete marked and whose last finalizer has gone. Test code that sets only the time of
/// deletion plays a grace period: such objects stay.
pub(super) fn is_finished(object: &Value) -> bool {
    let grace = object.get("metadata").and_then(|metadata| metadata.get("deletionGracePeriodSeconds"));
    is_terminating(object) && !has_finalizers(object) && grace.and_then(Value::as_u64) == Some(0)
}

pub(super) fn set_terminating(object: &mut Value, kind: KindRef, now: Timestamp) {
    if let Some(metadata) = of(object) {
        metadata.insert("deletionTimestamp".to_owned(), json!(printed_time(now)));
        metadata.insert("deletionGracePeriodSeconds".to_owned(), json!(0));
    }
    if kind.plural == "namespaces" {
        object["status"] = json!({"phase": "Terminating"});
    }
}

pub(super) fn check_preconditions(
    kind: KindRef,
    name: &str,
    live: &Value,
    conditions: &Preconditions,
) -> Result<(), ApiError> {
    let checks =
        [("uid", "UID", &conditions.uid), ("resourceVersion", "ResourceVersion", &conditions.revision)];
    for (field, title, wanted) in checks {
        let found = text(live, field).unwrap_or_default();
        if let Some(wanted) = wanted.as_deref().filter(|wanted| *wanted != found) {
            let why = format!(
                "Precondition failed: {title} in precondition: {wanted}, {title} in object meta: {found}"
            );
            return Err(ApiError::conflict(kind, name, &why));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_look_like_uuids_and_do_not_repeat() {
        let mut ids = Ids::new(7);
        let (first, second) = (ids.uid(), ids.uid());
        assert_ne!(first, second);
        assert_eq!(first.len(), 36);
        assert_eq!(first.as_bytes()[14], b'4');
        assert_eq!(Ids::new(7).uid(), first);
    }

    #[test]
    fn a_name_is_made_from_its_prefix() {
        let pods = KindRef::by_name("pods").unwrap();
        let mut pod = json!({"metadata": {"generateName": "web-"}});
        let name = settle_name(pods, "shop", &mut pod, &mut Ids::new(1)).unwrap();
        assert!(name.starts_with("web-") && name.len() == 9, "{name}");
        assert_eq!(text(&pod, "name"), Some(name.as_str()));
    }

    #[test]
    fn a_new_object_may_not_bring_a_version_or_another_namespace() {
        let pods = KindRef::by_name("pods").unwrap();
        let mut ids = Ids::new(1);
        for metadata in [json!({"name": "a", "resourceVersion": "1"}), json!({"name": "a", "namespace": "x"})]
        {
            let refused = settle_name(pods, "shop", &mut json!({"metadata": metadata}), &mut ids);
            assert_eq!(refused.unwrap_err().code, 400);
        }
    }
}
