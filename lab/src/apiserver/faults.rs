//! Faults on purpose: what a test can make the server do wrong.
//!
//! [`Faults`] is the handle for tests. The pending faults themselves are plain data that the request and
//! watch paths consult; faults for open watches travel through the log of changes, in order with the events.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::error::ApiError;
use super::handle::Store;
use super::history::{Change, Cut};
use super::kinds::KindRef;

/// What a request wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// One object.
    Get,
    /// A page of objects.
    List,
    /// A stream of events.
    Watch,
    /// Create, update, patch or delete.
    Write,
}

/// The requests that a fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Target {
    kind: Option<KindRef>,
    verb: Option<Verb>,
}

impl Target {
    /// Every request.
    pub fn all() -> Self {
        Self::default()
    }

    /// Requests for one kind, called as people call it: `Pod`, `pods` or `po`.
    pub fn kind(name: &str) -> Result<Self, ApiError> {
        Ok(Self { kind: Some(named(name)?), verb: None })
    }

    /// Only requests that do this.
    #[must_use]
    pub fn only(mut self, verb: Verb) -> Self {
        self.verb = Some(verb);
        self
    }

    fn hits(self, kind: KindRef, verb: Verb) -> bool {
        self.kind.is_none_or(|wanted| wanted == kind) && self.verb.is_none_or(|wanted| wanted == verb)
    }

    fn kinds(self) -> impl Iterator<Item = KindRef> {
        KindRef::all().filter(move |kind| self.kind.is_none_or(|wanted| wanted == *kind))
    }
}

/// Finds a kind by any of its names.
pub(super) fn named(name: &str) -> Result<KindRef, ApiError> {
    KindRef::by_name(name).ok_or_else(|| {
        ApiError::bad_request(format!("no kind is called {name:?}; see the table in kinds.rs"))
    })
}

/// How a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// 410: the version is too old.
    Gone,
    /// 403: the client may not.
    Forbidden,
    /// 429 with the seconds to wait.
    TooManyRequests {
        /// `Retry-After` in seconds.
        retry_after: u32,
    },
    /// 500.
    Internal,
    /// 404, as for a custom resource that is not installed.
    NoSuchKind,
}

impl Failure {
    fn error(self, kind: KindRef, oldest: u64) -> ApiError {
        match self {
            Self::Gone => ApiError::expired(oldest.saturating_sub(1), oldest),
            Self::Forbidden => ApiError::forbidden(format!(
                "{} is forbidden: the lab was told to refuse this request",
                kind.qualified_plural()
            )),
            Self::TooManyRequests { retry_after } => ApiError::too_many_requests(retry_after),
            Self::Internal => ApiError::internal("the lab was told to fail this request"),
            Self::NoSuchKind => ApiError::no_such_path(),
        }
    }
}

/// Faults that wait for their request.
#[derive(Debug, Default)]
pub(super) struct Pending {
    failures: Vec<(Target, u32, Failure)>,
    delays: Vec<(Target, Duration)>,
    list_extras: Vec<(KindRef, Value)>,
    half_lines: Vec<KindRef>,
    pub(super) duplicate_events: bool,
    pub(super) refuse_streaming_lists: bool,
}

impl Pending {
    /// The failure that hits a request, spent by it.
    pub(super) fn take_failure(&mut self, kind: KindRef, verb: Verb, revision: u64) -> Option<ApiError> {
        let index = self.failures.iter().position(|(target, _, _)| target.hits(kind, verb))?;
        let (_, left, failure) = &mut self.failures[index];
        let failure = *failure;
        *left -= 1;
        if *left == 0 {
            self.failures.remove(index);
        }
        Some(failure.error(kind, revision))
    }

    /// How long a request is kept waiting.
    pub(super) fn delay(&self, kind: KindRef, verb: Verb) -> Duration {
        self.delays.iter().filter(|(target, _)| target.hits(kind, verb)).map(|(_, delay)| *delay).sum()
    }

    /// Objects that only the next list of a kind shows.
    pub(super) fn take_list_extras(&mut self, kind: KindRef) -> Vec<Value> {
        let taken = self.list_extras.extract_if(.., |(of, _)| *of == kind);
        taken.map(|(_, object)| object).collect()
    }

    /// Whether the next event of a kind breaks off in the middle.
    pub(super) fn take_half_line(&mut self, kind: KindRef) -> bool {
        let index = self.half_lines.iter().position(|of| *of == kind);
        index.map(|index| self.half_lines.remove(index)).is_some()
    }
}

