//! Text to objects: YAML with any number of documents, or JSON, Lists included.
//!
//! ```text
//! text -> documents -> values -> List items -> Object | ignored kind | error
//! ```
//!
//! One bad document costs only itself; what Portolan does not need is counted by its kind.

mod kind;
mod split;
mod template;
mod value;
mod workload;

pub use workload::WorkloadTemplate;

use crate::{
    Object, ObjectKind, Policy,
    object::UnknownKey,
    validate::{metadata_slips, unknown_keys},
};
use kind::Kind;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use split::Document;
use std::{collections::BTreeMap, fmt};

/// What a text held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// The objects, in the order of the text.
    pub objects: Vec<Object>,
    /// The workloads of which only the pod templates are read, in the order of the text.
    pub workloads: Vec<WorkloadTemplate>,
    /// What could not be read, in the order of the text.
    pub errors: Vec<ManifestError>,
    /// Keys in the metadata of objects other than policies, and of pod templates, that are no fields
    /// there and are dropped; those of policies are named by [`validate`](crate::validate()).
    pub slips: Vec<ManifestError>,
    /// The kinds that Portolan does not need, by name.
    pub ignored: Vec<IgnoredKind>,
}

/// A kind that Portolan does not need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredKind {
    /// The `apiVersion` of its objects.
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// How many objects of it there were.
    pub count: usize,
    /// Whether any of them has a pod template, so that there may be pods that nobody knows of.
    pub has_pods: bool,
}

impl fmt::Display for IgnoredKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.count, self.kind, self.api_version)
    }
}

/// A document, or one item of a List, that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("document {document} (line {line}){}: {problem}", Named(.object.as_deref()))]
pub struct ManifestError {
    /// The number of the document, from 1, empty ones not counted.
    pub document: usize,
    /// The line that the document begins on, from 1.
    pub line: usize,
    /// Kind, namespace and name, as far as they are known.
    pub object: Option<String>,
    /// What is wrong and how to mend it.
    pub problem: String,
    /// Whether nothing says that it was meant as a Kubernetes object.
    pub is_foreign: bool,
}

/// `, NetworkPolicy shop/db`, or nothing.
struct Named<'a>(Option<&'a str>);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |name| write!(f, ", {name}"))
    }
}

/// Reads objects from YAML or JSON text.
pub fn parse_manifest(text: &str) -> Manifest {
    let mut reader = Reader::default();
    for document in split::documents(text) {
        reader.read(&document);
    }
    reader.finish()
}

/// Collects what the documents hold.
#[derive(Default)]
struct Reader {
    objects: Vec<Object>,
    workloads: Vec<WorkloadTemplate>,
    errors: Vec<ManifestError>,
    slips: Vec<ManifestError>,
    /// How many there are of a kind, and whether any has pods.
    ignored: BTreeMap<(String, String), (usize, bool)>,
}

/// What an item of a typed List inherits where it does not say it itself.
#[derive(Clone, Copy)]
struct Inherited<'a> {
    api_version: &'a str,
    kind: &'a str,
}

impl Reader {
    fn read(&mut self, document: &Document<'_>) {
        let has_gaps = template::has_gaps(document.text) && !value::is_json(document.text);
        for value in value::values(document) {
            match value {
                Ok(value) => self.take(document, value, None),
                Err(_) if has_gaps => self.fail_template(document),
                Err(problem) => self.fail(document, None, problem),
            }
        }
    }

    fn finish(self) -> Manifest {
        let ignored = self.ignored.into_iter();
        Manifest {
            objects: self.objects,
            workloads: self.workloads,
            errors: self.errors,
            slips: self.slips,
            ignored: ignored
                .map(|((api_version, kind), (count, has_pods))| IgnoredKind {
                    api_version,
                    kind,
                    count,
                    has_pods,
                })
                .collect(),
        }
    }

    fn fail(&mut self, document: &Document<'_>, object: Option<String>, problem: String) {
        let Document { number: document, line, .. } = *document;
        self.errors.push(ManifestError { document, line, object, problem, is_foreign: false });
    }

