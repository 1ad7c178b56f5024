//! From nothing to a cluster: from typed objects, and from text.

use crate::{clock::timed, cluster::World, memory, spread::Spread};
use anyhow::{Context as _, Result, bail, ensure};
use portolan_policy::{Cluster, Object, parse_manifest};
use serde_json::Value;

/// Applies all objects to an empty cluster.
pub(crate) fn build(objects: Vec<Object>) -> Result<Cluster> {
    let mut cluster = Cluster::default();
    for object in objects {
        cluster.apply(object)?;
    }
    Ok(cluster)
}

/// What building from typed objects cost.
pub(crate) struct Built {
    pub(crate) objects: usize,
    /// Seconds.
    pub(crate) time: Spread,
    /// What the cluster holds when its objects are gone.
    pub(crate) bytes: isize,
}

/// Builds the same cluster several times.
pub(crate) fn measure(world: &World, passes: usize) -> Result<Built> {
    let (mut seconds, mut bytes) = (Vec::new(), 0);
    for _ in 0..passes {
        let before = memory::live();
        let objects = world.objects.clone();
        let (cluster, took) = timed(|| build(objects));
        let cluster = cluster?;
        bytes = memory::live() - before;
        seconds.push(took.as_secs_f64());
        drop(cluster);
    }
    Ok(Built { objects: world.objects.len(), time: Spread::of(&seconds), bytes })
}

/// What building from one kind of text cost.
pub(crate) struct Read {
    pub(crate) format: &'static str,
    pub(crate) megabytes: f64,
    pub(crate) objects: usize,
    /// Seconds.
    pub(crate) time: f64,
}

/// Builds from JSON and from YAML, each once.
pub(crate) fn read(world: &World) -> Result<[Read; 2]> {
    let values = world.objects.iter().map(manifest).collect::<Result<Vec<Value>>>()?;
    let yaml = values.iter().map(serde_saphyr::to_string).collect::<Result<Vec<String>, _>>()?.join("---\n");
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": values});
    Ok([
        from_text("JSON", &list.to_string(), values_len(&list))?,
        from_text("YAML", &yaml, values_len(&list))?,
    ])
}

fn values_len(list: &Value) -> usize {
    list["items"].as_array().map_or(0, Vec::len)
}

/// An object as a manifest has it.
fn manifest(object: &Object) -> Result<Value> {
    let mut value = match object {
        Object::Namespace(object) => serde_json::to_value(object),
        Object::Node(object) => serde_json::to_value(object),
        Object::Pod(object) => serde_json::to_value(object),
        Object::Service(object) => serde_json::to_value(object),
        Object::EndpointSlice(object) => serde_json::to_value(object),
        Object::NetworkPolicy(object) => serde_json::to_value(object),
        Object::ClusterNetworkPolicy(object) => serde_json::to_value(object),
        Object::AdminNetworkPolicy(object) => serde_json::to_value(object),
        Object::BaselineAdminNetworkPolicy(object) => serde_json::to_value(object),
        Object::ReplicaSet(object) => serde_json::to_value(object),
        _ => bail!("the generator makes no such object: {}", object.key()),
    }
    .with_context(|| format!("cannot write {}", object.key()))?;
    value["apiVersion"] = object.kind().api_version().into();
    value["kind"] = object.kind().as_str().into();
    Ok(value)
}

fn from_text(format: &'static str, text: &str, objects: usize) -> Result<Read> {
    let (cluster, took) = timed(|| {
        let manifest = parse_manifest(text);
        ensure!(manifest.errors.is_empty(), "the {format} is wrong: {}", manifest.errors[0]);
        ensure!(
            manifest.objects.len() == objects,
            "of {objects} objects {} were read",
            manifest.objects.len()
        );
        build(manifest.objects)
    });
    drop(cluster?);
    Ok(Read { format, megabytes: text.len() as f64 / 1e6, objects, time: took.as_secs_f64() })
}
