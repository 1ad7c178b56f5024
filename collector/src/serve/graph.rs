//! `portolan.v1.Graph`: what the flows of a window add up to.

mod hits;
mod pick;
mod tell;

#[cfg(test)]
mod tests;

use super::{flows::time, outlet::Outlet};
use crate::{
    filter::EdgeFilters,
    graph::{Graph, Scope, Survey, answer::Question},
};
use futures::{Stream, StreamExt as _};
use jiff::Timestamp;
use pick::{Picked, pick};
use portolan_proto::{graph::Covered, v1};
use prost::Message;
use std::{ops::ControlFlow, pin::Pin, sync::Arc, time::Duration};
use tokio::{sync::Semaphore, task::spawn_blocking};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use tracing::debug;
use v1::{EdgeOrder, edges_response::Item as EdgesItem, policy_hits_response::Item as HitsItem};

/// How many questions are answered at a time: each holds the edges of its window in memory.
const QUESTIONS: usize = 2;

/// An answer has at most so many edges or hits.
const MOST: usize = 100_000;

/// A message is no longer, unless it is of one record: far below the 4 MiB that clients take.
const FULL: usize = 64 * 1024;

/// How many messages are made before they are taken.
const AHEAD: usize = 8;

/// Where messages go, one after the other.
type Give<'outlet, T> = &'outlet mut dyn FnMut(T) -> ControlFlow<()>;

type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Serves the graph.
#[derive(Debug)]
pub(super) struct GraphService {
    graph: Arc<Graph>,
    questions: Arc<Semaphore>,
    /// How long who asked may take nothing of the answer.
    stall: Duration,
}

impl GraphService {
    pub(super) fn new(graph: Arc<Graph>, stall: Duration) -> Self {
        Self { graph, questions: Arc::new(Semaphore::new(QUESTIONS)), stall }
    }

    /// Answers on a thread of its own, as fast as the answer is taken.
    fn answer<T: Send + 'static>(
        &self,
        question: Question,
        filters: EdgeFilters,
        tell: impl FnOnce(&Survey, &EdgeFilters, Give<'_, T>) -> ControlFlow<()> + Send + 'static,
    ) -> Result<Response<Responses<T>>, Status> {
        let permit = Arc::clone(&self.questions).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!("{QUESTIONS} questions to the graph run already, ask again"))
        })?;
        let graph = Arc::clone(&self.graph);
        let (mut outlet, messages) = Outlet::new(AHEAD, self.stall, "ask again, or for less")?;
        drop(spawn_blocking(move || {
            match graph.ask(&question, Timestamp::now()) {
                Ok(survey) => {
                    if tell(&survey, &filters, &mut |message| outlet.give(message)).is_break() {
                        debug!("Who asked the graph left before the end of the answer.");
                    }
                }
                Err(error) => outlet.end(Status::invalid_argument(error.to_string())),
            }
            drop(permit);
        }));
        Ok(Response::new(ReceiverStream::new(messages).boxed()))
    }
}

#[tonic::async_trait]
impl v1::graph_server::Graph for GraphService {
    type EdgesStream = Responses<v1::EdgesResponse>;
    type PolicyHitsStream = Responses<v1::PolicyHitsResponse>;

    async fn edges(&self, request: Request<v1::EdgesRequest>) -> Result<Response<Self::EdgesStream>, Status> {
        let v1::EdgesRequest { since, until, include, order, limit, histograms } = request.into_inner();
        let (order, limit) = (read_order(order)?, read_limit(limit)?);
        self.answer(question(since, until)?, filters(include)?, move |survey, filters, give| {
            edges(survey, filters, order, limit, histograms, give)
        })
    }

    async fn policy_hits(
        &self,
        request: Request<v1::PolicyHitsRequest>,
    ) -> Result<Response<Self::PolicyHitsStream>, Status> {
        let v1::PolicyHitsRequest { since, until, include } = request.into_inner();
        self.answer(question(since, until)?, filters(include)?, policy_hits)
    }
}

