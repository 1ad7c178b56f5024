//! Events per second through the agent's user space: from the bytes of the ring to lines of JSON, beside the least
//! that any reader of the ring does, in one process and alternating.
//!
//! ```text
//!   bytes -> Event -> count by five-tuple                                   the baseline
//!   bytes -> Event -> Connections -> attempts                               joined
//!   bytes -> Event -> Connections -> attempts -> Attributor                 attributed
//!   bytes -> Event -> Connections -> attempts -> Attributor -> JSON lines   printed
//! ```
//! One thread, measured by its processor time, so that other programs disturb less. Not in it: the system calls that
//! read the ring and write the lines, and the queue between the two threads of the agent.

mod cluster;
mod ring;

use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};
use portolan_agent::{
    attribute::Attributor,
    clock::{Clock, monotonic},
    connections::{Attempt, Connections, ConversationCounters, Counters, Limits, Unwanted},
    event::{Event, FiveTuple},
    kernel::Places,
    reasons::Reasons,
    sink::{Lines, Sink},
};
use portolan_policy::{Change, History, Verdict, parse_manifest};
use ring::{DROP_REASON, Made, NODE_NETNS, Ring};
use std::{
    collections::HashMap,
    hint::black_box,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Attempts of one pass: one second of heavy traffic.
const ATTEMPTS: u32 = 25_000;
/// Passes of each kind.
const PASSES: usize = 15;
/// How often the agent looks at its ring.
const TICK: u64 = 20_000_000;

/// How far a pass goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    Baseline,
    Joined,
    Attributed,
    Printed,
}

impl Stage {
    const ALL: [Self; 4] = [Self::Baseline, Self::Joined, Self::Attributed, Self::Printed];

    const fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline: decoded and counted by five-tuple",
            Self::Joined => "decoded and joined into attempts",
            Self::Attributed => "… and attributed, with a verdict",
            Self::Printed => "… and written as a JSON line: the whole way",
        }
    }
}

/// Processor time of every pass.
type Times = HashMap<Stage, Vec<Duration>>;

fn main() -> anyhow::Result<()> {
    // Without cargo's word for it this is a trial that the benchmark works, as among tests.
    let measures = std::env::args().any(|word| word == "--bench");
    let (attempts, passes) = if measures { (ATTEMPTS, PASSES) } else { (ATTEMPTS / 50, 1) };
    let bench = Bench::prepare(attempts)?;
    let mut times = Times::new();
    for pass in 0..passes {
        let mut stages = Stage::ALL;
        if pass % 2 == 1 {
            stages.reverse();
        }
        for stage in stages {
            times.entry(stage).or_default().push(bench.measure(stage)?);
        }
    }
    let report = bench.report(&times);
    io::stdout().write_all(report.as_bytes())?;
    Ok(())
}

/// All that a pass needs and leaves as it is.
struct Bench {
    ring: Ring,
    history: History,
    reasons: Reasons,
    runtime: tokio::runtime::Runtime,
}

/// What came out of a pass.
#[derive(Debug, Default)]
struct Passed {
    made: Made,
    others: u64,
    counted: u64,
}

impl Bench {
    fn prepare(attempts: u32) -> anyhow::Result<Self> {
        let manifest = parse_manifest(&cluster::manifests());
        anyhow::ensure!(manifest.errors.is_empty(), "the manifests are wrong: {:?}", manifest.errors);
        let mut history = History::default();
        for object in manifest.objects {
            history.apply(Timestamp::now(), Change::Apply(object))?;
        }
        history.begin();
        let reasons = Reasons::new([(DROP_REASON, "SKB_DROP_REASON_NETFILTER_DROP".to_owned())], []);
        Ok(Self {
            ring: Ring::fill(attempts, monotonic()),
            history,
            reasons,
            runtime: tokio::runtime::Builder::new_current_thread().build()?,
        })
    }

    /// Runs one pass and makes sure that it did its work.
    fn measure(&self, stage: Stage) -> anyhow::Result<Duration> {
        let begun = thread_time()?;
        let passed = match stage {
            Stage::Baseline => self.count(),
            _ => self.runtime.block_on(self.pass(stage))?,
        };
        let took = thread_time()?.saturating_sub(begun);
        let expected = match stage {
            Stage::Baseline => passed.counted == self.ring.len() as u64,
            Stage::Joined => passed.counted == self.ring.made.attempts(),
            _ => passed.others == 0 && passed.made == self.ring.made,
        };
        anyhow::ensure!(expected, "{stage:?} made {passed:?} of {:?}", self.ring.made);
        Ok(took)
    }

    /// The least: whose packet it was, how often.
    fn count(&self) -> Passed {
        let mut counts: HashMap<FiveTuple, u64> = HashMap::new();
        for (_, record) in self.ring.records() {
            let Some(event) = Event::decode(record) else { continue };
            let tuple = match event {
                Event::Sighting(sighting) => sighting.tuple,
                Event::Drop(drop) => drop.tuple,
                Event::SocketOpen(open) => open.tuple,
                Event::SocketEnd(end) => end.tuple,
            };
            *counts.entry(tuple).or_default() += 1;
        }
        Passed { counted: black_box(counts).values().sum(), ..Passed::default() }
    }

