//! The pods that workloads would have.

use crate::{Object, WorkloadTemplate, template::Template};
use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};

/// The templates of workloads that may have no pod at the moment.
pub(super) struct Dormant<'a>(Vec<Sleeping<'a>>);

/// One of them.
pub(super) struct Sleeping<'a> {
    pub(super) template: Template,
    pub(super) spec: Option<&'a PodSpec>,
    /// The workload, for people.
    pub(super) workload: String,
}

impl<'a> Dormant<'a> {
    /// Reads the templates of ReplicaSets and Jobs, and those of other workloads.
    pub(super) fn read(objects: &[&'a Object], workloads: &'a [WorkloadTemplate]) -> Self {
        let of_objects = objects.iter().filter_map(|object| {
            let template = match object {
                Object::ReplicaSet(set) => set.spec.as_ref()?.template.as_ref()?,
                Object::Job(job) => &job.spec.as_ref()?.template,
                _ => return None,
            };
            let key = object.key();
            Some(Sleeping::read(key.namespace_or_default(), template, key.to_string()))
        });
        let of_workloads = workloads
            .iter()
            .map(|workload| Sleeping::read(&workload.namespace, &workload.template, workload.to_string()));
        Self(of_objects.chain(of_workloads).collect())
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Sleeping<'a>> {
        self.0.iter()
    }
}

impl<'a> Sleeping<'a> {
    fn read(namespace: &str, template: &'a PodTemplateSpec, workload: String) -> Self {
        let PodTemplateSpec { metadata, spec } = template;
        let mut metadata = metadata.clone().unwrap_or_default();
        let template = Template::read(namespace, &mut metadata, spec.as_ref().unwrap_or(&PodSpec::default()));
        Self { template, spec: spec.as_ref(), workload }
    }
}
