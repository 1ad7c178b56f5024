//! `portolan collector`: collects what the agents observe and serves it.

use crate::failure::Failure;
use anyhow::Context as _;
use clap::Args;
use jiff::{SignedDuration, Span, SpanRelativeTo};
use portolan_collector::{Config, Error, ExportConfig, Listeners};
use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};
use tokio_util::sync::CancellationToken;

/// What is kept in a folder where nobody says otherwise.
const KEEP_IN_FOLDER: u64 = 10 << 30;

/// In how many bytes the graph is kept in a folder where nobody says otherwise.
const KEEP_GRAPH_IN_FOLDER: u64 = 2 << 30;

/// Collect what the agents observe, join the views of both nodes, keep the flows and serve them.
#[derive(Debug, Args)]
pub(crate) struct CollectorArgs {
    /// Serve gRPC here: agents' batches, flows, graph, status, health, reflection.
    #[arg(long, env = "PORTOLAN_LISTEN", default_value = "0.0.0.0:4245", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Serve Prometheus metrics and /healthz here.
    #[arg(long, env = "PORTOLAN_METRICS_LISTEN", default_value = "0.0.0.0:9464", value_name = "ADDRESS")]
    metrics_listen: SocketAddr,
    /// Keep everything in this folder, so that nothing is lost or told twice when the collector ends;
    /// without, flows are kept in memory and gone with it.
    #[arg(long, env = "PORTOLAN_DATA", value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Keep flows for so long: 7d, 12h.
    #[arg(long, env = "PORTOLAN_KEEP_FLOWS", default_value = "7d", value_name = "DURATION", value_parser = long)]
    keep_flows: Duration,
    /// Keep flows in so many bytes: 10GiB, 500MiB [default: 10GiB in a folder, 256MiB in memory].
    #[arg(long, env = "PORTOLAN_KEEP_BYTES", value_name = "SIZE", value_parser = size)]
    keep_bytes: Option<u64>,
    /// Keep the graph's minutes for so long after their day has ended.
    #[arg(long, env = "PORTOLAN_KEEP_MINUTES", default_value = "1d", value_name = "DURATION", value_parser = long)]
    keep_minutes: Duration,
    /// Keep the graph's hours for so long.
    #[arg(long, env = "PORTOLAN_KEEP_HOURS", default_value = "30d", value_name = "DURATION", value_parser = long)]
    keep_hours: Duration,
    /// Keep the graph's days for so long.
    #[arg(long, env = "PORTOLAN_KEEP_DAYS", default_value = "365d", value_name = "DURATION", value_parser = long)]
    keep_days: Duration,
    /// Keep the graph in so many bytes; the oldest minutes go first, then hours, then days [default:
    /// 2GiB in a folder, 128MiB in memory].
    #[arg(long, env = "PORTOLAN_KEEP_GRAPH_BYTES", value_name = "SIZE", value_parser = size)]
    keep_graph_bytes: Option<u64>,
    /// Tell so many external addresses apart in a day of the graph; the others are one.
    #[arg(long, env = "PORTOLAN_MAX_GRAPH_ADDRESSES", default_value_t = Config::default().max_graph_addresses)]
    #[arg(value_name = "NUMBER")]
    max_graph_addresses: usize,
    /// Tell so many edges (by outcome, verdict and decision) apart in a day of the graph; the others
    /// are one.
    #[arg(long, env = "PORTOLAN_MAX_GRAPH_EDGES", default_value_t = Config::default().max_graph_cells)]
    #[arg(value_name = "NUMBER")]
    max_graph_edges: usize,
    /// Take no batch twice that an agent sends again within so long.
    #[arg(long, env = "PORTOLAN_RESEND", default_value = "7d", value_name = "DURATION", value_parser = long)]
    resend: Duration,
    /// One node's view of a connection waits this long for the other node's.
    #[arg(long, env = "PORTOLAN_JOIN_WINDOW", default_value = "7s", value_name = "DURATION")]
    #[arg(value_parser = duration)]
    join_window: Duration,
    #[command(flatten)]
    export: ExportFlags,
}

/// Flows as Parquet files.
#[derive(Debug, Args)]
struct ExportFlags {
    /// Write all flows into Parquet files in this folder, which must be there: date=…/flows-….parquet.
    #[arg(long, env = "PORTOLAN_EXPORT", value_name = "FOLDER")]
    export: Option<PathBuf>,
    /// End a file when it is so old.
    #[arg(long, env = "PORTOLAN_EXPORT_EVERY", default_value = "10m", value_name = "DURATION")]
    #[arg(value_parser = period)]
    export_every: Duration,
    /// End a file when it is so large.
    #[arg(long, env = "PORTOLAN_EXPORT_BYTES", default_value = "128MiB", value_name = "SIZE")]
    #[arg(value_parser = size)]
    export_bytes: u64,
    /// Remove files when they are so old [default: never].
    #[arg(long, env = "PORTOLAN_EXPORT_KEEP", value_name = "DURATION", value_parser = long)]
    export_keep: Option<Duration>,
}

