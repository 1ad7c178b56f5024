//! `portolan.v1.Flows`: the kept flows, then those to come.

use crate::{
    filter::Filters,
    hub::Hub,
    ledger::Catalog,
    query::Query,
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
    sync::{Semaphore, mpsc},
    task::spawn_blocking,
    time::sleep,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use v1::observe_response::Item as WireItem;

/// How many may read kept flows at a time.
const QUERIES: usize = 32;

/// How many flows are read before they are taken.
const AHEAD: usize = 256;

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
        let v1::ObserveRequest { since, until, last, follow, include } = request.into_inner();
        let since = time(since, "since")?;
        let until = time(until, "until")?;
        let filters = Filters::new(include).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let wanted = Wanted { filters, since, until };
        // Who follows without asking for the past wants what comes.
        let last = last.or((follow && since.is_none()).then_some(0));

        let subscription = self.hub.shelf().subscribe(wanted.clone(), follow).ok_or_else(|| {
            Status::resource_exhausted(format!("{} subscribers follow already", subscribe::MOST))
        })?;
        let past = self.past(subscription.kept, wanted, last)?;
        let responses = match subscription.queue {
            Some(queue) => past.chain(until_end(queue, until)).map(response).boxed(),
            None => past.map(response).boxed(),
        };
        let farewell = farewell(follow, self.hub.stopping().clone());
        Ok(Response::new(responses.chain(farewell).boxed()))
    }
}

impl FlowsService {
    /// The kept flows that are wanted. A thread reads them as they are taken.
    fn past(
        &self,
        kept: Catalog,
        wanted: Wanted,
        last: Option<u64>,
    ) -> Result<BoxStream<'static, Item>, Status> {
        if last == Some(0) {
            return Ok(stream::empty().boxed());
        }
        let permit = Arc::clone(&self.queries).try_acquire_owned();
        let permit = permit
            .map_err(|_| Status::resource_exhausted(format!("{QUERIES} queries run already, ask again")))?;
        let query = Query { shelf: self.hub.shelf(), kept, wanted, last };
        let (sender, flows) = mpsc::channel(AHEAD);
        drop(spawn_blocking(move || {
            query.run(|flow| match sender.blocking_send(Item::Flow(flow)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            });
            drop(permit);
        }));
        Ok(ReceiverStream::new(flows).boxed())
    }
}

/// The queue, until the time given has passed.
fn until_end(queue: mpsc::Receiver<Item>, until: Option<Timestamp>) -> impl Stream<Item = Item> + Send {
    let end = match until {
        Some(until) => {
            // A time that has passed is no time to wait.
            let left = until.duration_since(Timestamp::now()).try_into().unwrap_or_default();
            Either::Left(sleep(left))
        }
        None => Either::Right(pending()),
    };
    ReceiverStream::new(queue).take_until(end)
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

#[expect(clippy::unnecessary_wraps, reason = "the item type of the stream")]
fn response(item: Item) -> Result<v1::ObserveResponse, Status> {
    let item = match item {
        Item::Flow(flow) => WireItem::Flow(Arc::unwrap_or_clone(flow).flow.into()),
        Item::Missed(count) => WireItem::Missed(v1::Missed { count }),
    };
    Ok(v1::ObserveResponse { item: Some(item) })
}

fn time(wire: Option<prost_types::Timestamp>, field: &str) -> Result<Option<Timestamp>, Status> {
    let read = |wire| timestamp(wire, field).map_err(|error| Status::invalid_argument(error.to_string()));
    wire.map(read).transpose()
}
