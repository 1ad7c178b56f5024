//! One watch: from a position in the log of changes to JSON lines on the wire.
//!
//! ```text
//! history -> transition (ADDED | MODIFIED | DELETED under a filter) -> line -> response body
//! ```
//!
//! A watch keeps no queue of its own: it reads the log at its own pace and is told when it fell too far behind.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use futures::Stream;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

use super::error::ApiError;
use super::handle::Store;
use super::history::{Change, Cut, Entry, Forgotten};
use super::kinds::KindRef;
use super::meta;
use super::selectors::Filter;
use super::store::AtRevision;
use super::view::View;

/// How often an idle watch gets a bookmark.
const BOOKMARK_PERIOD: Duration = Duration::from_secs(15);

/// How many changes are taken from the log at once.
const BATCH: usize = 256;

/// Where a watch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// With the present state as ADDED events, not older than a version.
    State(u64),
    /// With the changes after a version.
    After(u64),
    /// With the next change.
    Now,
}

/// A watch as it was asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) kind: KindRef,
    pub(super) filter: Filter,
    pub(super) start: Start,
    pub(super) bookmarks: bool,
    /// Whether a bookmark marks the end of the initial events.
    pub(super) mark_initial_end: bool,
    pub(super) timeout: Duration,
    pub(super) view: View,
}

/// An open watch.
struct Watch {
    store: Store,
    wanted: Wanted,
    position: u64,
    /// Faults in the log before this position were meant for others.
    opened_at: u64,
    ready: VecDeque<Result<Bytes, io::Error>>,
    ended: bool,
    changes: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
    bookmark: Interval,
    deadline: Instant,
    /// Counts this watch as open while it lives.
    open: Option<Arc<()>>,
}

/// Why a watch stirs.
enum Wake {
    Change,
    Bookmark,
    Timeout,
    Stop,
}

/// Ready when the server is told to go, or has gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await.map(drop));
}

/// Opens a watch and answers its body. `stop` ends it when the server goes.
pub(super) fn open(
    store: Store,
    wanted: Wanted,
    stop: watch::Receiver<bool>,
) -> Result<impl Stream<Item = Result<Bytes, io::Error>> + Send + use<>, ApiError> {
    let now = Instant::now();
    let mut bookmark = interval_at(now + BOOKMARK_PERIOD, BOOKMARK_PERIOD);
    bookmark.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watch = Watch {
        changes: store.changes(),
        deadline: now + wanted.timeout,
        store,
        wanted,
        position: 0,
        opened_at: 0,
        ready: VecDeque::new(),
        ended: false,
        stop,
        bookmark,
        open: None,
    };
    watch.begin()?;
    watch.open = Some(watch.store.watch_token(watch.wanted.kind));
    Ok(futures::stream::unfold(
        watch,
        |mut watch| async move { watch.next().await.map(|chunk| (chunk, watch)) },
    ))
}

impl Watch {
    fn begin(&mut self) -> Result<(), ApiError> {
        let (kind, filter, start) = (self.wanted.kind, &self.wanted.filter, self.wanted.start);
        let begun = self.store.with_core(|core| {
            self.opened_at = core.history().end();
            let (position, state) = match start {
                Start::Now => (Ok(self.opened_at), None),
                Start::After(revision) => (core.history().position_after(revision), None),
                Start::State(least) => {
                    let listed = core.list(kind, filter, AtRevision::NotOlderThan(least), None, 0)?;
                    (Ok(self.opened_at), Some(listed))
                }
            };
            Ok::<_, ApiError>((position, state))
        });
        let (position, state) = begun?;
        match position {
            Ok(position) => self.position = position,
            Err(Forgotten { oldest }) => {
                let requested = if let Start::After(revision) = start { revision } else { 0 };
                self.end_with(&ApiError::expired(requested, oldest));
            }
        }
        if let Some(listed) = state {
            for (_, object) in &listed.items {
                self.push_event("ADDED", object);
            }
            if self.wanted.mark_initial_end {
                let annotations = json!({"k8s.io/initial-events-end": "true"});
                self.push_bookmark(listed.revision, Some(annotations));
            }
        }
        Ok(())
    }

