//! Trouble with the disk that passes costs nothing.

use super::{LONG, Rig, settings};
use crate::{
    build::{FlowExt as _, web_to_db},
    graph::{Keep, Settings},
    ledger::{Failing, Store},
};
use jiff::SignedDuration;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// One attempt a day.
fn days(rig: &mut Rig, days: usize) {
    for _ in 0..days {
        let now = rig.now;
        rig.add(vec![(web_to_db().started(now), None)]);
        rig.keeper.checkpoint().unwrap();
        rig.pass(24 * 60, 200);
    }
}

#[test]
fn minutes_that_cannot_be_dropped_are_dropped_later() {
    let failing = Arc::new(Failing::default());
    let keep = Keep { minutes: Duration::ZERO, hours: LONG, days: LONG, bytes: u64::MAX };
    let mut rig = Rig::on(Arc::clone(&failing) as Arc<dyn Store>, Settings { keep, ..settings() });
    failing.drops.store(true, Ordering::SeqCst);
    days(&mut rig, 3);
    assert_eq!(rig.store.minutes().len(), 3);
    assert!(rig.counters.rolled.get() > 24, "all else goes on");
    failing.drops.store(false, Ordering::SeqCst);
    rig.uptime += Duration::from_mins(1);
    rig.pass(0, 20);
    assert_eq!(rig.store.minutes().len(), 1);
    rig.compare(None, None);
}

#[test]
fn what_cannot_be_read_now_is_rolled_up_later() {
    let failing = Arc::new(Failing::default());
    let mut rig = Rig::on(Arc::clone(&failing) as Arc<dyn Store>, settings());
    failing.minutes.store(true, Ordering::SeqCst);
    days(&mut rig, 2);
    assert_eq!(rig.counters.rolled.get(), 0);
    failing.minutes.store(false, Ordering::SeqCst);
    rig.uptime += Duration::from_mins(1);
    rig.pass(0, 200);
    assert!(rig.counters.rolled.get() > 20);
    rig.compare(None, None);
}

#[test]
fn what_can_never_be_read_is_given_up_and_told() {
    let failing = Arc::new(Failing::default());
    let mut rig = Rig::on(Arc::clone(&failing) as Arc<dyn Store>, settings());
    let earlier = rig.now - SignedDuration::from_hours(1);
    rig.add(vec![(web_to_db().started(earlier), None)]);
    days(&mut rig, 1);
    failing.minutes.store(true, Ordering::SeqCst);
    days(&mut rig, 1);
    for _ in 0..12 {
        rig.uptime += Duration::from_mins(1);
        rig.pass(0, 200);
    }
    assert!(rig.counters.rolled.get() > 0);
    failing.minutes.store(false, Ordering::SeqCst);
    assert!(rig.ask(None, None).damaged > 0);
}