    /// A file of templates has many documents that cannot be read, all for one reason.
    fn fail_template(&mut self, document: &Document<'_>) {
        if !self.errors.iter().any(|error| error.problem == template::PROBLEM) {
            self.fail(document, None, template::PROBLEM.to_owned());
        }
    }

    /// The object is taken all the same, without those keys.
    fn note_slips(&mut self, document: &Document<'_>, title: Option<&str>, object: &Map<String, Value>) {
        let Document { number: document, line, .. } = *document;
        self.slips.extend(metadata_slips(object).into_iter().map(|UnknownKey { field, mend, .. }| {
            let problem = format!("{field}: not a field of this object, so it is dropped; {mend}");
            ManifestError { document, line, object: title.map(str::to_owned), problem, is_foreign: false }
        }));
    }

    /// What was perhaps never meant as an object.
    fn fail_foreign(&mut self, document: &Document<'_>, object: Option<String>, problem: String) {
        self.fail(document, object, problem);
        if let Some(error) = self.errors.last_mut() {
            error.is_foreign = true;
        }
    }

    fn take(&mut self, document: &Document<'_>, value: Value, inherited: Option<Inherited<'_>>) {
        let mut object = match value {
            Value::Null => return,
            Value::Object(object) => object,
            // What a program wrote without a List around it.
            Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_object) => {
                return items.into_iter().for_each(|item| self.take(document, item, inherited));
            }
            other => {
                let problem = format!(
                    "{} where an object was expected; write apiVersion, kind and metadata",
                    describe(&other)
                );
                return self.fail_foreign(document, None, problem);
            }
        };
        if let Some(Inherited { api_version, kind }) = inherited {
            object.entry("apiVersion").or_insert_with(|| api_version.into());
            object.entry("kind").or_insert_with(|| kind.into());
        }
        if let Some(items) = list_items(&mut object) {
            return self.take_items(document, &object, items);
        }
        if template::is_unfilled(&object) {
            return self.fail_template(document);
        }
        let title = title(&object);
        let is_foreign = is_foreign(&object);
        self.note_slips(document, title.as_deref(), &object);
        match read_object(object) {
            Ok(Read::Object(object)) => self.objects.push(object),
            Ok(Read::Workload(workload)) => self.workloads.push(*workload),
            Ok(Read::Ignored { api_version, kind, has_pods }) => {
                let (count, any_has_pods) = self.ignored.entry((api_version, kind)).or_default();
                *count += 1;
                *any_has_pods |= has_pods;
            }
            Err(problem) if is_foreign => self.fail_foreign(document, title, problem),
            Err(problem) => self.fail(document, title, problem),
        }
    }

    /// The items of a `PodList` are Pods even when they do not say so.
    fn take_items(&mut self, document: &Document<'_>, list: &Map<String, Value>, items: Vec<Value>) {
        let item_kind = text(list, "kind").and_then(|kind| kind.strip_suffix("List"));
        let kind = item_kind.filter(|kind| !kind.is_empty());
        let inherited = kind.zip(text(list, "apiVersion"));
        let inherited = inherited.map(|(kind, api_version)| Inherited { api_version, kind });
        for item in items {
            self.take(document, item, inherited);
        }
    }
}

/// The items of a List, taken out of it.
fn list_items(object: &mut Map<String, Value>) -> Option<Vec<Value>> {
    let is_list = text(object, "kind").is_some_and(|kind| kind.ends_with("List"));
    match object.get_mut("items") {
        Some(Value::Array(items)) if is_list => Some(std::mem::take(items)),
        Some(Value::Null) if is_list => Some(Vec::new()),
        _ => None,
    }
}

/// Values for a chart, a chart itself, a list of resources: what has neither of the words that every
/// object has, or no kind and no metadata.
fn is_foreign(object: &Map<String, Value>) -> bool {
    let has = |key| object.contains_key(key);
    !(has("kind") || has("apiVersion") && has("metadata"))
}

/// What became of a well-formed value.
enum Read {
    Object(Object),
    Workload(Box<WorkloadTemplate>),
    Ignored { api_version: String, kind: String, has_pods: bool },
}