impl ExportFlags {
    fn config(self) -> Option<ExportConfig> {
        let Self { export, export_every, export_bytes, export_keep } = self;
        let (every, bytes, keep) = (export_every, export_bytes, export_keep);
        export.map(|folder| ExportConfig { folder, every, bytes, keep })
    }
}

/// Runs the collector until SIGINT or SIGTERM.
pub(crate) async fn run(args: CollectorArgs, stop: CancellationToken) -> Result<ExitCode, Failure> {
    let listeners = Listeners::bind(args.listen, args.metrics_listen).await.map_err(failed)?;
    portolan_collector::run(config(args), listeners, stop.cancelled()).await.map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}

fn config(args: CollectorArgs) -> Config {
    let defaults = Config::default();
    let [flows, graph] = match args.data {
        Some(_) => [KEEP_IN_FOLDER, KEEP_GRAPH_IN_FOLDER],
        None => [defaults.keep_bytes, defaults.keep_graph_bytes],
    };
    Config {
        data: args.data,
        opener: std::env::current_exe().ok(),
        export: args.export.config(),
        keep_flows: args.keep_flows,
        keep_bytes: args.keep_bytes.unwrap_or(flows),
        keep_minutes: args.keep_minutes,
        keep_hours: args.keep_hours,
        keep_days: args.keep_days,
        keep_graph_bytes: args.keep_graph_bytes.unwrap_or(graph),
        max_graph_addresses: args.max_graph_addresses,
        max_graph_cells: args.max_graph_edges,
        resend: args.resend,
        ..waiting(args.join_window)
    }
}

/// Whoever sets the window sets all waiting with it.
fn waiting(join_window: Duration) -> Config {
    let defaults = Config::default();
    let patience = join_window * (defaults.patience.as_secs() / defaults.join_window.as_secs()) as u32;
    Config { join_window, patience, ..defaults }
}

fn failed(error: Error) -> Failure {
    match error {
        Error::Bind { .. } => Failure::unavailable(error),
        _ => Failure::from(anyhow::Error::new(error)),
    }
}

/// Reads how long to keep something.
fn long(text: &str) -> anyhow::Result<Duration> {
    let duration = span(text)?;
    anyhow::ensure!(duration >= Duration::from_mins(1), "1m is the least");
    Ok(duration)
}

/// Reads how often to do something.
fn period(text: &str) -> anyhow::Result<Duration> {
    let duration = span(text)?;
    anyhow::ensure!(duration >= Duration::from_secs(1), "1s is the least");
    Ok(duration)
}

fn span(text: &str) -> anyhow::Result<Duration> {
    let span: Span = text.parse().context("write a duration like 7d or 12h")?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours())?;
    Duration::try_from(duration).context("a duration cannot be negative")
}

/// Reads a number of bytes.
pub(crate) fn size(text: &str) -> anyhow::Result<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => anyhow::bail!("write a size like 10GiB or 500MiB"),
    };
    let number: u64 = number.parse().context("write a size like 10GiB or 500MiB")?;
    let bytes = number.checked_mul(factor).context("no disk is so large")?;
    anyhow::ensure!(bytes >= 1 << 20, "1MiB is the least");
    Ok(bytes)
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
        assert_eq!(waiting(defaults.join_window), defaults);
        assert_eq!(duration("7s").unwrap(), defaults.join_window);
    }

    #[test]
    fn durations_are_read_or_refused() {
        assert_eq!(duration("1m30s").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(long("7d").unwrap(), Config::default().keep_flows);
        for wrong in ["", "5", "-7d", "10s", "soon"] {
            assert!(long(wrong).is_err(), "`{wrong}`");
        }
        assert_eq!(period("10s").unwrap(), Duration::from_secs(10));
        assert!(period("500ms").is_err());
        for wrong in ["", "5", "-5s", "soon"] {
            assert!(duration(wrong).is_err(), "`{wrong}`");
        }
    }

    #[test]
    fn sizes_are_read_or_refused() {
        let cases = [("10GiB", 10 << 30), ("500 MiB", 500 << 20), ("1048576", 1 << 20), ("1024KiB", 1 << 20)];
        for (text, bytes) in cases {
            assert_eq!(size(text).unwrap(), bytes, "{text}");
        }
        for wrong in ["", "GiB", "10GB", "-1GiB", "1KiB", "99999999999TiB", "1.5GiB"] {
            assert!(size(wrong).is_err(), "`{wrong}`");
        }
    }
}
