//! What may change without changing any answer, or without changing another pod's (W13).

use crate::{
    answers, beginning, cases,
    model::{Event, Model},
    policies::network_policy,
    question,
};
use portolan_policy::{Connection, Decision, Object};
use proptest::{collection::vec, prelude::*};
use serde_json::Value;
use std::sync::Arc;

/// The value with every text that names a namespace made longer; no other text is one letter of those.
fn renamed(value: Value) -> Value {
    match value {
        Value::String(text) if is_namespace(&text) => Value::String(format!("ns-{text}")),
        Value::Array(items) => items.into_iter().map(renamed).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, renamed(value))).collect(),
        other => other,
    }
}

fn is_namespace(text: &str) -> bool {
    crate::scenery::NAMESPACES.contains(&text)
}

fn rename_event(event: &Event) -> Event {
    fn again<T>(object: &T) -> Object
    where
        T: serde::Serialize + serde::de::DeserializeOwned,
        Object: From<T>,
    {
        crate::scenery::object::<T>(renamed(serde_json::to_value(object).unwrap()))
    }
    let Event::Apply(object) = event else { return event.clone() };
    Event::Apply(match object {
        Object::Namespace(it) => again(&**it),
        Object::Node(it) => again(&**it),
        Object::Pod(it) => again(&**it),
        Object::Service(it) => again(&**it),
        Object::EndpointSlice(it) => again(&**it),
        Object::NetworkPolicy(it) => again(&**it),
        Object::ClusterNetworkPolicy(it) => again(&**it),
        Object::AdminNetworkPolicy(it) => again(&**it),
        Object::BaselineAdminNetworkPolicy(it) => again(&**it),
        other => other.clone(),
    })
}

/// The answers without reasons, which name namespaces in their text.
fn told(decisions: Vec<Decision>, rename: bool) -> Vec<Value> {
    let tell = |mut decision: Decision| {
        for side in [&mut decision.egress, &mut decision.ingress].map(Arc::make_mut) {
            side.reason = None;
        }
        let value = serde_json::to_value(decision).unwrap();
        if rename { renamed(value) } else { value }
    };
    decisions.into_iter().map(tell).collect()
}

/// The objects in the opposite order. Of those that replace each other only the last one is left,
/// and what is told beside them keeps its order.
fn turned(events: &[Event]) -> Vec<Event> {
    let (objects, beside): (Vec<_>, Vec<_>) =
        events.iter().cloned().partition(|event| matches!(event, Event::Apply(_)));
    let mut known = Vec::new();
    let mut turned: Vec<Event> = objects.into_iter().rev().collect();
    turned.retain(|event| {
        let Event::Apply(object) = event else { return false };
        let is_last = !known.contains(&object.key());
        known.push(object.key());
        is_last
    });
    beside.into_iter().chain(turned).collect()
}

/// Whether the question is plainly about other pods than those of the namespace.
fn is_elsewhere(model: &Model, question: &Connection, namespace: &str) -> bool {
    let ends = [question.source, question.destination];
    ends.iter().all(|ip| model.is_held_outside(*ip, namespace))
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn renaming_the_namespaces_changes_nothing(events in beginning(), questions in vec(question(), 32)) {
        let renamed_events: Vec<_> = events.iter().map(rename_event).collect();
        let (plain, renamed) = (Model::after(&events), Model::after(&renamed_events));
        prop_assert_eq!(
            told(answers(&plain, &questions), true),
            told(answers(&renamed, &questions), false)
        );
    }

    #[test]
    fn the_order_of_objects_changes_nothing(events in beginning(), questions in vec(question(), 32)) {
        let backwards = turned(&events);
        let (plain, turned) = (Model::after(&events), Model::after(&backwards));
        prop_assert_eq!(answers(&plain, &questions), answers(&turned, &questions));
    }

    #[test]
    fn a_network_policy_never_changes_pods_of_other_namespaces(
        events in beginning(),
        more in network_policy(),
        questions in vec(question(), 32),
    ) {
        let before = Model::after(&events);
        let mut after = before.clone();
        let namespace = more.key().namespace.unwrap();
        after.tell(&Event::Apply(more));
        for question in questions.iter().filter(|question| is_elsewhere(&before, question, &namespace)) {
            prop_assert_eq!(before.answer(question), after.answer(question), "{:?}", question);
        }
    }
}
