//! Going on behind a cursor: without a gap, without a repeat, whatever came between.

use crate::{
    last, outward,
    support::{
        Collector, DEADLINE, Observer,
        build::{FlowExt as _, at, by_source, external, flow, pod},
        ports,
    },
};
use portolan_collector::Config;
use portolan_proto::{
    Observation,
    v1::{self, observe_response::Item},
};
use std::{path::Path, time::Duration};
use tonic::Code;

fn config(data: &Path) -> Config {
    Config { data: Some(data.to_owned()), ..Config::default() }
}

fn after(cursor: &str) -> v1::ObserveRequest {
    v1::ObserveRequest { after: cursor.to_owned(), ..v1::ObserveRequest::default() }
}

fn follow(request: v1::ObserveRequest) -> v1::ObserveRequest {
    v1::ObserveRequest { follow: true, ..request }
}

/// The ports of so many flows, and the cursor behind them.
async fn take(collector: &Collector, request: v1::ObserveRequest, count: usize) -> (Vec<u16>, String) {
    let mut observer = collector.observe(request).await.unwrap();
    let mut ports = Vec::new();
    while ports.len() < count {
        ports.push(observer.flow().await.source.port().unwrap());
    }
    (ports, observer.cursor)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_flow_has_a_cursor_behind_which_the_rest_comes_also_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let collector = Collector::start(config(data.path())).await;
    let mut agent = collector.agent("n1").await;
    // Told out of order, so the kept ones come by their time, those made since as they were made.
    agent.tell([3, 1, 4, 2].map(outward).to_vec()).await;
    let (mut taken, mut cursor) = take(&collector, last(3), 1).await;
    agent.tell([9, 6].map(outward).to_vec()).await;
    collector.stop().await;
    let collector = Collector::start(config(data.path())).await;
    for count in [1, 1, 1] {
        let (ports, next) = take(&collector, after(&cursor), count).await;
        taken.extend(ports);
        cursor = next;
    }
    let mut agent = collector.agent("n1").await;
    "another".clone_into(&mut agent.boot);
    agent.tell([7, 5].map(outward).to_vec()).await;
    let rest = collector.observe(after(&cursor)).await.unwrap().flows().await;
    taken.extend(ports(&rest));
    assert_eq!(taken, [2, 3, 4, 9, 6, 7, 5]);
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_has_a_cursor_before_the_first_flow() {
    let collector = Collector::start(Config::default()).await;
    let mut agent = collector.agent("n1").await;
    agent.tell(vec![outward(1)]).await;
    let mut observer = collector.observe(follow(after(""))).await.unwrap();
    collector.until(|status| status.subscribers == 1).await;
    agent.tell(vec![outward(2)]).await;
    assert_eq!(observer.flow().await.source.port(), Some(2));
    let begun = collector.observe(follow(last(1))).await.unwrap();
    drop((observer, begun));
    let (ports, cursor) = take(&collector, follow(last(2)), 2).await;
    assert_eq!(ports, [1, 2]);
    agent.tell(vec![outward(3)]).await;
    let (ports, _) = take(&collector, follow(after(&cursor)), 1).await;
    assert_eq!(ports, [3], "what was made while nobody followed");
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_goes_on_with_the_same_filter() {
    let collector = Collector::start(Config::default()).await;
    let mut agent = collector.agent("n1").await;
    agent.tell((1..=6).map(outward).collect()).await;
    let filter = v1::Filter { ports: vec![2, 5, 8], ..v1::Filter::default() };
    let request = v1::ObserveRequest { include: vec![filter], ..after("") };
    let (ports, cursor) = take(&collector, request.clone(), 1).await;
    assert_eq!(ports, [2]);
    agent.tell((7..=9).map(outward).collect()).await;
    let rest = collector.observe(v1::ObserveRequest { after: cursor, ..request }).await.unwrap();
    assert_eq!(crate::support::ports(&rest.flows().await), [5, 8]);
    collector.stop().await;
}

#[tokio::test]
async fn a_cursor_that_means_nothing_here_is_refused_with_a_word() {
    let collector = Collector::start(Config::default()).await;
    collector.agent("n1").await.tell(vec![outward(1)]).await;
    let (_, cursor) = take(&collector, last(1), 1).await;
    let store = cursor.split('.').next().unwrap();
    let cases = [
        ("soon".to_owned(), Code::InvalidArgument, "field `after`"),
        (format!("{store}.2"), Code::FailedPrecondition, "ahead of this store"),
        ("00000000000000ff.1".to_owned(), Code::FailedPrecondition, "another store"),
    ];
    for (cursor, code, named) in cases {
        let error = collector.observe(after(&cursor)).await.err().expect("it is refused");
        assert_eq!(error.code(), code, "{cursor}");
        assert!(error.message().contains(named), "{}", error.message());
    }
    collector.stop().await;
}

#[tokio::test]
async fn what_a_slow_subscriber_missed_is_there_behind_its_cursor() {
    let collector = Collector::start(Config { subscriber_queue: 8, ..Config::default() }).await;
    let mut agent = collector.agent("n1").await;
    let mut slow = collector.observe(follow(after(""))).await.unwrap();
    collector.until(|status| status.subscribers == 1).await;
    agent.tell((1..=1000).map(outward).collect()).await;
    let (mut flows, mut before) = (0_u16, slow.cursor.clone());
    while let Item::Flow(_) = slow.item().await.unwrap().expect("the stream goes on") {
        flows += 1;
        before = slow.cursor.clone();
    }
    let missed = collector.observe(after(&before)).await.unwrap().flows().await;
    assert_eq!(ports(&missed), (flows + 1..=1000).collect::<Vec<_>>());
    collector.stop().await;
}

/// To the outside from this port, with numbers that no compression makes small.
fn noisy(port: u16, millis: i64) -> Observation {
    let noise = (millis as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
    let flow = flow(pod("shop/web-1", "10.0.1.1", "n1"), external("1.1.1.1"));
    let mut view = by_source(flow.source_port(port).started(at(millis)).change(|flow| flow.bytes = noise));
    view.connection.tcp_isn = millis as u32;
    view
}

#[tokio::test]
async fn a_cursor_older_than_what_is_kept_says_how_many_are_gone_and_goes_on() {
    let collector = Collector::start(Config { keep_bytes: 100_000, ..Config::default() }).await;
    let mut agent = collector.agent("n1").await;
    agent.tell(vec![noisy(1, 0)]).await;
    let (_, cursor) = take(&collector, last(1), 1).await;
    for batch in 1..=40_i64 {
        agent.tell((1..=1000).map(|port| noisy(port, batch * 1000 + i64::from(port))).collect()).await;
    }
    let evicted = collector.until(|status| status.flows_evicted > 1000).await.flows_evicted;
    let mut observer = collector.observe(after(&cursor)).await.unwrap();
    let (mut flows, mut gone) = (0, 0);
    while let Some(item) = observer.item().await.unwrap() {
        match item {
            Item::Flow(_) => flows += 1,
            Item::Missed(v1::Missed { count, gone: is_gone }) => {
                assert!(is_gone);
                gone += count;
            }
        }
    }
    assert_eq!(flows + gone, 40_000);
    assert!(gone + 1 >= evicted, "{gone} gone, {evicted} given up");
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_the_past_meets_the_present_however_much_is_made_meanwhile() {
    let collector = Collector::start(Config { subscriber_queue: 64, ..Config::default() }).await;
    let mut agent = collector.agent("n1").await;
    let mut made = 0;
    let mut some = |count: i64| {
        made += count;
        (made - count + 1..=made).map(|number| noisy((number % 60_000) as u16, number)).collect::<Vec<_>>()
    };
    for _ in 0..20 {
        agent.tell(some(1000)).await;
    }
    let request = v1::ObserveRequest { last: Some(1_000_000), ..v1::ObserveRequest::default() };
    let mut observer = collector.observe(follow(request)).await.unwrap();
    let mut taken = vec![observer.flow().await];
    // Far more than the queue holds, while the past waits to be read.
    for _ in 0..40 {
        agent.tell(some(100)).await;
    }
    assert_eq!(collector.status().await.subscribers, 0, "it reads");
    while taken.len() < 24_000 {
        taken.push(observer.flow().await);
    }
    collector.until(|status| status.subscribers == 1).await;
    agent.tell(some(30)).await;
    while taken.len() < 24_030 {
        taken.push(observer.flow().await);
    }
    let times: Vec<_> = taken.iter().map(|flow| flow.time).collect();
    assert_eq!(times, (1..=24_030).map(at).collect::<Vec<_>>(), "every flow once, and nothing missed");
    collector.stop().await;
}

/// Asks until there is room.
async fn with_room(collector: &Collector, cursor: &str) -> Observer {
    let room = async {
        loop {
            match collector.observe(after(cursor)).await {
                Ok(observer) => return observer,
                Err(refused) => assert_eq!(refused.code(), Code::ResourceExhausted),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, room).await.expect("who does not read makes room")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_and_does_not_read_makes_room_and_can_go_on() {
    let stall = Duration::from_millis(300);
    let collector = Collector::start(Config { stall, ..Config::default() }).await;
    let mut agent = collector.agent("n1").await;
    let most = 20_000;
    for batch in 0..most / 1000 {
        agent.tell((1..=1000).map(|port| noisy(port, batch * 1000 + i64::from(port))).collect()).await;
    }
    // More than may read at a time, and none of them does.
    let mut stalled = Vec::new();
    for _ in 0..34 {
        stalled.push(with_room(&collector, "").await);
    }
    let (mut observer, mut flows) = (stalled.remove(0), 0);
    let told = loop {
        match observer.item().await {
            Ok(Some(_)) => flows += 1,
            Ok(None) => panic!("it did not stall"),
            Err(told) => break told,
        }
    };
    assert!(told.code() == Code::DeadlineExceeded && told.message().contains("cursor"), "{told}");
    drop(stalled);
    let rest = with_room(&collector, &observer.cursor).await.flows().await.len();
    assert_eq!(flows + rest as i64, most);
    collector.stop().await;
}
