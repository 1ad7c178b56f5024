//! GET: one object, a page of objects, a watch.

use std::time::Duration;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::error::ApiError;
use super::handle::Store;
use super::request::{Continue, view};
use super::routes::{App, Call, json_response};
use super::selectors::Filter;
use super::store::{AtRevision, Listed};
use super::watch::{self, Start, Wanted};

/// How long a watch lasts that does not say.
const WATCH_TIMEOUT: u64 = 30 * 60;

pub(super) fn get(store: &Store, call: &Call) -> Result<Response, ApiError> {
    let kind = call.resource.kind;
    let view = view(call.header(header::ACCEPT), &call.params)?;
    let key = call.resource.key(call.resource.name.as_deref().unwrap_or_default());
    let object = store.with_core(|core| core.get(kind, &key))?;
    Ok(match view.object(kind, &object) {
        Some(shown) => json_response(200, &shown),
        None => json_response(200, &object),
    })
}

fn filter(call: &Call) -> Result<Filter, ApiError> {
    let (resource, params) = (&call.resource, &call.params);
    Filter::parse(
        resource.kind,
        resource.namespace.as_deref(),
        params.text("labelSelector"),
        params.text("fieldSelector"),
    )
}

/// The objects that a request selects, for lists and for deletes of many.
pub(super) fn select(store: &Store, call: &Call) -> Result<Listed, ApiError> {
    let kind = call.resource.kind;
    let filter = filter(call)?;
    let limit = call.params.number("limit")?.unwrap_or(0) as usize;
    let from = call.params.text("continue").map(Continue::parse).transpose()?;
    let at = match &from {
        Some(from) => AtRevision::Exact(from.revision),
        None => call.params.at_revision(limit > 0)?,
    };
    let after = from.as_ref().map(|from| &from.after);
    store.with_core(|core| core.list(kind, &filter, at, after, limit))
}

pub(super) fn list(store: &Store, call: &Call) -> Result<Response, ApiError> {
    let kind = call.resource.kind;
    let view = view(call.header(header::ACCEPT), &call.params)?;
    let listed = select(store, call)?;
    let metadata = list_metadata(&listed, filter(call)?.selects());
    let extras = store.with_pending(|pending| pending.take_list_extras(kind));
    let mut items: Vec<&Value> = listed.items.iter().map(|(_, object)| object.as_ref()).collect();
    items.extend(&extras);
    Ok(json_response(200, &view.list(kind, &items, &metadata)))
}

fn list_metadata(listed: &Listed, selective: bool) -> Value {
    let mut metadata = json!({"resourceVersion": listed.revision.to_string()});
    if let Some(after) = &listed.next {
        let token = Continue { revision: listed.revision, after: after.clone() }.token();
        metadata["continue"] = json!(token);
        if !selective {
            metadata["remainingItemCount"] = json!(listed.remaining);
        }
    }
    metadata
}

pub(super) fn watch(app: App, call: &Call) -> Result<Response, ApiError> {
    let params = &call.params;
    let seconds = params.number("timeoutSeconds")?.filter(|seconds| *seconds > 0).unwrap_or(WATCH_TIMEOUT);
    let (start, initial) = start(&app.store, call)?;
    let bookmarks = params.flag("allowWatchBookmarks");
    let wanted = Wanted {
        kind: call.resource.kind,
        filter: filter(call)?,
        start,
        bookmarks,
        mark_initial_end: initial,
        timeout: Duration::from_secs(seconds),
        view: view(call.header(header::ACCEPT), params)?,
    };
    let lines = watch::open(app.store, wanted, app.stop)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], Body::from_stream(lines)).into_response())
}

/// Where the watch begins, and whether the end of its initial events is marked.
fn start(store: &Store, call: &Call) -> Result<(Start, bool), ApiError> {
    let params = &call.params;
    let revision = params.number("resourceVersion")?.unwrap_or(0);
    let rule = params.text("resourceVersionMatch");
    match params.text("sendInitialEvents") {
        None if rule.is_some() => {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            Err(ApiError::invalid_options("resourceVersionMatch", why))
        }
        None if revision == 0 => Ok((Start::State(0), false)),
        Some(_) if store.with_pending(|pending| pending.refuse_streaming_lists) => {
            let why = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
            Err(ApiError::invalid_options("sendInitialEvents", why))
        }
        Some(_) if rule != Some("NotOlderThan") => {
            let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            Err(ApiError::invalid_options("resourceVersionMatch", why))
        }
        Some("true" | "1") => Ok((Start::State(revision), true)),
        Some(_) if revision == 0 => Ok((Start::Now, false)),
        None | Some(_) => Ok((Start::After(revision), false)),
    }
}
