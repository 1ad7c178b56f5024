//! What the agent serves: metrics over HTTP and health over gRPC.

use crate::metrics::Metrics;
use axum::{Router, http::header, routing::get};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic_health::server::HealthReporter;

/// The service name that probes ask for readiness.
pub(crate) const READINESS: &str = "readiness";

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves `/metrics` until told to stop.
pub(crate) async fn metrics(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let page = move || async move { ([(header::CONTENT_TYPE, OPENMETRICS)], metrics.render()) };
    let router = Router::new().route("/metrics", get(page));
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

/// Serves gRPC health until told to stop. Alive from the start; ready once it was said so.
pub(crate) async fn health(
    listener: TcpListener,
    reporter: HealthReporter,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let service = tonic_health::pb::health_server::HealthServer::new(
        tonic_health::server::HealthService::from_health_reporter(reporter),
    );
    tonic::transport::Server::builder()
        .add_service(service)
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop.cancelled_owned())
        .await
}
