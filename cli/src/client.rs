//! The way to the collector, for the verbs that ask it.

use crate::failure::Failure;
use anyhow::anyhow;
use clap::Args;
use std::{error::Error, time::Duration};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

const CONNECT: Duration = Duration::from_secs(5);

/// A peer that vanished without a word is found out after twice this.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Where the collector is.
#[derive(Debug, Args)]
pub(crate) struct CollectorAddress {
    /// The collector to ask.
    #[arg(long, env = "PORTOLAN_COLLECTOR", default_value = "http://127.0.0.1:4245", value_name = "URL")]
    #[arg(value_parser = endpoint)]
    collector: Endpoint,
}

impl CollectorAddress {
    /// Connects, or says what may be done.
    pub(crate) async fn connect(&self) -> Result<Channel, Failure> {
        self.collector.connect().await.map_err(|error| {
            Failure::unavailable(anyhow!(
                "cannot reach the collector at {self}: {}\n\
                 Is it running there? Set --collector or PORTOLAN_COLLECTOR; for one in a cluster, first\n  \
                 kubectl -n portolan port-forward service/portolan-collector 4245",
                root(&error)
            ))
        })
    }

    /// What an answer that is an error means.
    pub(crate) fn failed(&self, status: &Status) -> Failure {
        let message = status.message();
        match status.code() {
            Code::InvalidArgument => Failure::usage(anyhow!("the collector refuses the request: {message}")),
            Code::Unavailable => Failure::unavailable(anyhow!("the collector at {self} is gone: {message}")),
            Code::ResourceExhausted => {
                Failure::unavailable(anyhow!("the collector at {self} has no room: {message}"))
            }
            Code::FailedPrecondition => {
                Failure::from(anyhow!("the collector at {self} cannot go on: {message}"))
            }
            Code::Unimplemented => Failure::unavailable(anyhow!(
                "what answers at {self} is no collector of this version: {message}"
            )),
            code if status.source().is_some() => {
                Failure::unavailable(anyhow!("lost the collector at {self}: {code:?}: {}", root(status)))
            }
            code => Failure::from(anyhow!("the collector at {self} failed: {code:?}: {message}")),
        }
    }
}

impl std::fmt::Display for CollectorAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.collector.uri())
    }
}

/// The cause at the bottom, which is what a person can do something about.
fn root(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Reads the URL of a collector.
pub(crate) fn endpoint(text: &str) -> Result<Endpoint, String> {
    let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    if !url.starts_with("http://") {
        return Err("the collector speaks plain HTTP/2: the URL begins with http://".to_owned());
    }
    let endpoint = Endpoint::from_shared(url).map_err(|error| format!("this is no URL: {}", root(&error)))?;
    if endpoint.uri().authority().is_none() {
        return Err("the URL names no host".to_owned());
    }
    Ok(endpoint
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .keep_alive_while_idle(true))
}