/// Tells edges one after the other: who asked takes the first ones while others are spelled out.
fn edges(
    survey: &Survey,
    filters: &EdgeFilters,
    order: EdgeOrder,
    limit: usize,
    histograms: bool,
    give: Give<'_, v1::EdgesResponse>,
) -> ControlFlow<()> {
    let Picked { edges, matching, attempts } = pick(survey, filters, order, limit);
    let covered = covered(survey, filters, [matching, edges.len() as u64, attempts]);
    let latencies = survey.latencies(&edges);
    let edges = edges.iter().enumerate().map(|(owner, number)| {
        let edge = survey.edge(*number).answer(latencies.of(owner));
        v1::Edge::from(tell::edge(edge, histograms))
    });
    let lists = in_messages(edges).map(|edges| EdgesItem::Edges(v1::EdgeList { edges }));
    let mut items = std::iter::once(EdgesItem::Covered(covered.into())).chain(lists);
    items.try_for_each(|item| give(v1::EdgesResponse { item: Some(item) }))
}

fn policy_hits(
    survey: &Survey,
    filters: &EdgeFilters,
    give: Give<'_, v1::PolicyHitsResponse>,
) -> ControlFlow<()> {
    let Picked { edges, attempts, .. } = pick(survey, filters, EdgeOrder::Unspecified, usize::MAX);
    let mut hits = hits::roll_up(survey, &edges, filters);
    let matching = hits.len() as u64;
    hits.truncate(MOST);
    let covered = covered(survey, filters, [matching, hits.len() as u64, attempts]);
    let hits = hits.into_iter().map(v1::PolicyHit::from);
    let lists = in_messages(hits).map(|hits| HitsItem::Hits(v1::PolicyHitList { hits }));
    let mut items = std::iter::once(HitsItem::Covered(covered.into())).chain(lists);
    items.try_for_each(|item| give(v1::PolicyHitsResponse { item: Some(item) }))
}

fn covered(survey: &Survey, filters: &EdgeFilters, [matching, told, attempts]: [u64; 3]) -> Covered {
    let Scope { from, to, damaged, behind } = survey.scope;
    let folded = survey.edges().filter(|edge| filters.may_have_wanted(edge));
    let others = folded.fold(0, |sum, edge| edge.figures().attempts.saturating_add(sum));
    Covered { from, to, damaged, matching, told, attempts, others, behind }
}

/// The records, as many as a message takes.
fn in_messages<T: Message>(records: impl Iterator<Item = T>) -> impl Iterator<Item = Vec<T>> {
    let mut records = records.map(|record| (record.encoded_len(), record)).peekable();
    std::iter::from_fn(move || {
        let (mut length, first) = records.next()?;
        let mut list = vec![first];
        while let Some((more, record)) = records.next_if(|(more, _)| length + more <= FULL) {
            length += more;
            list.push(record);
        }
        Some(list)
    })
}

fn question(
    since: Option<prost_types::Timestamp>,
    until: Option<prost_types::Timestamp>,
) -> Result<Question, Status> {
    Ok(Question { since: time(since, "since")?, until: time(until, "until")? })
}

fn filters(include: Vec<v1::Filter>) -> Result<EdgeFilters, Status> {
    EdgeFilters::new(include).map_err(|error| Status::invalid_argument(error.to_string()))
}

fn read_order(number: i32) -> Result<EdgeOrder, Status> {
    EdgeOrder::try_from(number).map_err(|_| {
        Status::invalid_argument(format!("field `order`: {number} is no order that this collector knows"))
    })
}

fn read_limit(limit: Option<u32>) -> Result<usize, Status> {
    match limit.map(|limit| limit as usize) {
        None => Ok(MOST),
        Some(limit @ 1..=MOST) => Ok(limit),
        Some(limit) => Err(Status::invalid_argument(format!(
            "field `limit`: {limit} edges cannot be had; ask for 1 to {MOST}, and narrow the window or the filter"
        ))),
    }
}