fn read_object(object: Map<String, Value>) -> Result<Read, String> {
    let kind = text(&object, "kind").filter(|kind| !kind.is_empty());
    let kind = kind.ok_or("kind is missing; say what the object is, such as `kind: NetworkPolicy`")?;
    let api_version = text(&object, "apiVersion").filter(|version| !version.is_empty());
    let api_version =
        api_version.ok_or("apiVersion is missing; say it, such as `apiVersion: networking.k8s.io/v1`")?;
    let known = match kind::find(kind, api_version)? {
        Some(Kind::Object(known)) => known,
        Some(Kind::Workload) if workload::is_whole(kind, &object) => {
            return workload::read(kind, &object).map(Box::new).map(Read::Workload);
        }
        found => {
            let has_pods = found.is_none() && workload::has_pods(&object);
            let (api_version, kind) = (api_version.to_owned(), kind.to_owned());
            return Ok(Read::Ignored { api_version, kind, has_pods });
        }
    };
    if object.get("metadata").and_then(|metadata| metadata.get("name")).is_none_or(is_empty) {
        return Err("metadata.name is missing; give the object a name".to_owned());
    }
    let value = Value::Object(object);
    match known {
        ObjectKind::Namespace => typed(known, value).map(Object::Namespace),
        ObjectKind::Node => typed(known, value).map(Object::Node),
        ObjectKind::Pod => typed(known, value).map(Object::Pod),
        ObjectKind::Service => typed(known, value).map(Object::Service),
        ObjectKind::EndpointSlice => typed(known, value).map(Object::EndpointSlice),
        ObjectKind::NetworkPolicy => policy(known, value).map(Object::NetworkPolicy),
        ObjectKind::ClusterNetworkPolicy => policy(known, value).map(Object::ClusterNetworkPolicy),
        ObjectKind::AdminNetworkPolicy => policy(known, value).map(Object::AdminNetworkPolicy),
        ObjectKind::BaselineAdminNetworkPolicy => {
            policy(known, value).map(Object::BaselineAdminNetworkPolicy)
        }
        ObjectKind::ReplicaSet => typed(known, value).map(Object::ReplicaSet),
        ObjectKind::Job => typed(known, value).map(Object::Job),
    }
    .map(Read::Object)
}

/// A policy: what its type skips is kept beside it.
fn policy<T: DeserializeOwned>(kind: ObjectKind, value: Value) -> Result<Policy<T>, String> {
    let unknown = unknown_keys(kind, &value);
    typed(kind, value).map(|object| Policy::read(object, unknown))
}

fn typed<T: DeserializeOwned>(kind: ObjectKind, value: Value) -> Result<Box<T>, String> {
    serde_path_to_error::deserialize(value).map(Box::new).map_err(|error| {
        let path = error.path().to_string();
        let problem = error.into_inner().to_string();
        format!("{path}: {problem}; {}", mend(kind, &path, &problem))
    })
}

/// How to mend a value of the wrong type.
fn mend(kind: ObjectKind, path: &str, problem: &str) -> String {
    if problem.ends_with("expected a string") {
        return "put the value in quotes".to_owned();
    }
    if problem.ends_with("expected a boolean") {
        return "write true or false".to_owned();
    }
    let fields = path.split('.').map(|field| field.split('[').next().unwrap_or(field));
    let place = fields.collect::<Vec<_>>().join(".");
    format!("compare with `kubectl explain {}.{place}`", kind.as_str().to_lowercase())
}

/// Kind, namespace and name, as far as they are known.
fn title(object: &Map<String, Value>) -> Option<String> {
    let kind = text(object, "kind");
    let metadata = object.get("metadata").and_then(Value::as_object);
    let field = |name| metadata.and_then(|metadata| text(metadata, name)).filter(|text| !text.is_empty());
    let name = match (field("namespace"), field("name")) {
        (Some(namespace), Some(name)) => Some(format!("{namespace}/{name}")),
        (None, Some(name)) => Some(name.to_owned()),
        (_, None) => None,
    };
    match (kind, name) {
        (Some(kind), Some(name)) => Some(format!("{kind} {name}")),
        (Some(kind), None) => Some(kind.to_owned()),
        (None, name) => name,
    }
}

fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str)
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

const fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