    /// The way of the agent, as far as `stage`.
    async fn pass(&self, stage: Stage) -> anyhow::Result<Passed> {
        let mut connections = Connections::new(NODE_NETNS, Limits::default(), Unwanted::of(&self.reasons));
        let mut attributor =
            Attributor::new(Some(cluster::own_node()), self.reasons.clone(), Places::default());
        let (mut passed, mut over, mut counters) = (Passed::default(), Vec::new(), Conversations);
        let written = Arc::new(AtomicU64::new(0));
        let mut sink = Sink::Lines(Lines::new(Box::new(Counting(Arc::clone(&written)))));
        let mut now = 0;
        for (at, record) in self.ring.records() {
            if at >= now + TICK {
                connections.tick(now, &mut counters, &mut over);
                self.finish(stage, &mut over, &mut attributor, &mut sink, &mut passed).await?;
                now = at;
            }
            if let Some(event) = Event::decode(record) {
                connections.on_event(&event, &mut over);
            }
        }
        let silent = self.ring.last() + Limits::default().idle.as_nanos() as u64;
        connections.tick(silent, &mut counters, &mut over);
        connections.flush(&mut counters, &mut over);
        self.finish(stage, &mut over, &mut attributor, &mut sink, &mut passed).await?;
        anyhow::ensure!(
            stage != Stage::Printed || written.load(Ordering::Relaxed) > 0,
            "nothing was written"
        );
        Ok(passed)
    }

    async fn finish(
        &self,
        stage: Stage,
        over: &mut Vec<Attempt>,
        attributor: &mut Attributor,
        sink: &mut Sink,
        passed: &mut Passed,
    ) -> anyhow::Result<()> {
        let clock = Clock::now();
        for mut attempt in over.drain(..) {
            passed.counted += 1;
            if stage == Stage::Joined {
                black_box(&attempt);
                continue;
            }
            let Some(record) = attributor.attribute(&mut attempt, &self.history, clock, |_| None) else {
                passed.others += 1;
                continue;
            };
            match record.verdict {
                Verdict::Allowed => passed.made.allowed += 1,
                Verdict::Denied => passed.made.denied += 1,
                Verdict::Failed => passed.made.failed += 1,
                _ => passed.others += 1,
            }
            if stage == Stage::Printed {
                sink.put(record).await?;
            } else {
                black_box(&record);
            }
        }
        sink.flush().await?;
        Ok(())
    }

    fn report(&self, times: &Times) -> String {
        let pods =
            usize::from(cluster::NODES) * usize::from(cluster::NAMESPACES) * usize::from(cluster::APPS);
        let heading = format!(
            "## Events through the agent's user space\n\n{} attempts of {} events, attributed to a cluster of {} nodes, \
             {} pods and {} policies; one thread. Median of {} alternating passes, with the fastest and the slowest.\n\n\
             | as far as | events per s | ns per event | attempts per s | µs per attempt | times the baseline |\n\
             |---|---|---|---|---|---|\n",
            self.ring.made.attempts(),
            self.ring.len(),
            cluster::NODES,
            pods + 1,
            cluster::policies(),
            times.values().map(Vec::len).max().unwrap_or(0),
        );
        let [_, baseline, _] = spread(times, Stage::Baseline);
        let rows = Stage::ALL.map(|stage| self.row(stage, spread(times, stage), baseline));
        heading + &rows.concat()
    }

    fn row(&self, stage: Stage, [low, middle, high]: [f64; 3], baseline: f64) -> String {
        let (events, attempts) = (self.ring.len() as f64, self.ring.made.attempts() as f64);
        let nanos = |time: f64| time * 1e9 / events;
        format!(
            "| {} | {:.2} M | {:.0} ({:.0}–{:.0}) | {:.0} k | {:.2} | {:.1} |\n",
            stage.name(),
            events / middle / 1e6,
            nanos(middle),
            nanos(low),
            nanos(high),
            attempts / middle / 1e3,
            middle * 1e6 / attempts,
            middle / baseline,
        )
    }
}

/// The fastest, the median and the slowest pass, in seconds.
fn spread(times: &Times, stage: Stage) -> [f64; 3] {
    let mut seconds: Vec<f64> = times.get(&stage).into_iter().flatten().map(Duration::as_secs_f64).collect();
    seconds.sort_by(f64::total_cmp);
    let at = |index: usize| seconds.get(index).copied().unwrap_or(f64::NAN);
    [at(0), at(seconds.len() / 2), at(seconds.len().saturating_sub(1))]
}

/// Processor time of this thread.
fn thread_time() -> io::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// Takes lines and keeps only how long they were.
struct Counting(Arc<AtomicU64>);

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.fetch_add(black_box(bytes).len() as u64, Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The kernel's counters of conversations: a question and its answer each.
struct Conversations;

impl ConversationCounters for Conversations {
    fn read(&mut self, _: u32, _: &FiveTuple) -> Option<Counters> {
        Some(Counters { packets: 2, bytes: 120, last: 0 })
    }

    fn forget(&mut self, _: u32, _: &FiveTuple) {}
}
