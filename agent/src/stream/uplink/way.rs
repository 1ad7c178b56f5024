//! The way to the collector as it stands: waited for, being opened, or open. One thing happens on it next.

use super::live::{End, Live};
use crate::capture::chain;
use portolan_proto::v1;
use std::{pin::Pin, time::Duration};
use tokio::time::{Instant, sleep_until, timeout};
use tonic::transport::Endpoint;

/// How long the collector may take to answer the opening of a stream.
pub(super) const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

type Opening = Pin<Box<dyn Future<Output = Result<Box<Live>, End>> + Send>>;

/// How the way stands.
pub(super) enum Way {
    /// To be tried at this time.
    Closed(Instant),
    Opening(Opening),
    Open(Box<Live>),
}

/// What happened.
pub(super) enum Event {
    /// It is time to try.
    Due,
    Opened(Result<Box<Live>, End>),
    Ack(Result<v1::Ack, End>),
}

impl Way {
    /// A way that is being opened, for one batch alone at first or for all.
    pub(super) fn open(endpoint: &Endpoint, alone: bool) -> Self {
        let endpoint = endpoint.clone();
        Self::Opening(Box::pin(async move {
            match timeout(OPEN_TIMEOUT, Live::open(&endpoint, alone)).await {
                Ok(Ok(live)) => Ok(Box::new(live)),
                Ok(Err(error)) => Err(chain(error.as_ref()).into()),
                Err(_elapsed) => Err("no answer to the opening of the stream".into()),
            }
        }))
    }

    /// What happens next. Nothing is lost if it is not waited for to the end.
    pub(super) async fn next(&mut self) -> Event {
        match self {
            Self::Closed(until) => {
                sleep_until(*until).await;
                Event::Due
            }
            Self::Opening(opening) => Event::Opened(opening.await),
            Self::Open(live) => Event::Ack(live.next_ack().await),
        }
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }
}
