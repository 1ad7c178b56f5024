//! The uplink over real gRPC against a collector that does all that a collector can do.

use super::*;
use crate::stream::samples::{numbered, numbers};
use portolan_proto::v1::{self, ingest_server};
use std::{collections::HashSet, net::SocketAddr, path::Path, pin::Pin, sync::Mutex};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    sync::mpsc::{self, Sender},
    task::JoinHandle,
};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming, transport::Server};

const DEADLINE: Duration = Duration::from_secs(30);

/// What a collector does with the next batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Deed {
    /// Applies it and says so.
    Ack,
    /// Applies it, and its answer is lost.
    Forget,
    /// Drops the connection with the batch.
    Drop,
    /// Says that it cannot take the batch.
    Refuse,
}

/// What a collector was sent: connection, run, sequence number, records.
pub(super) type Taken = (usize, String, u64, Vec<u32>);

#[derive(Clone, Default)]
pub(super) struct Collector {
    /// What it does with one batch after the other; after that it acknowledges all.
    deeds: Arc<Mutex<Vec<Deed>>>,
    applied: Arc<Mutex<Vec<Taken>>>,
    losses: Arc<Mutex<Vec<v1::Loss>>>,
    given_up: Arc<Mutex<HashSet<(String, u64)>>>,
    connections: Arc<Mutex<usize>>,
}

#[tonic::async_trait]
impl ingest_server::Ingest for Collector {
    type StreamStream = Pin<Box<ReceiverStream<Result<v1::Ack, Status>>>>;

    async fn stream(
        &self,
        request: Request<Streaming<v1::Batch>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let (acks, answers) = mpsc::channel(1);
        let connection = {
            let mut connections = self.connections.lock().unwrap();
            *connections += 1;
            *connections
        };
        tokio::spawn(self.clone().take(connection, request.into_inner(), acks));
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }
}

impl Collector {
    async fn take(
        self,
        connection: usize,
        mut batches: Streaming<v1::Batch>,
        acks: Sender<Result<v1::Ack, Status>>,
    ) {
        while let Ok(Some(batch)) = batches.message().await {
            let deed = self.next_deed();
            if deed == Deed::Drop {
                return;
            }
            if deed == Deed::Refuse {
                acks.send(Err(Status::invalid_argument("no batch of this kind is known"))).await.ok();
                return;
            }
            let records = numbers(&batch);
            let v1::Batch { boot, sequence, losses, given_up, .. } = batch;
            self.apply((connection, boot.clone(), sequence, records), losses, given_up);
            if deed == Deed::Ack && acks.send(Ok(v1::Ack { boot, sequence })).await.is_err() {
                return;
            }
        }
    }

    /// Losses count once, like all that is in a batch; those of a batch that was given up, where it was not applied.
    fn apply(&self, taken: Taken, losses: Vec<v1::Loss>, given_up: Vec<v1::GivenUp>) {
        let mut applied = self.applied.lock().unwrap();
        let mut known = self.given_up.lock().unwrap();
        let is_known = |boot: &str, sequence| {
            applied.iter().any(|(_, run, number, _)| (&**run, *number) == (boot, sequence))
        };
        if !is_known(&taken.1, taken.2) && !known.contains(&(taken.1.clone(), taken.2)) {
            self.losses.lock().unwrap().extend(losses);
        }
        for v1::GivenUp { boot, sequence, losses } in given_up {
            if !is_known(&boot, sequence) && known.insert((boot, sequence)) {
                self.losses.lock().unwrap().extend(losses);
            }
        }
        applied.push(taken);
    }

    /// What was told of a loss.
    pub(super) fn losses(&self, cause: &str) -> u64 {
        let losses = self.losses.lock().unwrap();
        losses.iter().filter(|loss| loss.cause == cause).map(|loss| loss.count).sum()
    }

    fn next_deed(&self) -> Deed {
        let mut deeds = self.deeds.lock().unwrap();
        if deeds.is_empty() { Deed::Ack } else { deeds.remove(0) }
    }

