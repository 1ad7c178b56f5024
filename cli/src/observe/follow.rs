//! Asking for flows until they have come: over as many connections as it takes, each going on behind the last cursor.

use super::cursor::CursorFile;
use crate::{
    client::CollectorAddress,
    failure::{Failure, say},
    output::Reader,
};
use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures::FutureExt as _;
use portolan_proto::v1::{self, flows_client::FlowsClient, observe_response::Item};
use std::time::Duration;
use tokio::time::sleep;
use tonic::{Code, Status, Streaming, codec::CompressionEncoding};

/// With jitter, so that not all who follow come back at once.
const BACKOFF: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(200))
    .with_max_delay(Duration::from_secs(10))
    .without_max_times()
    .with_jitter();

/// Before asking again where this side was too slow: what it took, it will take in time.
const BRIEFLY: Duration = Duration::from_millis(200);

/// Items after which they are shown and the cursor is kept, also where there are always more.
const AT_ONCE: usize = 1_000;

/// Why a stream ended before its time.
enum Lost {
    /// It cannot be otherwise.
    Final(Failure),
    /// The collector is not there.
    Away(Failure),
    /// This side was too slow. What it did not take comes behind the last cursor.
    Behind,
}

/// What becomes of what comes.
pub(crate) trait Sink {
    /// Takes an item; each comes once.
    fn take(&mut self, item: Item) -> Result<Reader, Failure>;

    /// Shows what was taken.
    fn show(&mut self) -> Result<Reader, Failure>;
}

/// Asks, passes on, and knows where it stands.
#[derive(Debug)]
pub(crate) struct Observer<'sink, S> {
    address: CollectorAddress,
    /// Asks for what comes behind the last cursor.
    request: v1::ObserveRequest,
    sink: &'sink mut S,
    file: Option<CursorFile>,
    /// The collector gives cursors, so that another connection can go on.
    goes_on: bool,
    /// Nothing has come since it was said that the collector is away.
    away: bool,
    unseen: usize,
}

impl<'sink, S: Sink> Observer<'sink, S> {
    /// One that has asked nobody yet.
    pub(crate) fn new(
        address: CollectorAddress,
        request: v1::ObserveRequest,
        sink: &'sink mut S,
        file: Option<CursorFile>,
    ) -> Self {
        Self { address, request, sink, file, goes_on: false, away: false, unseen: 0 }
    }

    /// Goes on until there is no more or nobody reads.
    pub(crate) async fn run(&mut self) -> Result<(), Failure> {
        let mut backoff = BACKOFF.build();
        loop {
            let Err(lost) = self.stream().await else { return Ok(()) };
            let failure = match lost {
                Lost::Behind => {
                    sleep(BRIEFLY).await;
                    continue;
                }
                Lost::Away(failure) if self.goes_on && self.request.follow => failure,
                Lost::Final(failure) | Lost::Away(failure) => return Err(failure),
            };
            if !self.away {
                self.away = true;
                backoff = BACKOFF.build();
                failure.report();
                say("trying again; what is made meanwhile comes then");
            }
            sleep(backoff.next().unwrap_or_default()).await;
        }
    }

    /// Takes what one connection brings.
    async fn stream(&mut self) -> Result<(), Lost> {
        let channel = self.address.connect().await.map_err(Lost::Away)?;
        let mut client = FlowsClient::new(channel).accept_compressed(CompressionEncoding::Zstd);
        let answer = client.observe(self.request.clone()).await.map_err(|status| self.lost(&status))?;
        let mut stream = answer.into_inner();
        while let Some(response) = self.next(&mut stream).await? {
            if self.take(response)? == Reader::Gone {
                return Ok(());
            }
        }
        self.show().map(|_| ())
    }

    fn take(&mut self, v1::ObserveResponse { item, cursor }: v1::ObserveResponse) -> Result<Reader, Lost> {
        if self.away {
            self.away = false;
            say(format_args!("the collector at {} is back", self.address));
        }
        // What was left out is kept behind the cursor that stands; that of the next flow would pass it over.
        if self.goes_on && matches!(item, Some(Item::Missed(v1::Missed { gone: false, .. }))) {
            return match self.show()? {
                Reader::Gone => Ok(Reader::Gone),
                Reader::Reads => Err(Lost::Behind),
            };
        }
        self.unseen += usize::from(item.is_some());
        let reader = item.map_or(Ok(Reader::Reads), |item| self.sink.take(item)).map_err(Lost::Final)?;
        if reader == Reader::Reads && !cursor.is_empty() {
            self.goes_on = true;
            self.request.after = cursor;
        }
        Ok(reader)
    }

    /// What comes next. What is there already is taken in one go; before waiting it is shown.
    async fn next(
        &mut self,
        stream: &mut Streaming<v1::ObserveResponse>,
    ) -> Result<Option<v1::ObserveResponse>, Lost> {
        let response = match stream.message().now_or_never() {
            Some(response) if self.unseen < AT_ONCE => response,
            Some(response) => {
                self.show()?;
                response
            }
            None => match self.show()? {
                Reader::Gone => return Ok(None),
                Reader::Reads => stream.message().await,
            },
        };
        match response {
            Ok(response) => Ok(response),
            Err(status) => {
                self.show()?;
                Err(self.lost(&status))
            }
        }
    }

    /// Shows what was taken, then keeps the cursor: whoever kills this sees it twice rather than never.
    fn show(&mut self) -> Result<Reader, Lost> {
        self.unseen = 0;
        let reader = self.sink.show().map_err(Lost::Final)?;
        if let (Reader::Reads, Some(file)) = (reader, &mut self.file) {
            file.write(&self.request.after).map_err(Lost::Final)?;
        }
        Ok(reader)
    }

    fn lost(&self, status: &Status) -> Lost {
        let failure = self.address.failed(status);
        match status.code() {
            Code::DeadlineExceeded if self.goes_on => Lost::Behind,
            Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::Unimplemented
            | Code::PermissionDenied
            | Code::Unauthenticated => Lost::Final(self.blame_file(failure, status)),
            _ => Lost::Away(failure),
        }
    }

    /// Where the cursor is at fault and a file has it, the file is what can be mended.
    fn blame_file(&self, failure: Failure, status: &Status) -> Failure {
        match &self.file {
            Some(file) if status.message().contains("cursor") => failure.context(file.mend()),
            _ => failure,
        }
    }
}
