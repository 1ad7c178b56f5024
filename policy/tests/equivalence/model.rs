//! The engine and the naive evaluator, told the same things.

use crate::naive::{self, Facts};
use portolan_policy::{BaselineReading, Cluster, Connection, Decision, Object, ObjectKey, Owner};
use std::{collections::BTreeMap, net::IpAddr};

/// Something that happens to a cluster.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Apply(Object),
    Delete(ObjectKey),
    Relabel(ObjectKey, BTreeMap<String, String>),
    NodeAddresses(&'static str, Vec<IpAddr>),
    DnsAnswers(&'static str, Vec<IpAddr>),
    Reading(BaselineReading),
}

/// One cluster, held in both ways.
#[derive(Clone, Default)]
pub(crate) struct Model {
    cluster: Cluster,
    objects: Vec<Object>,
    facts: Facts,
}

impl Model {
    pub(crate) fn after(events: &[Event]) -> Self {
        let mut model = Self::default();
        for event in events {
            model.tell(event);
        }
        model
    }

    pub(crate) fn tell(&mut self, event: &Event) {
        match event {
            Event::Apply(object) => self.apply(object),
            Event::Delete(key) => {
                self.cluster.delete(key);
                self.objects.retain(|object| object.key() != *key);
            }
            Event::Relabel(key, labels) => {
                let known = self.objects.iter().find(|object| object.key() == *key).cloned();
                if let Some(object) = known.and_then(|object| relabelled(object, labels)) {
                    self.apply(&object);
                }
            }
            Event::NodeAddresses(node, ips) => {
                self.cluster.set_node_addresses(node, ips.iter().copied());
                self.facts.node_addresses.insert((*node).to_owned(), ips.clone());
            }
            Event::DnsAnswers(name, ips) => {
                self.cluster.set_dns_answers(name, ips.iter().copied());
                self.facts.dns.insert((*name).to_owned(), ips.clone());
            }
            Event::Reading(reading) => {
                self.cluster.set_baseline_reading(*reading);
                self.facts.baseline_reading = *reading;
            }
        }
    }

    /// An object that the engine refuses changes nothing in either.
    fn apply(&mut self, object: &Object) {
        if self.cluster.apply(object.clone()).is_ok() {
            let key = object.key();
            self.objects.retain(|known| known.key() != key);
            self.objects.push(object.clone());
        }
    }

    pub(crate) fn answer(&self, question: &Connection) -> Decision {
        self.cluster.decide(question)
    }

    /// Whether pods hold the address, none of them in the namespace.
    pub(crate) fn is_held_outside(&self, ip: IpAddr, namespace: &str) -> bool {
        matches!(self.cluster.owner(ip), Owner::Pod(pod) if pod.namespace() != namespace)
    }

    /// How the two differ over a question, if they do: `reason` counts by its presence alone.
    pub(crate) fn difference(&self, question: &Connection) -> Option<String> {
        let engine = self.answer(question);
        let naive = naive::decide(&self.objects, &self.facts, question);
        if comparable(&engine) != comparable(&naive) {
            return Some(self.report(question, &engine, &naive));
        }
        self.difference_from_hosts(question)
    }

    /// The same from each host-network pod by its name, instead of from the source of the question.
    fn difference_from_hosts(&self, question: &Connection) -> Option<String> {
        let answers = naive::decide_from_hosts(&self.objects, &self.facts, question);
        answers.into_iter().find_map(|(namespace, name, question, naive)| {
            let host = self.cluster.pod(&namespace, &name);
            let engine = self.cluster.decide_between(&question, host, None);
            let differ = comparable(&engine) != comparable(&naive);
            differ.then(|| format!("{namespace}/{name} {}", self.report(&question, &engine, &naive)))
        })
    }

    fn report(&self, question: &Connection, engine: &Decision, naive: &Decision) -> String {
        let objects = self.objects.iter().map(say).collect::<Vec<_>>().join("\n");
        format!(
            "{question:?}\nengine {}\nnaive  {}\n{objects}\n{:?}",
            serde_json::to_string(engine).unwrap(),
            serde_json::to_string(naive).unwrap(),
            self.facts
        )
    }
}

/// The same object with other labels; only those that policies select by.
fn relabelled(object: Object, labels: &BTreeMap<String, String>) -> Option<Object> {
    let labels = Some(labels.clone());
    match object {
        Object::Namespace(mut it) => {
            it.metadata.labels = labels;
            Some(Object::Namespace(it))
        }
        Object::Node(mut it) => {
            it.metadata.labels = labels;
            Some(Object::Node(it))
        }
        Object::Pod(mut it) => {
            it.metadata.labels = labels;
            Some(Object::Pod(it))
        }
        _ => None,
    }
}

fn comparable(decision: &Decision) -> [impl PartialEq; 2] {
    [&decision.egress, &decision.ingress]
        .map(|side| (side.verdict, side.policies.clone(), side.reason.is_some()))
}

/// An object as the JSON it would be read from.
fn say(object: &Object) -> String {
    let json = match object {
        Object::Namespace(it) => serde_json::to_string(it),
        Object::Node(it) => serde_json::to_string(it),
        Object::Pod(it) => serde_json::to_string(it),
        Object::Service(it) => serde_json::to_string(it),
        Object::EndpointSlice(it) => serde_json::to_string(it),
        Object::NetworkPolicy(it) => serde_json::to_string(it),
        Object::ClusterNetworkPolicy(it) => serde_json::to_string(it),
        Object::AdminNetworkPolicy(it) => serde_json::to_string(it),
        Object::BaselineAdminNetworkPolicy(it) => serde_json::to_string(it),
        _ => Ok(format!("{object:?}")),
    };
    format!("{} {}", object.kind(), json.unwrap())
}
