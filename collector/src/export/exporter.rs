//! Takes flows from the ledger and rolls files, each ordinal once.

use super::{
    file::{FlowFile, GROUP},
    folder::{ExportError, Folder},
    name::FileName,
    notes::Covers,
    schema::Row,
};
use crate::{clock::Now, ledger::StoreError};
use jiff::Timestamp;
use parquet::errors::ParquetError;
use portolan_policy::Flow;
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use std::{fs::File, path::PathBuf, time::Duration};
use tracing::warn;

/// Flows that are taken before anything else is looked at.
const ROUND: usize = 4_096;

/// How often old files are looked for.
const CLEAN: Duration = Duration::from_mins(1);

/// How an export goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportConfig {
    /// Where the files are; the folder must be there.
    pub folder: PathBuf,
    /// A file is ended when it is so old.
    pub every: Duration,
    /// A file is ended when it has so many bytes; one row group more at the most.
    pub bytes: u64,
    /// Files are removed when they are so old; never, where nothing is said.
    pub keep: Option<Duration>,
}

/// What is counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    /// Files that have their name.
    pub(crate) files: Counter,
    /// Flows in them.
    pub(crate) rows: Counter,
    /// Bytes of them.
    pub(crate) bytes: Counter,
    /// Flows that the ledger had no more.
    pub(crate) missing: Counter,
    /// Files removed because they were old.
    pub(crate) removed: Counter,
    /// Attempts that failed.
    pub(crate) failures: Counter,
    /// Flows that no file has yet.
    pub(crate) behind: Gauge,
}

/// What a source gives next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A flow.
    Flow(Box<Flow>),
    /// So many flows are gone.
    Gone(u64),
}

/// Where flows come from, in the order of their ordinals.
pub(crate) trait Source {
    /// Whose ordinals these are.
    fn store(&self) -> &str;

    /// The ordinal of the oldest flow that is kept, or else of the next one.
    fn oldest(&self) -> u64;

    /// The ordinal of the next flow that will be made.
    fn end(&self) -> u64;

    /// Goes on at an ordinal.
    fn seek(&mut self, ordinal: u64);

    /// The next flow, or what is missing before it; none where there are no more yet.
    fn next(&mut self) -> Result<Option<Step>, StoreError>;
}

/// Whether there is more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Busy,
    Idle,
}

/// An export.
#[derive(Debug)]
pub(super) struct Exporter<S> {
    source: S,
    config: ExportConfig,
    counters: Counters,
    /// The ordinal of the first flow that no file has, as far as this run knows.
    position: Option<u64>,
    /// Since when the first flow waits that no file has.
    waiting: Option<Duration>,
    /// Rows of a row group.
    group: usize,
    opened: Option<Opened>,
}

/// An export that goes well.
#[derive(Debug)]
struct Opened {
    folder: Folder,
    newest: Option<FileName>,
    /// When the flow began that began last, of those with a file.
    time: Option<Timestamp>,
    cleaned: Option<Duration>,
    draft: Option<Draft>,
}

/// A file that has no name yet.
#[derive(Debug)]
struct Draft {
    file: FlowFile<File>,
    begun: Timestamp,
    first: u64,
    /// The ordinal of the next flow.
    next: u64,
    rows: u64,
    missing: Vec<(u64, u64)>,
    /// When the flow began that began last.
    newest: Option<Timestamp>,
}

impl<S: Source> Exporter<S> {
    pub(super) fn new(source: S, config: ExportConfig, counters: Counters) -> Self {
        Self { source, config, counters, position: None, waiting: None, group: GROUP, opened: None }
    }

    /// Does some of what there is to do. After an error it begins again with what the folder holds.
    pub(super) fn step(&mut self, now: Now) -> Result<Progress, ExportError> {
        let done = self.try_step(now);
        self.measure();
        done
    }

    fn try_step(&mut self, now: Now) -> Result<Progress, ExportError> {
        let mut opened = match self.opened.take() {
            Some(opened) => opened,
            None => self.open()?,
        };
        match self.advance(&mut opened, now) {
            Ok(progress) => {
                self.opened = Some(opened);
                Ok(progress)
            }
            Err(error) => {
                // On a full disk its room is what others need. Where this fails, the next start does it.
                opened.folder.give_up().ok();
                Err(error)
            }
        }
    }

    /// Names what is written. To be called at the end.
    pub(super) fn finish(&mut self) -> Result<(), ExportError> {
        let Some(mut opened) = self.opened.take() else { return Ok(()) };
        self.publish(&mut opened)?;
        opened.folder.give_up()
    }

    /// Finds out where to go on.
    fn open(&mut self) -> Result<Opened, ExportError> {
        let folder = Folder::open(&self.config.folder)?;
        if folder.was_ahead() {
            return Err(ExportError::WasAhead(self.config.folder.clone()));
        }
        let exported = folder.exported(self.source.store())?;
        let newest = exported.as_ref().map(|exported| exported.newest);
        let time = exported.as_ref().and_then(|exported| exported.time);
        let made = self.source.end();
        if let Some(exported) = exported {
            let (last, path) = (exported.last, self.config.folder.clone());
            if last >= made {
                folder.note_ahead()?;
                return Err(ExportError::Ahead { path, last, made });
            }
            // What this run knows is not less: somebody may have taken files away.
            self.position = self.position.max(Some(last + 1));
        }
        let position = *self.position.get_or_insert_with(|| self.source.oldest());
        self.source.seek(position);
        Ok(Opened { folder, newest, time, cleaned: None, draft: None })
    }

