//! Every version that a history keeps answers like a cluster built afresh from what there was then.

use crate::{
    any_object, cases,
    model::{Event, Model},
    question,
    scenery::{NODES, gateways},
};
use jiff::{SignedDuration, Timestamp};
use portolan_policy::{Change, History};
use proptest::{collection::vec, prelude::*, sample::select};

/// What a watch may bring, and what an agent sees on its own node.
fn news() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => any_object().prop_map(Event::Apply),
        4 => any_object().prop_map(|object| Event::Delete(object.key())),
        1 => (select(&NODES[..]), gateways()).prop_map(|(node, ips)| Event::NodeAddresses(node, ips)),
    ]
}

fn change(event: &Event) -> Option<Change> {
    match event.clone() {
        Event::Apply(object) => Some(Change::Apply(object)),
        Event::Delete(key) => Some(Change::Delete(key)),
        Event::NodeAddresses(node, addresses) => {
            Some(Change::NodeAddresses { node: node.to_owned(), addresses })
        }
        Event::Relabel(..) | Event::DnsAnswers(..) | Event::Reading(_) => None,
    }
}

fn seconds(seconds: usize) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds as i64)
}

/// A history in which each event after the first ones comes a second after the one before.
fn told(events: &[Event], first: usize) -> History {
    let mut history = History::default();
    for (at, event) in events.iter().enumerate() {
        if at == first {
            history.begin();
        }
        // An object that the engine refuses changes nothing, here as in the model.
        drop(history.apply(seconds(at), change(event).expect("a history can be told of it")));
    }
    history
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn any_version_answers_like_a_cluster_that_knows_no_other_time(
        events in vec(news(), 24..48),
        first in 12..20_usize,
        questions in vec(question(), 24),
    ) {
        let history = told(&events, first);
        for at in first..events.len() {
            let afresh = Model::after(&events[..=at]);
            for question in &questions {
                let then = history.at(seconds(at)).decide(question);
                prop_assert_eq!(then, afresh.answer(question), "{:?} at {} s", question, at);
            }
        }
    }
}