    async fn next(&mut self) -> Option<Result<Bytes, io::Error>> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Some(chunk);
            }
            if self.ended {
                return None;
            }
            self.changes.mark_unchanged();
            if self.read_changes() > 0 {
                continue;
            }
            match self.woken().await {
                Wake::Change => {}
                Wake::Bookmark => self.push_current_bookmark(),
                Wake::Timeout => {
                    self.push_current_bookmark();
                    self.ended = true;
                }
                Wake::Stop => self.ended = true,
            }
        }
    }

    /// Sleeps until there is something to do.
    async fn woken(&mut self) -> Wake {
        tokio::select! {
            moved = self.changes.changed() => if moved.is_ok() { Wake::Change } else { Wake::Stop },
            () = stopped(&mut self.stop) => Wake::Stop,
            _ = self.bookmark.tick() => Wake::Bookmark,
            () = sleep_until(self.deadline) => Wake::Timeout,
        }
    }

    /// Takes the next changes from the log; the answer is how many there were, of any kind.
    fn read_changes(&mut self) -> usize {
        let (position, batch) = self.store.with_core(|core| {
            let batch = core.history().read(self.position, BATCH);
            (self.position, batch.map(|entries| entries.cloned().collect::<Vec<Entry>>()))
        });
        match batch {
            Ok(entries) => {
                for (at, entry) in (position..).zip(&entries) {
                    if entry.kind == self.wanted.kind && !self.ended {
                        self.take(at, entry);
                    }
                }
                self.position = position + entries.len() as u64;
                entries.len()
            }
            Err(Forgotten { oldest }) => {
                self.end_with(&ApiError::expired(oldest.saturating_sub(1), oldest));
                1
            }
        }
    }

    fn take(&mut self, at: u64, entry: &Entry) {
        match &entry.change {
            Change::Object { before, after } => {
                let twice = self.store.with_pending(|pending| pending.duplicate_events);
                let Some((event, object)) =
                    transition(&self.wanted.filter, entry, before.as_ref(), after.as_ref())
                else {
                    return;
                };
                for _ in 0..=usize::from(twice) {
                    self.push_event(event, &object);
                }
            }
            Change::Line(_) | Change::Cut(_) if at < self.opened_at => {}
            Change::Line(line) => self.ready.push_back(Ok(Bytes::from(format!("{line}\n")))),
            Change::Cut(Cut::Clean) => self.ended = true,
            Change::Cut(Cut::Abrupt) => self.break_off(),
            Change::Cut(Cut::Expired) => {
                self.end_with(&ApiError::expired(entry.revision.saturating_sub(1), entry.revision));
            }
        }
    }

    fn break_off(&mut self) {
        self.ready.push_back(Err(io::Error::new(io::ErrorKind::ConnectionReset, "broken by a fault")));
        self.ended = true;
    }

    fn end_with(&mut self, error: &ApiError) {
        self.ready.push_back(Ok(line("ERROR", &error.to_status())));
        self.ended = true;
    }

    fn push_event(&mut self, event: &'static str, object: &Arc<Value>) {
        let kind = self.wanted.kind;
        let line = match self.wanted.view.object(kind, object) {
            Some(shown) => line(event, &shown),
            None => line(event, object),
        };
        if self.store.with_pending(|pending| pending.take_half_line(kind)) {
            self.ready.push_back(Ok(line.slice(..line.len() / 2)));
            self.break_off();
        } else if !self.ended {
            self.ready.push_back(Ok(line));
        }
    }

    /// A bookmark at the newest version, if all changes up to it have been read.
    fn push_current_bookmark(&mut self) {
        let current =
            self.store.with_core(|core| (core.history().end() == self.position).then(|| core.revision()));
        if let Some(revision) = current {
            self.push_bookmark(revision, None);
        }
    }

    fn push_bookmark(&mut self, revision: u64, annotations: Option<Value>) {
        if !self.wanted.bookmarks {
            return;
        }
        let kind = self.wanted.kind;
        let mut object = json!({
            "kind": kind.kind,
            "apiVersion": kind.api_version(),
            "metadata": {"resourceVersion": revision.to_string(), "creationTimestamp": null},
        });
        if let Some(annotations) = annotations {
            object["metadata"]["annotations"] = annotations;
        }
        self.ready.push_back(Ok(line("BOOKMARK", &object)));
    }
}

/// What a change means to a watch with a filter: objects enter and leave it as they change.
fn transition(
    filter: &Filter,
    entry: &Entry,
    before: Option<&Arc<Value>>,
    after: Option<&Arc<Value>>,
) -> Option<(&'static str, Arc<Value>)> {
    let wanted = |object: &&Arc<Value>| filter.matches(&entry.key.namespace, object);
    match (before.filter(wanted), after.filter(wanted)) {
        (None, None) => None,
        (None, Some(after)) => Some(("ADDED", Arc::clone(after))),
        (Some(_), Some(after)) => Some(("MODIFIED", Arc::clone(after))),
        (Some(before), None) => Some(("DELETED", Arc::new(meta::at_revision(before, entry.revision)))),
    }
}

/// One line on the wire.
fn line(event: &'static str, object: &Value) -> Bytes {
    #[derive(Serialize)]
    struct Line<'a> {
        #[serde(rename = "type")]
        event: &'static str,
        object: &'a Value,
    }
    let mut bytes = serde_json::to_vec(&Line { event, object }).expect("a JSON value has only string keys");
    bytes.push(b'\n');
    Bytes::from(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apiserver::store::Key;

    fn change(before: Option<&Value>, after: Option<&Value>) -> Option<(&'static str, Value)> {
        let pods = KindRef::by_name("pods").unwrap();
        let filter = Filter::parse(pods, None, Some("app=web"), None).unwrap();
        let (before, after) = (before.cloned().map(Arc::new), after.cloned().map(Arc::new));
        let entry = Entry {
            revision: 9,
            kind: pods,
            key: Key::new("shop", "web"),
            change: Change::Object { before: before.clone(), after: after.clone() },
        };
        transition(&filter, &entry, before.as_ref(), after.as_ref())
            .map(|(event, object)| (event, object.as_ref().clone()))
    }

    fn pod(app: &str) -> Value {
        json!({"metadata": {"labels": {"app": app}, "resourceVersion": "5"}})
    }

    #[test]
    fn objects_enter_and_leave_a_filter_as_they_change() {
        let event = |change: Option<(&'static str, Value)>| change.map(|(event, _)| event);
        assert_eq!(event(change(None, Some(&pod("web")))), Some("ADDED"));
        assert_eq!(event(change(Some(&pod("api")), Some(&pod("web")))), Some("ADDED"));
        assert_eq!(event(change(Some(&pod("web")), Some(&pod("web")))), Some("MODIFIED"));
        assert_eq!(event(change(Some(&pod("web")), Some(&pod("api")))), Some("DELETED"));
        assert_eq!(event(change(Some(&pod("api")), None)), None);
    }

    #[test]
    fn a_deleted_object_carries_the_version_of_its_end() {
        let (event, object) = change(Some(&pod("web")), None).unwrap();
        assert_eq!((event, &object["metadata"]["resourceVersion"]), ("DELETED", &json!("9")));
    }
}
