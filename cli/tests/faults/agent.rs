//! An agent's end of the stream as a process of its own, which tells records that are known.

use crate::{
    TEST,
    support::DEADLINE,
    support::build::{FlowExt as _, at, by_source, external, flow, pod},
    world::{Dice, views},
};
use portolan_agent::{
    attribute::Record,
    metrics::Metrics,
    stream::{Identity, Item, Name, Spool, Uplink},
};
use portolan_proto::Observation;
use std::{
    io::{BufRead as _, BufReader, Read as _, stdin},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, time::sleep};
use tonic::transport::Endpoint;

/// The connections of a block, of which every run of an agent tells its part.
pub(crate) const BLOCK: u64 = 1000;

/// The node that tells more than its spool holds.
pub(crate) const HASTY: &str = "n4";
/// What that spool holds.
const HASTY_SPOOL: u64 = 16 << 10;
const SPOOL: u64 = 1 << 30;

/// After so long every batch is sealed, as the uplink has it.
const SEALED: Duration = Duration::from_millis(1300);

/// What an agent is started with, in the environment of its process.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) node: &'static str,
    pub(crate) run: u64,
    pub(crate) seed: u64,
    /// Where to send to.
    pub(crate) port: u16,
    pub(crate) spool: PathBuf,
    /// Tells nothing that is new, or of the hasty one a single record.
    pub(crate) only_drains: bool,
    /// Records that earlier runs of the hasty one told.
    pub(crate) from: u64,
}

/// What a node sees of a block.
pub(crate) fn block(seed: u64, number: u64) -> crate::world::Views {
    views(&mut Dice::new(seed ^ number), number * BLOCK..(number + 1) * BLOCK)
}

/// A record of the hasty node.
pub(crate) fn hasty(number: u64) -> Observation {
    let source = pod("shop/hasty-0", "10.0.4.1", HASTY);
    let told = flow(source, external("192.0.2.4")).started(at(number as i64 * 7));
    let mut observation = by_source(told);
    observation.connection.tcp_isn = 1 + number as u32;
    observation
}

/// The process of an agent.
#[derive(Debug)]
pub(crate) struct Agent {
    child: Child,
    words: Option<ChildStdin>,
    /// How many of its records are on disk or acknowledged, as it said.
    durable: Arc<AtomicU64>,
    pub(crate) task: Task,
}

const VARIABLE: &str = "PORTOLAN_TEST_AGENT";

impl Agent {
    pub(crate) fn start(task: Task) -> Self {
        let Task { node, run, seed, port, spool, only_drains, from } = &task;
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", TEST, "--nocapture", "--quiet"]);
        command.env(VARIABLE, format!("{node} {run} {seed} {port} {only_drains} {from} {}", spool.display()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (words, lines) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()).lines());
        let durable = Arc::new(AtomicU64::new(0));
        let said = Arc::clone(&durable);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(count) = line.strip_prefix("durable ") {
                    said.store(count.parse().unwrap(), Ordering::SeqCst);
                }
            }
        });
        Self { child, words, durable, task }
    }

    /// SIGKILL, now. How many records it had said to be safe.
    pub(crate) fn kill(mut self) -> u64 {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.durable.load(Ordering::SeqCst)
    }

    /// Has it end in order; how many records it has told.
    pub(crate) async fn end(mut self) -> u64 {
        drop(self.words.take());
        let begin = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(begin.elapsed() < 2 * DEADLINE, "{:?} does not end", self.task);
            sleep(Duration::from_millis(20)).await;
        }
        assert!(self.child.wait().unwrap().success(), "{:?} failed", self.task);
        self.durable.load(Ordering::SeqCst)
    }

    /// Waits until nothing is left to send.
    pub(crate) async fn drained(&self) {
        let begin = Instant::now();
        while batches(&self.task.spool) > 0 {
            assert!(begin.elapsed() < 3 * DEADLINE, "{:?} keeps its spool", self.task);
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// No test leaves an agent behind, however it ends.
impl Drop for Agent {
    fn drop(&mut self) {
        // One that ended is gone.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// How many batches are in a spool.
fn batches(spool: &Path) -> usize {
    let names = spool.read_dir().unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_str().is_some_and(|name| name.parse::<Name>().is_ok())).count()
}

/// Whether this process is to be an agent.
pub(crate) fn is_child() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// The life of the process.
pub(crate) async fn tell() {
    let told = std::env::var(VARIABLE).unwrap();
    let mut words = told.splitn(7, ' ');
    let mut next = || words.next().unwrap().to_owned();
    let (node, run, seed, port): (_, u64, u64, u16) =
        (next(), next().parse().unwrap(), next().parse().unwrap(), next().parse().unwrap());
    let (only_drains, from, spool): (bool, u64, _) =
        (next().parse().unwrap(), next().parse().unwrap(), PathBuf::from(next()));
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap();
    let identity = Identity { cluster: "test".to_owned(), node: node.clone(), boot: format!("{node}-{run}") };
    let bytes = if node == HASTY { HASTY_SPOOL } else { SPOOL };
    let (metrics, spool) = (Arc::new(Metrics::default()), Spool::open(&spool).unwrap());
    let (items, queue) = mpsc::channel(16);
    let uplink =
        tokio::spawn(Uplink::new(endpoint, identity, Some(spool), bytes, Arc::clone(&metrics)).run(queue));
    let (asked, ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        stdin().read_to_end(&mut Vec::new()).ok();
        asked.send(()).ok();
    });
    let mut dice = Dice::new(seed ^ run << 8);
    if node == HASTY {
        let last = if only_drains { from + 1 } else { u64::MAX };
        let told = tell_hastily(&items, ended, from..last).await;
        say_durable(told);
    } else {
        let views = if only_drains { Vec::new() } else { block(seed, run).remove(&*node).unwrap() };
        tell_all(&items, &views, &mut dice, &metrics).await;
        ended.await.ok();
    }
    drop(items);
    uplink.await.unwrap();
}

async fn tell_all(items: &mpsc::Sender<Item>, views: &[Observation], dice: &mut Dice, metrics: &Metrics) {
    let mut told = 0;
    while told < views.len() {
        let count = (1 + dice.below(40) as usize).min(views.len() - told);
        let records = views[told..told + count].iter().cloned().map(Record::sample).collect();
        items.send(Item::Records(records)).await.unwrap();
        told += count;
        sleep(Duration::from_millis(dice.below(20))).await;
        if dice.below(12) == 0 || told == views.len() {
            sleep(SEALED).await;
            while metrics.batches_waiting.get() != metrics.spool_batches.get() {
                sleep(Duration::from_millis(20)).await;
            }
            say_durable(told as u64);
        }
    }
}

/// Until it is asked to end, or has told all.
async fn tell_hastily(
    items: &mpsc::Sender<Item>,
    mut ended: tokio::sync::oneshot::Receiver<()>,
    mut numbers: std::ops::Range<u64>,
) -> u64 {
    const COUNT: usize = 30;
    loop {
        let records: Vec<Record> = numbers.by_ref().take(COUNT).map(hasty).map(Record::sample).collect();
        if !records.is_empty() {
            items.send(Item::Records(records)).await.unwrap();
        }
        tokio::select! {
            _ = &mut ended => return numbers.start,
            () = sleep(Duration::from_millis(20)) => {}
        }
    }
}

/// To the parent: so many of the records are on disk or acknowledged.
#[expect(clippy::print_stdout, reason = "the parent reads it")]
fn say_durable(count: u64) {
    println!("durable {count}");
}
