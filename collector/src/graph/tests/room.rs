//! Little pieces are put together, and a day keeps within its room: neither shows in any answer.

use super::{LONG, Rig, settings};
use crate::{
    build::{FlowExt as _, web_to_db},
    graph::{
        Keep, Settings,
        level::{Bucket, Level, minute_of},
    },
    ledger::Change,
};
use jiff::{SignedDuration, Timestamp};
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

fn bucket(level: Level, time: Timestamp) -> Bucket {
    level.of(minute_of(time.as_microsecond()))
}

fn keys(rig: &Rig, bucket: Bucket) -> Vec<Vec<u8>> {
    let rows = rig.store.scan(bucket.space(), &bucket.prefix(), usize::MAX);
    rows.into_iter().map(|row| row.unwrap().0).collect()
}

#[test]
fn what_comes_late_in_little_pieces_is_put_together() {
    let mut rig = Rig::new(settings());
    let late = rig.now - SignedDuration::from_hours(3);
    for port in 0..40 {
        rig.add(vec![(web_to_db().started(late).destination_port(port % 7), None)]);
        rig.keeper.checkpoint().unwrap();
        for level in [Level::Minute, Level::Hour] {
            assert!(keys(&rig, bucket(level, late)).len() <= 6, "{level:?}");
        }
        rig.compare(None, None);
    }
    assert!(rig.counters.merged.get() > 60);
    let weighed = rig.keeper.graph().shared().state().days.values().map(|day| day.chunks).collect::<Vec<_>>();
    let lengths = |level| {
        let bucket = bucket(level, late);
        let rows = rig.store.scan(bucket.space(), &bucket.prefix(), usize::MAX);
        rows.into_iter().map(|row| row.unwrap().1.len() as u64).sum::<u64>()
    };
    assert_eq!(weighed, [[lengths(Level::Minute), lengths(Level::Hour), 0]]);
    rig.kill();
    rig.compare(None, None);
}

#[test]
fn a_damaged_piece_stays_beside_those_that_are_put_together() {
    let mut rig = Rig::new(settings());
    for step in 0..12 {
        rig.add(vec![(web_to_db(), None)]);
        rig.keeper.checkpoint().unwrap();
        if step == 1 {
            let minute = bucket(Level::Minute, rig.now);
            let key = keys(&rig, minute).remove(0);
            rig.store.commit(vec![Change::Put(minute.space(), key, vec![7; 30])]).unwrap();
        }
    }
    assert!(rig.counters.merged.get() > 0);
    let answer = rig.ask(None, None);
    assert_eq!((answer.edges[0].tally.attempts, answer.damaged), (11, 1));
}

#[test]
fn who_asks_while_pieces_are_put_together_counts_each_flow_once() {
    let mut rig = Rig::new(settings());
    let (graph, added, done) = (rig.keeper.graph(), AtomicU64::new(0), AtomicBool::new(false));
    let now = rig.now;
    thread::scope(|scope| {
        let asker = scope.spawn(|| {
            let mut asked = 0;
            while !done.load(Ordering::SeqCst) {
                let before = added.load(Ordering::SeqCst);
                let survey = graph.ask(&crate::graph::answer::Question::default(), now).unwrap();
                let found: u64 = survey.edges().map(|edge| edge.figures().attempts).sum();
                let after = added.load(Ordering::SeqCst);
                assert!((before..=after + 1).contains(&found), "{before} {found} {after}");
                asked += 1;
            }
            asked
        });
        for _ in 0..600 {
            rig.add(vec![(web_to_db(), None)]);
            added.fetch_add(1, Ordering::SeqCst);
            rig.keeper.checkpoint().unwrap();
        }
        done.store(true, Ordering::SeqCst);
        assert!(asker.join().unwrap() > 0);
    });
    assert!(rig.counters.merged.get() > 500);
}

#[test]
fn minutes_of_today_go_hour_by_hour_where_there_is_no_room() {
    let keep = Keep { minutes: LONG, hours: LONG, days: LONG, bytes: 2000 };
    let mut rig = Rig::new(Settings { keep, ..settings() });
    let begin = rig.now;
    for _ in 0..9 * 12 {
        let now = rig.now;
        let flows = (0..10).map(|port| (web_to_db().started(now).destination_port(port), None));
        rig.add(flows.collect());
        rig.keeper.checkpoint().unwrap();
        rig.pass(5, 20);
    }
    let state = rig.keeper.graph().shared().state().clone();
    let bytes: u64 = state.days.values().map(|day| day.chunks[Level::Minute as usize]).sum();
    assert!(state.minutes_from_hour > begin.as_second() as u32 / 3600 + 3);
    assert!(rig.counters.crowded_out.get() >= 4);
    let kept: usize = (0..9 * 12)
        .map(|step| begin + SignedDuration::from_mins(5 * step))
        .map(|time| keys(&rig, bucket(Level::Minute, time)).len())
        .sum();
    assert!(kept < 40 && bytes < 4000, "{kept} {bytes}");
    // The hour that the window begins in is told as a whole.
    let answer = rig.compare(Some(begin + SignedDuration::from_mins(100)), None);
    assert_eq!(answer.from.as_second() % 3600, 0);
    rig.kill();
    rig.compare(None, None);
}
