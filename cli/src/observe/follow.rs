//! Asking for flows until they have come: over as many connections as it takes, each going on behind the last cursor.

use super::{cursor::CursorFile, printer::Printer};
use crate::{
    client::CollectorAddress,
    failure::{Failure, say},
    output::{Output, Reader},
};
use anyhow::Context as _;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures::FutureExt as _;
use portolan_proto::v1::{self, flows_client::FlowsClient, observe_response::Item};
use std::{process::ExitCode, time::Duration};
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

/// Lines after which they are shown and the cursor is kept, also where there are always more.
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

/// Asks, prints, and knows where it stands.
#[derive(Debug)]
pub(super) struct Observer {
    address: CollectorAddress,
    /// Asks for what comes behind the last cursor.
    request: v1::ObserveRequest,
    printer: Printer,
    output: Output,
    file: Option<CursorFile>,
    code: ExitCode,
    /// The collector gives cursors, so that another connection can go on.
    goes_on: bool,
    /// Nothing has come since it was said that the collector is away.
    away: bool,
    unseen: usize,
}

impl Observer {
    /// One that has asked nobody yet.
    pub(super) fn new(
        address: CollectorAddress,
        request: v1::ObserveRequest,
        printer: Printer,
        file: Option<CursorFile>,
    ) -> Self {
        let (output, code) = (Output::new(), ExitCode::SUCCESS);
        Self { address, request, printer, output, file, code, goes_on: false, away: false, unseen: 0 }
    }

    /// Prints until there is no more or nobody reads.
    pub(super) async fn run(&mut self) -> Result<ExitCode, Failure> {
        let mut backoff = BACKOFF.build();
        loop {
            let lost = match self.stream().await {
                Ok(()) => return Ok(self.code),
                Err(lost) => lost,
            };
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

    /// Prints what one connection brings.
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
        let line = item.map_or(Ok(None), |item| self.printer.line(item));
        let reader = self.print(line)?;
        if reader == Reader::Reads && !cursor.is_empty() {
            self.goes_on = true;
            self.request.after = cursor;
        }
        Ok(reader)
    }

    /// What comes next. What is there already is printed in one go; before waiting it is shown.
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

    fn print(&mut self, line: Result<Option<String>, String>) -> Result<Reader, Lost> {
        match line {
            Ok(Some(line)) => {
                self.unseen += 1;
                self.output
                    .line(&line)
                    .context("cannot write flows")
                    .map_err(|error| Lost::Final(error.into()))
            }
            Ok(None) => Ok(Reader::Reads),
            Err(problem) => {
                say(problem);
                self.code = ExitCode::FAILURE;
                Ok(Reader::Reads)
            }
        }
    }

    /// Shows what was printed, then keeps the cursor: whoever kills this sees lines twice rather than never.
    fn show(&mut self) -> Result<Reader, Lost> {
        self.unseen = 0;
        let reader = self.output.flush().context("cannot write flows");
        let reader = reader.map_err(|error| Lost::Final(error.into()))?;
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
            | Code::Unauthenticated => Lost::Final(failure),
            _ => Lost::Away(failure),
        }
    }
}