    pub(super) fn does(&self, deeds: impl IntoIterator<Item = Deed>) {
        self.deeds.lock().unwrap().extend(deeds);
    }

    pub(super) fn is_well_from_now_on(&self) {
        self.deeds.lock().unwrap().clear();
    }

    pub(super) fn listen(&self, address: SocketAddr) -> JoinHandle<()> {
        let service = ingest_server::IngestServer::new(self.clone());
        tokio::spawn(async move {
            let listener = TcpListener::bind(address).await.unwrap();
            let incoming = TcpListenerStream::new(listener);
            Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
        })
    }

    pub(super) fn applied(&self) -> Vec<Taken> {
        self.applied.lock().unwrap().clone()
    }

    /// Every record that was applied, each as often as its batch was new.
    fn records(&self) -> Vec<u32> {
        let (mut known, mut records) = (HashSet::new(), Vec::new());
        for (_, boot, sequence, numbers) in self.applied() {
            if known.insert((boot, sequence)) {
                records.extend(numbers);
            }
        }
        records
    }

    /// Batches come for the first time in the order of making, and one batch is always the same.
    pub(super) fn check_order(&self, boots: &[impl AsRef<str>]) {
        let applied = self.applied();
        let place = |boot: &String| boots.iter().position(|known| known.as_ref() == boot).unwrap();
        let (mut known, mut last) = (HashSet::new(), None);
        for (_, boot, sequence, _) in &applied {
            let at = Some((place(boot), sequence));
            if known.insert((boot, sequence)) {
                assert!(last < at, "{at:?} after {last:?} in {applied:#?}");
                last = at;
            }
        }
        for (_, boot, sequence, numbers) in &applied {
            let same = applied.iter().filter(|taken| (&taken.1, taken.2) == (boot, *sequence));
            assert!(
                same.clone().all(|taken| taken.3 == *numbers),
                "{same:#?}",
                same = same.collect::<Vec<_>>()
            );
        }
    }
}

/// A port of this test alone that nobody listens on.
pub(super) async fn free_address(host: u8) -> SocketAddr {
    let listener = TcpListener::bind((std::net::Ipv4Addr::new(127, 45, 0, host), 0)).await.unwrap();
    listener.local_addr().unwrap()
}

/// An agent's end.
pub(super) struct Agent {
    pub(super) items: Sender<Item>,
    task: JoinHandle<()>,
    pub(super) metrics: Arc<Metrics>,
}

pub(super) fn agent(address: SocketAddr, spool: Option<&Path>, boot: &str) -> Agent {
    let (items, queue) = mpsc::channel(16);
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let identity = Identity { cluster: "c".to_owned(), node: "n".to_owned(), boot: boot.to_owned() };
    let spool = spool.map(|folder| Spool::open(folder).unwrap());
    let metrics = Arc::new(Metrics::default());
    let uplink = Uplink::new(endpoint, identity, spool, 1 << 30, Arc::clone(&metrics));
    Agent { items, task: tokio::spawn(uplink.run(queue)), metrics }
}

impl Agent {
    /// Gives it records, a batch each for most of them.
    async fn tell(&self, numbers: std::ops::Range<u32>) {
        for number in numbers {
            self.items.send(numbered(number)).await.unwrap();
            tokio::time::sleep(BATCH_AGE / 4).await;
        }
    }

    /// Waits until the collector has so many records, and has said so.
    async fn told(&self, collector: &Collector, records: usize) {
        let all = || collector.records().len() == records && self.metrics.batches_waiting.get() == 0;
        eventually(all, || format!("{:#?}", collector.applied())).await;
    }

    pub(super) async fn end(self) -> Arc<Metrics> {
        drop(self.items);
        self.task.await.unwrap();
        self.metrics
    }
}