    fn advance(&mut self, opened: &mut Opened, now: Now) -> Result<Progress, ExportError> {
        let progress = self.take(opened, now)?;
        let due = self.waiting.is_some_and(|since| now.uptime.saturating_sub(since) >= self.config.every);
        if due || opened.draft.as_ref().is_some_and(|draft| draft.file.bytes() >= self.config.bytes) {
            self.publish(opened)?;
        }
        self.clean(opened, now)?;
        Ok(progress)
    }

    /// How many flows no file has, as far as is known; all that are kept where nothing is.
    fn measure(&self) {
        let from = self.position.unwrap_or_else(|| self.source.oldest());
        self.counters.behind.set(self.source.end().saturating_sub(from) as i64);
    }

    /// Takes flows into the draft.
    fn take(&mut self, opened: &mut Opened, now: Now) -> Result<Progress, ExportError> {
        for _ in 0..ROUND {
            let step = self.source.next().map_err(ExportError::Ledger)?;
            let Some(step) = step else { return Ok(Progress::Idle) };
            let draft = match opened.draft.take() {
                Some(draft) => draft,
                None => self.draft(&opened.folder, now)?,
            };
            let draft = opened.draft.insert(draft);
            draft.take(step).map_err(|source| unwritten(&opened.folder, source))?;
        }
        Ok(Progress::Busy)
    }

    fn draft(&mut self, folder: &Folder, now: Now) -> Result<Draft, ExportError> {
        let file =
            FlowFile::with_groups(folder.begin()?, self.group).map_err(|source| unwritten(folder, source))?;
        let first = self.position.unwrap_or_default();
        // A file that could not be written leaves its flows waiting for as long as they did.
        self.waiting.get_or_insert(now.uptime);
        Ok(Draft { file, begun: now.wall, first, next: first, rows: 0, missing: Vec::new(), newest: None })
    }

    /// Ends the draft and gives it its name. One without flows waits for some.
    fn publish(&mut self, opened: &mut Opened) -> Result<(), ExportError> {
        let Some(draft) = opened.draft.take_if(|draft| draft.rows > 0) else { return Ok(()) };
        let Draft { file, begun, first, next, rows, missing, newest } = draft;
        let covers = Covers { store: self.source.store().to_owned(), first, last: next - 1, missing, newest };
        let file = file.finish(covers.notes()).map_err(|source| unwritten(&opened.folder, source))?;
        let begun = Timestamp::from_second(begun.as_second()).unwrap_or_default();
        let name = FileName { begun, first };
        opened.folder.publish(&file, name)?;
        (self.position, self.waiting) = (Some(next), None);
        opened.newest = Some(name);
        opened.time = opened.time.max(newest);
        let bytes = file.metadata().map(|metadata| metadata.len()).unwrap_or_default();
        self.count(rows, bytes, &covers.missing);
        Ok(())
    }

    fn count(&self, rows: u64, bytes: u64, missing: &[(u64, u64)]) {
        self.counters.files.inc();
        self.counters.rows.inc_by(rows);
        self.counters.bytes.inc_by(bytes);
        let missing = missing.iter().map(|(first, last)| last - first + 1).sum();
        self.counters.missing.inc_by(missing);
        if missing > 0 {
            warn!(
                missing,
                "Flows are missing in the export: the ledger had let go of them, or they were damaged."
            );
        }
    }

    /// Removes files that are too old. Age is measured from the newest flow, or from now where that is earlier: a
    /// clock that jumps takes nothing away.
    fn clean(&self, opened: &mut Opened, now: Now) -> Result<(), ExportError> {
        let (Some(keep), Some(newest), Some(time)) = (self.config.keep, opened.newest, opened.time) else {
            return Ok(());
        };
        if opened.cleaned.is_some_and(|cleaned| now.uptime.saturating_sub(cleaned) < CLEAN) {
            return Ok(());
        }
        opened.cleaned = Some(now.uptime);
        let before = now.wall.min(time).checked_sub(keep).unwrap_or(Timestamp::MIN);
        let removed = opened.folder.forget(before, newest)?;
        self.counters.removed.inc_by(removed);
        Ok(())
    }
}

impl Draft {
    fn take(&mut self, step: Step) -> Result<(), ParquetError> {
        match step {
            Step::Flow(flow) => {
                self.newest = self.newest.max(Some(flow.time));
                self.file.push(Row { ordinal: Some(self.next), flow: *flow })?;
                self.next += 1;
                self.rows += 1;
            }
            Step::Gone(count) => {
                self.missing.push((self.next, self.next + count - 1));
                self.next += count;
            }
        }
        Ok(())
    }
}

fn unwritten(folder: &Folder, source: ParquetError) -> ExportError {
    ExportError::Parquet { operation: "write", path: folder.writing(), source }
}

#[cfg(test)]
#[path = "exporter_tests.rs"]
mod tests;
