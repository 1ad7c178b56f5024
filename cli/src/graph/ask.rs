//! Asking the collector for its graph.

use super::window::Window;
use crate::{
    client::CollectorAddress,
    failure::{Failure, say},
    filter::FilterFlags,
};
use anyhow::anyhow;
use portolan_proto::{
    ConvertError,
    graph::{Covered, Edge, PolicyHit},
    timestamp_to_proto,
    v1::{self, graph_client::GraphClient},
};
use std::process::ExitCode;
use tonic::{Streaming, codec::CompressionEncoding, transport::Channel};

/// A message of the answer is at most so long.
const MAX_MESSAGE: usize = 64 << 20;

/// What somebody wants to know.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) window: Window,
    pub(crate) filter: v1::Filter,
}

/// What came.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    pub(crate) covered: Covered,
    pub(crate) list: Vec<T>,
    /// Some of it could not be understood, and this was said.
    pub(crate) flawed: bool,
}

impl<T> Answer<T> {
    /// The exit code that goes with it.
    pub(crate) fn code(&self) -> ExitCode {
        if self.flawed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

impl Question {
    /// A question; what was probably not meant is said.
    pub(crate) fn new(window: Window, filter: FilterFlags) -> Self {
        filter.hints().into_iter().for_each(say);
        Self { window, filter: filter.into() }
    }

    /// Whether anything but the window was asked.
    pub(crate) fn filters(&self) -> bool {
        self.filter != FilterFlags::default().into()
    }

    /// The edges.
    pub(crate) async fn edges(
        &self,
        address: &CollectorAddress,
        order: v1::EdgeOrder,
        limit: Option<u32>,
        histograms: bool,
    ) -> Result<Answer<Edge>, Failure> {
        let Window { since, until } = self.window;
        let request = v1::EdgesRequest {
            since: Some(timestamp_to_proto(since)),
            until: until.map(timestamp_to_proto),
            include: vec![self.filter.clone()],
            order: order.into(),
            limit,
            histograms,
        };
        let answer = client(address).await?.edges(request).await.map_err(|status| address.failed(&status))?;
        gather::<_, v1::Edge, _>(address, answer.into_inner()).await
    }

    /// What policies did.
    pub(crate) async fn hits(&self, address: &CollectorAddress) -> Result<Answer<PolicyHit>, Failure> {
        let Window { since, until } = self.window;
        let request = v1::PolicyHitsRequest {
            since: Some(timestamp_to_proto(since)),
            until: until.map(timestamp_to_proto),
            include: vec![self.filter.clone()],
        };
        let answer =
            client(address).await?.policy_hits(request).await.map_err(|status| address.failed(&status))?;
        gather::<_, v1::PolicyHit, _>(address, answer.into_inner()).await
    }
}

async fn client(address: &CollectorAddress) -> Result<GraphClient<Channel>, Failure> {
    let client = GraphClient::new(address.connect().await?);
    Ok(client.accept_compressed(CompressionEncoding::Zstd).max_decoding_message_size(MAX_MESSAGE))
}

/// What a message of either stream holds.
enum Part<W> {
    Covered(v1::Covered),
    List(Vec<W>),
    Unknown,
}

impl From<v1::EdgesResponse> for Part<v1::Edge> {
    fn from(v1::EdgesResponse { item }: v1::EdgesResponse) -> Self {
        match item {
            Some(v1::edges_response::Item::Covered(covered)) => Self::Covered(covered),
            Some(v1::edges_response::Item::Edges(v1::EdgeList { edges })) => Self::List(edges),
            None => Self::Unknown,
        }
    }
}

impl From<v1::PolicyHitsResponse> for Part<v1::PolicyHit> {
    fn from(v1::PolicyHitsResponse { item }: v1::PolicyHitsResponse) -> Self {
        match item {
            Some(v1::policy_hits_response::Item::Covered(covered)) => Self::Covered(covered),
            Some(v1::policy_hits_response::Item::Hits(v1::PolicyHitList { hits })) => Self::List(hits),
            None => Self::Unknown,
        }
    }
}

/// Takes the whole answer. A record that cannot be understood is said and left out.
async fn gather<R, W, T>(address: &CollectorAddress, mut stream: Streaming<R>) -> Result<Answer<T>, Failure>
where
    Part<W>: From<R>,
    T: TryFrom<W, Error = ConvertError>,
{
    let (mut covered, mut list, mut flawed) = (None, Vec::new(), false);
    while let Some(message) = stream.message().await.map_err(|status| address.failed(&status))? {
        match Part::from(message) {
            Part::Covered(wire) => covered = Some(Covered::try_from(wire).map_err(incomprehensible)?),
            Part::List(records) => {
                for record in records {
                    match T::try_from(record) {
                        Ok(record) => list.push(record),
                        Err(error) => flaw(&mut flawed, error),
                    }
                }
            }
            Part::Unknown => flaw(&mut flawed, "is the collector newer?"),
        }
    }
    let covered = covered.ok_or_else(|| anyhow!("the collector does not say which window it answers"))?;
    Ok(Answer { covered, list, flawed })
}

fn incomprehensible(error: ConvertError) -> Failure {
    Failure::from(anyhow::Error::new(error).context("the collector's answer cannot be understood"))
}

fn flaw(flawed: &mut bool, why: impl std::fmt::Display) {
    say(format_args!("a part of the answer cannot be understood, the rest goes on: {why}"));
    *flawed = true;
}
