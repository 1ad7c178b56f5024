//! `portolan export`: flows into one Parquet file.

use crate::{
    client::CollectorAddress,
    failure::{Failure, say},
    manifests::STDIN,
    observe::{Observer, Sink, Wanted},
    output::Reader,
};
use anyhow::{Context as _, anyhow};
use clap::Args;
use jiff::Timestamp;
use portolan_collector::{Filters, FlowFile, Row};
use portolan_policy::Flow;
use portolan_proto::{
    timestamp,
    v1::{self, observe_response::Item},
};
use std::{
    fmt,
    fs::{self, File},
    io::{BufRead, BufReader, stdin},
    path::{Path, PathBuf},
    process::ExitCode,
};
use tokio_util::sync::CancellationToken;

/// Write flows into a Parquet file, for DuckDB, pandas, ClickHouse and others: from the collector, or from
/// what `observe -o jsonl` printed. With --follow it ends at SIGINT, and goes on by itself where the collector or this
/// was away or too slow. The columns: docs/export.md.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    address: CollectorAddress,
    #[command(flatten)]
    wanted: Wanted,
    /// Take the flows from these lines instead; `-` reads standard input
    #[arg(long, value_name = "FLOWS.jsonl")]
    flows: Option<PathBuf>,
    /// The file to write; one that is there is replaced when this one is whole
    #[arg(value_name = "FILE.parquet")]
    file: PathBuf,
}

/// Writes until there are no more flows or a signal comes.
pub(crate) async fn run(args: ExportArgs, stop: CancellationToken) -> Result<ExitCode, Failure> {
    let ExportArgs { address, wanted, flows, file } = args;
    let request = wanted.request(Timestamp::now(), String::new())?;
    let mut draft = Draft::begin(file)?;
    if let Some(lines) = flows {
        take_lines(&lines, request, &mut draft)?;
    } else {
        let follows = request.follow;
        let mut observer = Observer::new(address, request, &mut draft, None);
        match stop.run_until_cancelled(observer.run()).await.unwrap_or(Ok(())) {
            // What was followed for long is kept.
            Err(failure) if follows && draft.rows > 0 => draft.flaw(failure),
            other => other?,
        }
    }
    let code = draft.code();
    let (path, rows) = draft.finish()?;
    say(format_args!("wrote {rows} flows to {}", path.display()));
    Ok(code)
}

impl Sink for Draft {
    fn take(&mut self, item: Item) -> Result<Reader, Failure> {
        take_item(item, self)?;
        Ok(Reader::Reads)
    }

    fn show(&mut self) -> Result<Reader, Failure> {
        Ok(Reader::Reads)
    }
}

fn take_item(item: Item, draft: &mut Draft) -> anyhow::Result<()> {
    match item {
        Item::Flow(wire) => match Flow::try_from(wire) {
            Ok(flow) => draft.push(flow)?,
            Err(problem) => {
                draft.flaw(format_args!("a flow cannot be understood, the rest goes on: {problem}"));
            }
        },
        Item::Missed(v1::Missed { count, gone: false }) => {
            draft.flaw(format_args!("missed {count} flows: they came faster than they were written"));
        }
        Item::Missed(v1::Missed { count, gone: true }) => {
            draft.flaw(format_args!("{count} flows, wanted or not, were made since and are kept no more"));
        }
    }
    Ok(())
}

/// Takes the flows of JSON lines that are wanted.
fn take_lines(path: &Path, request: v1::ObserveRequest, draft: &mut Draft) -> Result<(), Failure> {
    let is_wanted = wanted(request)?;
    let source: Box<dyn BufRead> = if path == Path::new(STDIN) {
        Box::new(stdin().lock())
    } else {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()));
        Box::new(BufReader::new(file?))
    };
    for (number, line) in source.lines().enumerate() {
        let line = line.with_context(|| format!("cannot read {}", path.display()))?;
        match serde_json::from_str::<Flow>(&line) {
            Ok(flow) if is_wanted(&flow) => draft.push(flow)?,
            Ok(_) => {}
            Err(error) => {
                let number = number + 1;
                draft.flaw(format_args!("{}:{number}: no flow, the rest goes on: {error}", path.display()));
            }
        }
    }
    Ok(())
}

/// What a collector would give for the request.
fn wanted(request: v1::ObserveRequest) -> Result<impl Fn(&Flow) -> bool, Failure> {
    let v1::ObserveRequest { since, until, last, follow, include, after: _ } = request;
    if last.is_some() || follow {
        return Err(Failure::usage(anyhow!("--last and --follow ask a collector: leave out --flows")));
    }
    let filters = Filters::new(include).map_err(Failure::usage)?;
    let time = |wire: Option<_>, name| wire.map(|wire| timestamp(wire, name)).transpose();
    let since = time(since, "since").map_err(Failure::usage)?;
    let until = time(until, "until").map_err(Failure::usage)?;
    Ok(move |flow: &Flow| {
        since.is_none_or(|since| flow.time >= since)
            && until.is_none_or(|until| flow.time < until)
            && filters.matches(flow)
    })
}

/// A file that gets its name when it is whole.
#[derive(Debug)]
struct Draft {
    path: PathBuf,
    writing: PathBuf,
    /// Until it is finished.
    file: Option<FlowFile<File>>,
    rows: u64,
    /// Something that was wanted is not in it, and this was said.
    flawed: bool,
}

impl Draft {
    fn begin(path: PathBuf) -> Result<Self, Failure> {
        let name = path.file_name().ok_or_else(|| {
            Failure::usage(anyhow!("{} names no file: write FOLDER/FLOWS.parquet", path.display()))
        })?;
        let writing = path.with_file_name(format!(".{}.writing", name.to_string_lossy()));
        let file = File::create(&writing).with_context(|| format!("cannot make {}", writing.display()))?;
        let file = Some(FlowFile::new(file).context("cannot begin the file")?);
        Ok(Self { path, writing, file, rows: 0, flawed: false })
    }

    fn push(&mut self, flow: Flow) -> anyhow::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        self.rows += 1;
        file.push(Row { ordinal: None, flow })
            .with_context(|| format!("cannot write {}", self.writing.display()))
    }

    /// Says what is not in it.
    fn flaw(&mut self, problem: impl fmt::Display) {
        self.flawed = true;
        say(problem);
    }

    /// The exit code that goes with it, however it came to its end.
    fn code(&self) -> ExitCode {
        if self.flawed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    /// Gives the file its name, and says how many flows it has.
    fn finish(mut self) -> anyhow::Result<(PathBuf, u64)> {
        let path = self.path.clone();
        if let Some(file) = self.file.take() {
            let cannot = || format!("cannot write {}", path.display());
            let file = file.finish(Vec::new()).with_context(cannot)?;
            file.sync_all().with_context(cannot)?;
            fs::rename(&self.writing, &path).with_context(cannot)?;
        }
        Ok((path, self.rows))
    }
}

/// What was not finished leaves nothing behind.
impl Drop for Draft {
    fn drop(&mut self) {
        // After a rename it is gone.
        fs::remove_file(&self.writing).ok();
    }
}
