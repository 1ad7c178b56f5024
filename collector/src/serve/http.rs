//! `/metrics` and `/healthz`.

use super::Error;
use crate::{hub::Hub, metrics};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Serves both until the collector stops.
pub(super) async fn serve(
    hub: Arc<Hub>,
    listener: TcpListener,
    stopping: CancellationToken,
) -> Result<(), Error> {
    let router = Router::new()
        .route("/metrics", get(encode))
        .route("/healthz", get(|| async { "ok\n" }))
        .with_state(hub);
    axum::serve(listener, router)
        .with_graceful_shutdown(stopping.cancelled_owned())
        .await
        .map_err(Error::Http)
}

async fn encode(State(hub): State<Arc<Hub>>) -> Response {
    match hub.metrics().encode() {
        Ok(body) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], body).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
