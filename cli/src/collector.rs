//! `portolan collector`: collects what the agents observe and serves it.

use crate::failure::Failure;
use anyhow::Context as _;
use clap::Args;
use jiff::SignedDuration;
use portolan_collector::{Config, Error, Listeners};
use std::{net::SocketAddr, process::ExitCode, time::Duration};
use tokio_util::sync::CancellationToken;

/// Collect what the agents observe, join the views of both nodes, keep the recent flows and serve
/// them.
#[derive(Debug, Args)]
pub(crate) struct CollectorArgs {
    /// Serve gRPC here: agents' batches, flows, status, health, reflection.
    #[arg(long, env = "PORTOLAN_LISTEN", default_value = "0.0.0.0:4245", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Serve Prometheus metrics and /healthz here.
    #[arg(long, env = "PORTOLAN_METRICS_LISTEN", default_value = "0.0.0.0:9464", value_name = "ADDRESS")]
    metrics_listen: SocketAddr,
    /// Keep this many flows in memory.
    #[arg(long, env = "PORTOLAN_KEEP", default_value_t = Config::default().keep, value_name = "N")]
    keep: usize,
    /// One node's view of a connection waits this long for the other node's.
    #[arg(long, env = "PORTOLAN_JOIN_WINDOW", default_value = "5s", value_name = "DURATION")]
    #[arg(value_parser = duration)]
    join_window: Duration,
}

/// Runs the collector until SIGINT or SIGTERM.
pub(crate) async fn run(args: CollectorArgs, stop: CancellationToken) -> Result<ExitCode, Failure> {
    let CollectorArgs { listen, metrics_listen, keep, join_window } = args;
    let config = config(keep, join_window);
    let listeners = Listeners::bind(listen, metrics_listen).await.map_err(failed)?;
    portolan_collector::run(config, listeners, stop.cancelled()).await.map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}

/// Whoever sets the window sets all waiting with it.
fn config(keep: usize, join_window: Duration) -> Config {
    let defaults = Config::default();
    let patience = join_window * (defaults.patience.as_secs() / defaults.join_window.as_secs()) as u32;
    Config { keep, join_window, patience, ..defaults }
}

fn failed(error: Error) -> Failure {
    match error {
        Error::Bind { .. } => Failure::unavailable(error),
        _ => Failure::from(anyhow::Error::new(error)),
    }
}

fn duration(text: &str) -> anyhow::Result<Duration> {
    const MOST: Duration = Duration::from_mins(10);
    let duration: SignedDuration = text.parse().context("write a duration like 5s or 1m30s")?;
    let duration = Duration::try_from(duration).context("a duration cannot be negative")?;
    anyhow::ensure!(duration <= MOST, "a view is waited for 10m at the most");
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_window_gives_the_default_configuration() {
        let defaults = Config::default();
        assert_eq!(config(defaults.keep, defaults.join_window), defaults);
        assert_eq!(duration("5s").unwrap(), defaults.join_window);
    }

    #[test]
    fn durations_are_read_or_refused() {
        assert_eq!(duration("1m30s").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("500ms").unwrap(), Duration::from_millis(500));
        for wrong in ["", "5", "-5s", "soon"] {
            assert!(duration(wrong).is_err(), "`{wrong}`");
        }
    }
}
