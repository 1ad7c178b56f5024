//! Attempts that are told a second time, because they got through after all.

use super::*;

const START: u64 = 1000;
const THROUGH: u64 = 20_000;

fn talk() -> Talk {
    tcp("10.0.0.2:40000", "10.0.0.3:8080")
}

/// The attempt as it is told when it was dropped for long, and again when it has got through.
fn told_twice() -> [Attempt; 2] {
    let mut scene = Scene::new();
    scene.at(START, talk().syn(1).left(CLIENT)).at(START, talk().syn(1).dropped(NETFILTER_DROP));
    let first = scene.waits(10_000).only();
    scene.at(THROUGH, talk().syn(1).left(CLIENT)).at(THROUGH, talk().syn(1).reached(SERVER));
    scene.sees([talk().syn_ack().left(SERVER), talk().syn_ack().reached(CLIENT)]);
    scene.at(90_000, talk().client_closes(9, 900));
    [first, scene.waits(1000).only()]
}

fn record(attempt: &Attempt, history: &History, clock: Clock) -> Flow {
    let record = on_n1().attribute(&mut attempt.clone(), history, clock, |_| None);
    record.expect("it is ours").flow()
}

#[test]
fn an_attempt_that_is_told_again_names_the_outcome_that_was_told_first() {
    let (history, clock) = (shop(""), Clock::now());
    let [first, second] = told_twice().map(|attempt| record(&attempt, &history, clock));
    assert_eq!((first.outcome, first.revises), (Outcome::Dropped, None));
    assert_eq!((second.outcome, second.revises), (Outcome::Established, Some(Outcome::Dropped)));
    assert_eq!((second.time, second.attempts), (first.time, 1));
}

#[test]
fn what_no_record_told_is_revised_by_none() {
    let [_, second] = told_twice();
    let flow = record(&second, &shop(""), Clock::now());
    assert_eq!((flow.outcome, flow.revises), (Outcome::Established, None));
}

#[test]
fn what_a_policy_let_through_later_is_no_alarm_and_what_none_did_is_one() {
    let clock = Clock::now();
    let at = |millis| noon(clock) + SignedDuration::from_millis(millis);
    let opened = locked("db", "db").replace("policyTypes", "ingress: [{}], policyTypes");
    // Long after the start and long before it got through, and not the last change that there was.
    let opens = [(10_000, opened.as_str(), Verdict::Settling), (10_000, "", Verdict::Unenforced)];
    for (when, yaml, expected) in opens {
        let mut history = shop(&locked("db", "db"));
        change(&mut history, at(when), yaml);
        change(&mut history, at(80_000), &locked("web", "web"));
        let [first, second] = told_twice().map(|attempt| record(&attempt, &history, clock));
        assert_eq!((first.verdict, second.verdict), (Verdict::Denied, expected), "{yaml}");
    }
}

#[test]
fn a_change_just_before_it_got_through_settles_what_it_does_not_explain() {
    let clock = Clock::now();
    let mut history = shop(&locked("db", "db"));
    let shortly_before = noon(clock) + SignedDuration::from_millis(THROUGH as i64 - 2000);
    change(&mut history, shortly_before, &locked("db-too", "db"));
    let [first, second] = told_twice().map(|attempt| record(&attempt, &history, clock));
    assert_eq!((first.verdict, second.verdict), (Verdict::Denied, Verdict::Settling));
}
