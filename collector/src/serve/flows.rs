//! `portolan.v1.Flows`: the kept flows, then those to come.

use super::outlet::Outlet;
use crate::{
    cursor::{Cursor, CursorError, Past},
    filter::Filters,
    hub::Hub,
    ledger::{Catalog, Reach, Shelf, StoreError, Subscription},
    past::{Kept, Met, Told},
    subscribe::{self, Item, Wanted},
};
use futures::{
    Stream, StreamExt as _,
    future::{Either, pending},
    stream::{self, BoxStream},
};
use jiff::Timestamp;
use portolan_proto::{timestamp, v1};
use std::{ops::ControlFlow, pin::Pin, sync::Arc};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::spawn_blocking,
    time::sleep,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tracing::{debug, warn};
use v1::observe_response::Item as WireItem;

/// How many may read kept flows at a time.
const QUERIES: usize = 32;

/// How many flows are read before they are taken.
const AHEAD: usize = 256;

type Answers = BoxStream<'static, Result<Told, Status>>;
type Responses = Pin<Box<dyn Stream<Item = Result<v1::ObserveResponse, Status>> + Send>>;

/// Serves flows.
#[derive(Debug)]
pub(super) struct FlowsService {
    hub: Arc<Hub>,
    queries: Arc<Semaphore>,
}

impl FlowsService {
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        Self { hub, queries: Arc::new(Semaphore::new(QUERIES)) }
    }
}

#[tonic::async_trait]
impl v1::flows_server::Flows for FlowsService {
    type ObserveStream = Responses;

    async fn observe(
        &self,
        request: Request<v1::ObserveRequest>,
    ) -> Result<Response<Self::ObserveStream>, Status> {
        let v1::ObserveRequest { since, until, last, follow, include, after } = request.into_inner();
        let since = time(since, "since")?;
        let until = time(until, "until")?;
        check_window(since, until)?;
        let filters = Filters::new(include).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let wanted = Wanted { filters, since, until };
        let after = read_cursor(&after)?;
        // Who follows without asking for the past wants what comes.
        let last = last.or((follow && since.is_none()).then_some(0));

        let shelf = self.hub.shelf();
        let catalog = shelf.catalog();
        let end = Cursor { store: shelf.name(), end: catalog.next, past: Past::Done };
        let place = match after {
            Some(after) => Place::At(known(after, &shelf, &catalog)?),
            None if last == Some(0) => Place::Present,
            None => Place::At(Cursor { past: Past::Begun, ..end }),
        };
        let asked = Asked { catalog, wanted, last, until };
        let answers = match place {
            _ if follow => self.follow(asked, place, end)?,
            Place::At(cursor) if cursor != end => self.past(asked, cursor)?,
            Place::At(_) | Place::Present => stream::empty().boxed(),
        };
        let farewell = farewell(follow, self.hub.stopping().clone());
        Ok(Response::new(answers.map(|told| told.map(response)).chain(farewell).boxed()))
    }
}

/// What somebody asked, and what was kept then.
struct Asked {
    catalog: Catalog,
    wanted: Wanted,
    last: Option<u64>,
    until: Option<Timestamp>,
}

/// Where somebody wants to begin.
#[derive(Clone, Copy)]
enum Place {
    Present,
    At(Cursor),
}

impl FlowsService {
    /// The kept flows that are wanted.
    fn past(&self, asked: Asked, cursor: Cursor) -> Result<Answers, Status> {
        let kept = self.kept(asked, cursor);
        let answers = self.reader(move |outlet| match kept.read(|told| outlet.give(told)) {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => debug!("Observer left before the end of what is kept."),
            Err(error) => outlet.end(unreadable(&error)),
        })?;
        Ok(answers.filter(|told| std::future::ready(has_item(told))).boxed())
    }

    /// What is wanted from a place on, without an end: from the queue, and before that from what is kept.
    fn follow(&self, asked: Asked, place: Place, end: Cursor) -> Result<Answers, Status> {
        let (shelf, until) = (self.hub.shelf(), asked.until);
        let from = match place {
            Place::At(Cursor { past: Past::Done, end, .. }) => Some(end),
            Place::At(_) => Some(0),
            Place::Present => None,
        };
        match shelf.subscribe(asked.wanted.clone(), from, Reach::Present) {
            Subscription::Follows { kept, queue } => {
                let cursor = Cursor { end: kept.next, ..end };
                Ok(beginning(cursor).chain(until_end(queue, cursor, until)).boxed())
            }
            Subscription::Behind => self.catch_up(asked, place, end),
            Subscription::Refused => Err(refused()),
        }
    }

    /// What is kept from a place on until that meets the present, then the queue.
    fn catch_up(&self, asked: Asked, place: Place, end: Cursor) -> Result<Answers, Status> {
        let cursor = if let Place::At(cursor) = place { cursor } else { end };
        let until = asked.until;
        let kept = self.kept(asked, cursor);
        let (hand_over, queue) = oneshot::channel();
        let past = self.reader(move |outlet| match kept.read_to_present(|told| outlet.give(told)) {
            // Who asked may be gone.
            Ok(Met::Present(queue)) => drop(hand_over.send(queue)),
            Ok(Met::Nobody) => debug!("Observer left before the present."),
            Ok(Met::Refused) => outlet.end(refused()),
            Err(error) => outlet.end(unreadable(&error)),
        })?;
        let queue = stream::once(queue).filter_map(|queue| std::future::ready(queue.ok()));
        let present = queue.flat_map(move |queue| until_end(queue, end, until));
        Ok(beginning(cursor).chain(past).chain(present).boxed())
    }

