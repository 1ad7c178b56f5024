//! Bytes and processor time per record on the wire: batches as they are, beside one message per record, in one
//! process and alternating.
//!
//! The records are those of one node in a busy cluster. The plain messages are also measured compressed, a batch at
//! a time: that is what compression alone would do. One thread, by its processor time. Not in it: gRPC.

mod naive;
mod traffic;

use nix::time::{ClockId, clock_gettime};
use portolan_proto::{Header, Observation, View, decode, encode, v1};
use prost::Message as _;
use std::{
    collections::BTreeMap,
    hint::black_box,
    io::{self, Write as _},
    time::Duration,
};
use traffic::{NODES, Record, Traffic, WORKLOADS, shares};

/// Records of one pass.
const RECORDS: usize = 65_536;
/// Passes of each kind.
const PASSES: usize = 9;
/// Records of a batch.
const SIZES: [usize; 2] = [512, 4096];

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Plain,
    Compressed,
    Batch,
}

impl Form {
    const ALL: [Self; 3] = [Self::Plain, Self::Compressed, Self::Batch];

    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "a message per record",
            Self::Compressed => "the same, a batch compressed with zstd",
            Self::Batch => "`v1.Batch`: tables and columns, compressed with zstd",
        }
    }
}

/// What a pass took and made.
#[derive(Clone, Copy, Debug)]
struct Pass {
    bytes: usize,
    encode: Duration,
    decode: Duration,
}

fn main() -> anyhow::Result<()> {
    // Without cargo's word for it this is a trial that the benchmark works, as among tests.
    let measures = std::env::args().any(|word| word == "--bench");
    let (records, passes) = if measures { (RECORDS, PASSES) } else { (2 * SIZES[1], 1) };
    let traffic = Traffic::new(records);
    let mut measured: BTreeMap<(usize, Form), Vec<Pass>> = BTreeMap::new();
    for pass in 0..passes {
        let mut forms = Form::ALL;
        forms.rotate_left(pass % Form::ALL.len());
        for size in SIZES {
            for form in forms {
                measured.entry((size, form)).or_default().push(measure(&traffic, form, size)?);
            }
        }
    }
    io::stdout().write_all(report(&traffic, &measured).as_bytes())?;
    Ok(())
}

/// Writes and reads all records, and makes sure that they are the same afterwards.
fn measure(traffic: &Traffic, form: Form, size: usize) -> anyhow::Result<Pass> {
    let mut pass = Pass { bytes: 0, encode: Duration::ZERO, decode: Duration::ZERO };
    for records in traffic.records.chunks(size) {
        let begun = thread_time()?;
        let bytes = black_box(write(traffic, records, form)?);
        let written = thread_time()?;
        let observations = black_box(read(&bytes, form)?);
        pass.encode += written.saturating_sub(begun);
        pass.decode += thread_time()?.saturating_sub(written);
        pass.bytes += bytes.len();
        anyhow::ensure!(is_same(&observations, records), "{form:?} of {size}: other records came out");
    }
    Ok(pass)
}

/// All the same, but for the sequence numbers of those of which no other node tells.
fn is_same(observations: &[Observation], records: &[Record]) -> bool {
    let is_same = |(read, Record { observation, .. }): (&Observation, &Record)| {
        let has_key = View::from(observation).may_have_a_second();
        read.flow == observation.flow && (!has_key || read.connection == observation.connection)
    };
    observations.len() == records.len() && observations.iter().zip(records).all(is_same)
}

fn write(traffic: &Traffic, records: &[Record], form: Form) -> anyhow::Result<Vec<u8>> {
    let plain = || naive::encode(records);
    Ok(match form {
        Form::Plain => plain(),
        Form::Compressed => zstd::bulk::compress(&plain(), 3)?,
        Form::Batch => {
            let header = Header { cluster: "c", node: "n", boot: "b", sequence: 1 };
            encode(header, records.iter().map(|record| traffic.view(record)), &[]).encode_to_vec()
        }
    })
}

fn read(bytes: &[u8], form: Form) -> anyhow::Result<Vec<Observation>> {
    Ok(match form {
        Form::Plain => naive::decode(bytes)?,
        Form::Compressed => naive::decode(&zstd::bulk::decompress(bytes, 64 << 20)?)?,
        Form::Batch => decode(&v1::Batch::decode(bytes)?)?.observations,
    })
}

fn report(traffic: &Traffic, measured: &BTreeMap<(usize, Form), Vec<Pass>>) -> String {
    let [crossing, denied] = shares(&traffic.records);
    let heading = format!(
        "## Records on the wire\n\n{} records of one node of {NODES}, in a cluster of {WORKLOADS} workloads; {crossing:.0} % \
         with a key for another node's view, {denied:.0} % denied. One thread; median of {} alternating passes, with the fastest and the \
         slowest.\n\n\
         | records in a batch | form | bytes per record | part | ns to write a record | part | ns to read a record | part |\n\
         |---|---|---|---|---|---|---|---|\n",
        traffic.records.len(),
        measured.values().map(Vec::len).max().unwrap_or(0),
    );
    let rows = measured.iter().map(|((size, form), passes)| {
        let plain = measured.get(&(*size, Form::Plain)).map_or(&[][..], Vec::as_slice);
        row(*size, *form, passes, plain, traffic.records.len())
    });
    heading + &rows.collect::<String>()
}

fn row(size: usize, form: Form, passes: &[Pass], plain: &[Pass], records: usize) -> String {
    let bytes = |passes: &[Pass]| passes.first().map_or(f64::NAN, |pass| pass.bytes as f64) / records as f64;
    let nanos = |passes: &[Pass], of: fn(&Pass) -> Duration| spread(passes, of, records);
    let ([low, write, high], [_, plain_write, _]) =
        (nanos(passes, |pass| pass.encode), nanos(plain, |pass| pass.encode));
    let ([least, read, most], [_, plain_read, _]) =
        (nanos(passes, |pass| pass.decode), nanos(plain, |pass| pass.decode));
    format!(
        "| {size} | {} | {:.1} | {:.3} | {write:.0} ({low:.0}–{high:.0}) | {:.2} | {read:.0} ({least:.0}–{most:.0}) | {:.2} |\n",
        form.name(),
        bytes(passes),
        bytes(passes) / bytes(plain),
        write / plain_write,
        read / plain_read,
    )
}

/// The fastest, the median and the slowest pass, in nanoseconds per record.
fn spread(passes: &[Pass], of: fn(&Pass) -> Duration, records: usize) -> [f64; 3] {
    let mut nanos: Vec<f64> = passes.iter().map(|pass| of(pass).as_nanos() as f64 / records as f64).collect();
    nanos.sort_by(f64::total_cmp);
    let at = |index: usize| nanos.get(index).copied().unwrap_or(f64::NAN);
    [at(0), at(nanos.len() / 2), at(nanos.len().saturating_sub(1))]
}

/// Processor time of this thread.
fn thread_time() -> io::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}
