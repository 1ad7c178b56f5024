//! What is kept of one attempt serves another only where it is the same answer.

use super::*;
use proptest::{collection::vec, prelude::*, sample::select};

fn seen(
    attributor: &mut Attributor,
    attempt: &Attempt,
    history: &History,
    clock: Clock,
) -> Option<Observation> {
    attribute(attributor, attempt.clone(), history, clock)
}

#[test]
fn attempts_of_two_versions_that_end_in_any_order_keep_their_own_policies() {
    let clock = Clock::now();
    let mut history = shop("");
    change(&mut history, noon(clock) + SignedDuration::from_secs(60), &locked("later", "db"));
    let (before, after) = (attempt(established(service())), at(120_000, service()));
    let mut attributor = on_n1();
    for _ in 0..2 {
        for (attempt, verdict) in [(&before, Verdict::Allowed), (&after, Verdict::Unenforced)] {
            let observation = seen(&mut attributor, attempt, &history, clock).expect("it is ours");
            assert_eq!(observation.flow.verdict, verdict);
        }
    }
}

#[test]
fn an_address_that_nobody_held_is_asked_about_again() {
    let clock = Clock::now();
    let mut history = shop("");
    let early = attempt(established(tcp("10.0.0.50:40000", "10.0.0.3:8080")));
    let mut attributor = on_n1();
    let source = |attributor: &mut Attributor, history: &History| {
        seen(attributor, &early, history, clock).expect("its destination is ours").flow.source
    };
    assert!(matches!(source(&mut attributor, &history).who(), Who::External { .. }));
    change(&mut history, noon(clock) + SignedDuration::from_millis(700), LATE);
    assert_eq!(pod(&source(&mut attributor, &history)).0, "late");
}

#[test]
fn a_backend_is_asked_for_where_a_service_is_all_that_is_known() {
    let history = shop("");
    let silent = |talk: Talk| attempt([talk.syn(1).left(CLIENT)]);
    let asked = |mut attempt: Attempt| {
        let mut asked = None;
        let backend = service().translated();
        let record = on_n1().attribute(&mut attempt, &history, Clock::now(), |original| {
            asked = Some(*original);
            Some(backend)
        });
        (asked.is_some(), record.expect("it is ours").flow())
    };
    let (was_asked, flow) = asked(silent(tcp("10.0.0.2:40000", "10.96.0.7:80")));
    assert_eq!((was_asked, pod(&flow.destination)), (true, ("db", Some(8080))));
    assert_eq!(flow.service.map(|service| service.name.clone()).as_deref(), Some("db"));
    let (was_asked, _) = asked(silent(tcp("10.0.0.2:40000", "10.0.0.3:8080")));
    assert!(!was_asked, "a pod was dialled");
}

/// An attempt that is made so many milliseconds after noon.
fn at(millis: u64, talk: Talk) -> Attempt {
    Scene::new().until(millis).sees(established(talk)).flush().only()
}

#[derive(Clone, Debug)]
enum Step {
    Lock(&'static str),
    Unlock(&'static str),
    PodComes,
    PodGoes,
    /// Made so many milliseconds after noon.
    Attempt(u64, Talk),
}

fn step() -> impl Strategy<Value = Step> {
    let talks = vec![
        service(),
        tcp("10.0.0.2:40001", "10.0.0.3:8080"),
        tcp("10.0.0.2:40002", "10.0.0.50:80"),
        tcp("10.0.0.50:40003", "10.0.0.3:8080"),
        tcp("10.0.0.2:40004", "10.96.0.8:80"),
        udp("10.0.0.2:40005", "10.0.0.3:53"),
    ];
    let app = || select(vec!["web", "db", "late"]);
    prop_oneof![
        1 => app().prop_map(Step::Lock),
        1 => app().prop_map(Step::Unlock),
        1 => Just(Step::PodComes),
        1 => Just(Step::PodGoes),
        6 => (1..40_000_u64, select(talks)).prop_map(|(millis, talk)| Step::Attempt(millis, talk)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_that_remembers_says_what_one_that_never_saw_anything_says(steps in vec(step(), 1..40)) {
        let clock = Clock::now();
        let mut history = shop("");
        let mut attributor = on_n1();
        for (second, step) in steps.into_iter().enumerate() {
            let now = noon(clock) + SignedDuration::from_secs(second as i64);
            let delete = |yaml: &str| Change::Delete(parse_manifest(yaml).objects.remove(0).key());
            match step {
                Step::Lock(app) => change(&mut history, now, &locked(app, app)),
                Step::Unlock(app) => history.apply(now, delete(&locked(app, app))).unwrap(),
                Step::PodComes => change(&mut history, now, LATE),
                Step::PodGoes => history.apply(now, delete(LATE)).unwrap(),
                Step::Attempt(millis, talk) => {
                    let attempt = at(millis, talk);
                    prop_assert_eq!(
                        seen(&mut attributor, &attempt, &history, clock),
                        seen(&mut on_n1(), &attempt, &history, clock)
                    );
                }
            }
        }
    }
}