/// The faults of one store.
#[derive(Debug, Clone)]
pub struct Faults {
    store: Store,
}

impl Faults {
    pub(super) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Ends every open watch cleanly, as a timeout does.
    pub fn close_watches(&self, target: Target) {
        self.cut(target, Cut::Clean);
    }

    /// Breaks the connection of every open watch.
    pub fn break_watches(&self, target: Target) {
        self.cut(target, Cut::Abrupt);
    }

    /// Sends 410 Gone as an ERROR event to every open watch and ends it.
    pub fn expire_watches(&self, target: Target) {
        self.cut(target, Cut::Expired);
    }

    fn cut(&self, target: Target, cut: Cut) {
        self.store.with_core(|core| target.kinds().for_each(|kind| core.inject(kind, Change::Cut(cut))));
    }

    /// Forgets the history of changes: watches from an older version get 410 Gone.
    pub fn forget_history(&self) {
        self.store.with_core(super::store::Core::forget_history);
    }

    /// The next deletes leave no event, as when they happen while a client is away and the history is lost.
    pub fn swallow_deletes(&self, count: u32) {
        self.store.with_core(|core| core.swallow_deletes(count));
    }

    /// The next `count` requests fail.
    pub fn fail_next(&self, target: Target, count: u32, failure: Failure) {
        if count > 0 {
            self.store.with_pending(|pending| pending.failures.push((target, count, failure)));
        }
    }

    /// Keeps requests waiting until [`Faults::clear`].
    pub fn delay(&self, target: Target, delay: Duration) {
        self.store.with_pending(|pending| pending.delays.push((target, delay)));
    }

    /// Sends every event twice, or stops doing so.
    pub fn duplicate_events(&self, on: bool) {
        self.store.with_pending(|pending| pending.duplicate_events = on);
    }

    /// Refuses `sendInitialEvents`, as servers without streaming lists do.
    pub fn refuse_streaming_lists(&self, on: bool) {
        self.store.with_pending(|pending| pending.refuse_streaming_lists = on);
    }

    /// Adds an object, however malformed, to the next list of a kind.
    pub fn add_to_next_list(&self, kind: &str, object: Value) -> Result<(), ApiError> {
        let kind = named(kind)?;
        self.store.with_pending(|pending| pending.list_extras.push((kind, object)));
        Ok(())
    }

    /// Sends a line, however malformed, to the open watches of a kind.
    pub fn send_line(&self, kind: &str, line: &str) -> Result<(), ApiError> {
        let kind = named(kind)?;
        self.store.with_core(|core| core.inject(kind, Change::Line(Arc::from(line))));
        Ok(())
    }

    /// Breaks the connection in the middle of the next event of a kind.
    pub fn break_next_event(&self, kind: &str) -> Result<(), ApiError> {
        let kind = named(kind)?;
        self.store.with_pending(|pending| pending.half_lines.push(kind));
        Ok(())
    }

    /// How many faults still wait for their request or event.
    pub fn waiting(&self) -> usize {
        self.store.with_pending(|pending| {
            pending.failures.len() + pending.list_extras.len() + pending.half_lines.len()
        })
    }

    /// Takes back every fault that has not happened yet.
    pub fn clear(&self) {
        self.store.with_pending(|pending| *pending = Pending::default());
        self.swallow_deletes(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pods() -> KindRef {
        KindRef::by_name("pods").unwrap()
    }

    #[test]
    fn a_failure_hits_its_target_and_is_spent() {
        let store = Store::new();
        store.faults().fail_next(Target::kind("pods").unwrap().only(Verb::List), 2, Failure::Gone);
        let take =
            |verb| store.with_pending(|pending| pending.take_failure(pods(), verb, 9)).map(|err| err.code);
        assert_eq!(take(Verb::Watch), None);
        assert_eq!(take(Verb::List), Some(410));
        assert_eq!(take(Verb::List), Some(410));
        assert_eq!(take(Verb::List), None);
    }

    #[test]
    fn delays_add_up_until_cleared() {
        let store = Store::new();
        store.faults().delay(Target::all(), Duration::from_millis(2));
        store.faults().delay(Target::kind("po").unwrap(), Duration::from_millis(3));
        let delay = || store.with_pending(|pending| pending.delay(pods(), Verb::Get));
        assert_eq!(delay(), Duration::from_millis(5));
        store.faults().clear();
        assert_eq!(delay(), Duration::ZERO);
    }

    #[test]
    fn an_unknown_kind_is_refused() {
        assert_eq!(Target::kind("gateways").unwrap_err().code, 400);
    }
}