    fn kept(&self, asked: Asked, cursor: Cursor) -> Kept {
        let Asked { catalog, wanted, last, until: _ } = asked;
        Kept { shelf: self.hub.shelf(), catalog, wanted, last, cursor }
    }

    /// What a thread reads, as it is taken. Who takes nothing for long is told so, and makes room for others.
    fn reader(&self, read: impl FnOnce(&mut Outlet<Told>) + Send + 'static) -> Result<Answers, Status> {
        let permit = Arc::clone(&self.queries).try_acquire_owned();
        let permit = permit
            .map_err(|_| Status::resource_exhausted(format!("{QUERIES} queries run already, ask again")))?;
        let (mut outlet, flows) =
            Outlet::new(AHEAD, self.hub.stall(), "to go on, ask after the last cursor")?;
        drop(spawn_blocking(move || {
            read(&mut outlet);
            drop(permit);
        }));
        Ok(ReceiverStream::new(flows).boxed())
    }
}

/// The first word to who follows: where they stand.
fn beginning(cursor: Cursor) -> impl Stream<Item = Result<Told, Status>> + Send {
    stream::once(async move { Ok(Told { item: None, cursor: Some(cursor) }) })
}

fn refused() -> Status {
    Status::resource_exhausted(format!("{} subscribers follow already", subscribe::MOST))
}

/// For who asked, who may try again.
fn unreadable(error: &StoreError) -> Status {
    let cause = &error.source;
    warn!(%error, %cause, "Kept flows cannot be read now.");
    Status::unavailable(format!("{error}: {cause}; to go on, ask after the last cursor"))
}

fn has_item(told: &Result<Told, Status>) -> bool {
    told.as_ref().map_or(true, |told| told.item.is_some())
}

fn check_window(since: Option<Timestamp>, until: Option<Timestamp>) -> Result<(), Status> {
    match (since, until) {
        (Some(since), Some(until)) if since >= until => Err(Status::invalid_argument(format!(
            "field `until` ({until}) is not later than `since` ({since}): no flow can be between them"
        ))),
        _ => Ok(()),
    }
}

fn read_cursor(text: &str) -> Result<Option<Cursor>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let refused = |error: CursorError| Status::invalid_argument(error.to_string());
    text.parse().map(Some).map_err(refused)
}

/// The cursor, if it is one of this store.
fn known(cursor: Cursor, shelf: &Shelf, kept: &Catalog) -> Result<Cursor, Status> {
    let (store, ours) = (cursor.store, shelf.name());
    if store != ours {
        return Err(Status::failed_precondition(format!(
            "the cursor is of another store ({store}, this one is {ours}), so what came after it is not known here: \
             begin without one"
        )));
    }
    if cursor.end > kept.next {
        return Err(Status::failed_precondition(format!(
            "the cursor is ahead of this store ({} flows, this one has made {}); was it put back from a copy? Begin \
             without one",
            cursor.end, kept.next
        )));
    }
    Ok(cursor)
}

/// The queue, until the time given has passed.
fn until_end(
    queue: mpsc::Receiver<Item>,
    begin: Cursor,
    until: Option<Timestamp>,
) -> impl Stream<Item = Result<Told, Status>> + Send {
    let end = match until {
        Some(until) => {
            // A time that has passed is no time to wait.
            let left = until.duration_since(Timestamp::now()).try_into().unwrap_or_default();
            Either::Left(sleep(left))
        }
        None => Either::Right(pending()),
    };
    let told = move |item: Item| {
        // What was missed comes after the cursor that stands.
        let cursor = match &item {
            Item::Flow(made) => Some(Cursor { end: made.ordinal + 1, ..begin }),
            Item::Missed(_) | Item::Gone(_) => None,
        };
        Ok(Told { item: Some(item), cursor })
    };
    ReceiverStream::new(queue).map(told).take_until(end)
}

/// The last word to who follows when the collector stops.
fn farewell(
    follow: bool,
    stopping: CancellationToken,
) -> impl Stream<Item = Result<v1::ObserveResponse, Status>> + Send {
    stream::once(async move {
        (follow && stopping.is_cancelled()).then(|| Err(Status::unavailable("the collector is stopping")))
    })
    .filter_map(|word| async move { word })
}

fn response(Told { item, cursor }: Told) -> v1::ObserveResponse {
    let item = item.map(|item| match item {
        Item::Flow(made) => WireItem::Flow(Arc::unwrap_or_clone(made).flow.into()),
        Item::Missed(count) => WireItem::Missed(v1::Missed { count, gone: false }),
        Item::Gone(count) => WireItem::Missed(v1::Missed { count, gone: true }),
    });
    v1::ObserveResponse { item, cursor: cursor.map(|cursor| cursor.to_string()).unwrap_or_default() }
}

/// Reads a time of a request.
pub(super) fn time(wire: Option<prost_types::Timestamp>, field: &str) -> Result<Option<Timestamp>, Status> {
    let read = |wire| timestamp(wire, field).map_err(|error| Status::invalid_argument(error.to_string()));
    wire.map(read).transpose()
}
