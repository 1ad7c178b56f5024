//! HTTP requests to calls of the store, and back.
//!
//! ```text
//! path -> discovery | OpenAPI | resource -> faults -> {read, write} -> response
//! ```

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::error::ApiError;
use super::faults::Verb;
use super::handle::Store;
use super::request::{Params, Resource, segments};
use super::{discovery, openapi, read, write};

/// What every request needs.
#[derive(Debug, Clone)]
pub(super) struct App {
    pub(super) store: Store,
    /// Becomes true when the server goes.
    pub(super) stop: watch::Receiver<bool>,
}

/// A request whose path and parameters are understood.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) resource: Resource,
    pub(super) params: Params,
    pub(super) headers: HeaderMap,
}

impl Call {
    /// A header as text.
    pub(super) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The largest body that is read, as on a real server.
const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// Answers every request.
pub(super) async fn handle(State(app): State<App>, request: Request) -> Response {
    answer(app, request).await.unwrap_or_else(|error| refusal(&error))
}

async fn answer(app: App, request: Request) -> Result<Response, ApiError> {
    let segments = segments(request.uri().path());
    let first = segments.first().map(String::as_str);
    if matches!(first, Some("healthz" | "livez" | "readyz")) {
        return Ok("ok".into_response());
    }
    if request.method() == Method::GET {
        if segments.is_empty() {
            return Ok(json_response(
                200,
                &json!({"paths": ["/api", "/apis", "/healthz", "/openapi/v3", "/version"]}),
            ));
        }
        if first == Some("openapi") {
            return open_api(&request, &segments);
        }
        if let Some(document) = discovery::document(&segments) {
            return Ok(json_response(200, &document));
        }
    }
    let resource = Resource::parse(&segments).ok_or_else(ApiError::no_such_path)?;
    let known = match resource.subresource.as_deref() {
        None => true,
        Some("status") => resource.kind.status,
        Some(_) => false,
    };
    if !known {
        return Err(ApiError::no_such_path());
    }
    let params = Params::parse(request.uri())?;
    let (parts, body) = request.into_parts();
    let call = Call { resource, params, headers: parts.headers };
    let body = to_bytes(body, BODY_LIMIT).await.map_err(|_err| ApiError::too_large())?;
    dispatch(app, &parts.method, &call, &body).await
}

async fn dispatch(app: App, method: &Method, call: &Call, body: &Bytes) -> Result<Response, ApiError> {
    let named = call.resource.name.is_some();
    let verb = match (method.as_str(), named) {
        ("GET", true) => Verb::Get,
        ("GET", false) if call.params.flag("watch") => Verb::Watch,
        ("GET", false) => Verb::List,
        ("POST", false) | ("PUT" | "PATCH", true) => Verb::Write,
        ("DELETE", _) if call.resource.subresource.is_none() => Verb::Write,
        _ => return Err(ApiError::method_not_allowed()),
    };
    suffer_faults(&app.store, call, verb).await?;
    match verb {
        Verb::Get => read::get(&app.store, call),
        Verb::List => read::list(&app.store, call),
        Verb::Watch => read::watch(app, call),
        Verb::Write => write::write(&app.store, method, call, body),
    }
}

async fn suffer_faults(store: &Store, call: &Call, verb: Verb) -> Result<(), ApiError> {
    let kind = call.resource.kind;
    let delay = store.with_pending(|pending| pending.delay(kind, verb));
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let revision = store.revision();
    match store.with_pending(|pending| pending.take_failure(kind, verb, revision)) {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

/// kubectl asks for OpenAPI v2 in protobuf alone; there is none, and it goes on without.
fn open_api(request: &Request, segments: &[String]) -> Result<Response, ApiError> {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    if !accept.contains("json") && !accept.contains('*') {
        return Err(ApiError::not_acceptable());
    }
    let document = openapi::document(segments).ok_or_else(ApiError::no_such_path)?;
    Ok(json_response(200, &document))
}

/// A JSON answer.
pub(super) fn json_response(code: u16, value: &Value) -> Response {
    let body = serde_json::to_vec(value).expect("a JSON value has only string keys");
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], Body::from(body)).into_response()
}

fn refusal(error: &ApiError) -> Response {
    let mut response = json_response(error.code, &error.to_status());
    if let Some(seconds) = error.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