pub(super) async fn eventually(holds: impl Fn() -> bool, otherwise: impl Fn() -> String) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < DEADLINE, "not within {DEADLINE:?}: {}", otherwise());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A collector that comes late, loses answers and connections: every record arrives, and no batch changes.
async fn through_everything(host: u8, spool: Option<&Path>) {
    use Deed::{Ack, Drop, Forget};
    let (address, collector) = (free_address(host).await, Collector::default());
    collector.does([Ack, Ack, Forget, Forget, Drop, Forget, Ack, Drop, Drop, Ack, Forget, Drop]);
    let agent = agent(address, spool, "boot");
    agent.tell(0..20).await;
    let server = collector.listen(address);
    agent.tell(20..60).await;
    agent.told(&collector, 60).await;
    assert_eq!(collector.records(), (0..60).collect::<Vec<u32>>());
    collector.check_order(&["boot"]);
    assert!(*collector.connections.lock().unwrap() >= 4, "connections were dropped");
    let sent = collector.applied().len();
    let metrics = agent.end().await;
    assert_eq!(collector.applied().len(), sent, "nothing is sent that was acknowledged");
    assert_eq!((metrics.batches_lost.get(), metrics.spool_batches.get()), (0, 0));
    server.abort();
}

#[tokio::test]
async fn every_record_arrives_in_order_whatever_the_collector_does() {
    through_everything(1, None).await;
}

#[tokio::test]
async fn every_record_arrives_in_order_out_of_the_spool_too() {
    let folder = TempDir::new().unwrap();
    through_everything(2, Some(folder.path())).await;
    let left = folder.path().read_dir().unwrap().count();
    assert_eq!(left, 1, "the lock is all that stays");
}

#[tokio::test]
async fn what_one_run_could_not_tell_the_next_one_tells_first_under_the_old_name() {
    let (folder, address, collector) = (TempDir::new().unwrap(), free_address(3).await, Collector::default());
    let first = agent(address, Some(folder.path()), "z-first");
    first.tell(0..10).await;
    first.end().await;
    let second = agent(address, Some(folder.path()), "a-second");
    second.tell(10..20).await;
    collector.does([Deed::Ack, Deed::Drop]);
    let server = collector.listen(address);
    second.told(&collector, 20).await;
    second.end().await;
    assert_eq!(collector.records(), (0..20).collect::<Vec<u32>>());
    collector.check_order(&["z-first", "a-second"]);
    assert!(
        collector.applied().iter().all(|(_, boot, _, records)| {
            records.iter().all(|number| (*number < 10) == (boot == "z-first"))
        })
    );
    server.abort();
}

#[tokio::test]
async fn a_batch_that_is_refused_does_not_hold_up_the_others_for_ever() {
    let (address, collector) = (free_address(5).await, Collector::default());
    collector.does([Deed::Ack, Deed::Refuse, Deed::Refuse, Deed::Refuse]);
    let agent = agent(address, None, "boot");
    agent.tell(0..30).await;
    let server = collector.listen(address);
    let lost = |agent: &Agent| {
        let cause = crate::metrics::Cause { cause: "batch-refused" };
        agent.metrics.lost.get_or_create(&cause).get() as usize
    };
    let all = || collector.records().len() + lost(&agent) == 30;
    eventually(all, || format!("{:#?}", collector.applied())).await;
    assert_eq!(agent.metrics.batches_lost.get(), 1);
    agent.end().await;
    server.abort();
}

#[tokio::test]
async fn a_collector_that_answers_nothing_is_sent_no_more_than_may_be_on_the_wire() {
    let (address, collector) = (free_address(4).await, Collector::default());
    collector.does(std::iter::repeat_n(Deed::Forget, 10_000));
    let server = collector.listen(address);
    let agent = agent(address, None, "boot");
    agent.tell(0..100).await;
    let sent = collector.applied().len();
    assert!((1..=live::IN_FLIGHT).contains(&sent), "{sent} batches on the wire");
    agent.task.abort();
    server.abort();
}
