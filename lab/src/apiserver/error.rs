//! What the server answers when it refuses: errors that become real `Status` objects.

use serde_json::{Value, json};

use super::kinds::{Kind, KindRef};

/// A refusal with its HTTP code, machine-readable reason and details.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// HTTP status code.
    pub code: u16,
    /// Reason as clients compare it, such as `NotFound`.
    pub reason: &'static str,
    /// Sentence for people.
    pub message: String,
    /// `details` of the `Status`; null when there are none.
    pub details: Value,
}

/// Why a field was refused; the names are those of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Path such as `spec.ingress[0].ports[0].port`.
    pub field: String,
    /// Kubernetes' cause, such as `FieldValueInvalid`.
    pub reason: &'static str,
    /// The sentence after the path.
    pub detail: String,
}

impl FieldError {
    /// The value is of the right type but not allowed.
    pub(super) fn invalid(field: impl Into<String>, value: &Value, why: &str) -> Self {
        Self {
            field: field.into(),
            reason: "FieldValueInvalid",
            detail: format!("Invalid value: {}: {why}", printed(value)),
        }
    }

    /// The value is missing.
    pub(super) fn required(field: impl Into<String>, why: &str) -> Self {
        let detail =
            if why.is_empty() { "Required value".to_owned() } else { format!("Required value: {why}") };
        Self { field: field.into(), reason: "FieldValueRequired", detail }
    }

    /// The value is none of a closed list.
    pub(super) fn unsupported(field: impl Into<String>, value: &Value, supported: &[&str]) -> Self {
        let quoted: Vec<String> = supported.iter().map(|name| format!("\"{name}\"")).collect();
        Self {
            field: field.into(),
            reason: "FieldValueNotSupported",
            detail: format!("Unsupported value: {}: supported values: {}", printed(value), quoted.join(", ")),
        }
    }

    /// The field may not be set here.
    pub(super) fn forbidden(field: impl Into<String>, why: &str) -> Self {
        Self { field: field.into(), reason: "FieldValueForbidden", detail: format!("Forbidden: {why}") }
    }
}

fn printed(value: &Value) -> String {
    match value {
        Value::Null => "\"\"".to_owned(),
        other => other.to_string(),
    }
}

impl ApiError {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null }
    }

    fn about(mut self, kind: &Kind, name: &str) -> Self {
        self.details = json!({"name": name, "group": kind.group, "kind": kind.plural});
        self
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, "Forbidden", message)
    }

    pub(super) fn not_found(kind: KindRef, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", kind.qualified_plural());
        Self::new(404, "NotFound", message).about(&kind, name)
    }

    /// Nothing lives at the path.
    pub(super) fn no_such_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    }

    pub(super) fn not_acceptable() -> Self {
        let message = "only the following media types are accepted: application/json";
        Self::new(406, "NotAcceptable", message)
    }

    pub(super) fn already_exists(kind: KindRef, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", kind.qualified_plural());
        Self::new(409, "AlreadyExists", message).about(&kind, name)
    }

    pub(super) fn conflict(kind: KindRef, name: &str, why: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.qualified_plural());
        Self::new(409, "Conflict", message).about(&kind, name)
    }

    /// The object was written since the caller read it.
    pub(super) fn stale(kind: KindRef, name: &str) -> Self {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(kind, name, why)
    }

    /// Other managers own fields that an apply wants to change: (field, message) each.
    pub(super) fn apply_conflict(causes: &[(String, String)]) -> Self {
        let count = causes.len();
        let plural = if count == 1 { "" } else { "s" };
        let lines: Vec<String> =
            causes.iter().map(|(field, message)| format!("{message}: {field}")).collect();
        let mut error = Self::new(
            409,
            "Conflict",
            format!("Apply failed with {count} conflict{plural}: {}", lines.join("\n")),
        );
        let causes: Vec<Value> = causes
            .iter()
            .map(|(field, message)| json!({"reason": "FieldManagerConflict", "message": message, "field": field}))
            .collect();
        error.details = json!({"causes": causes});
        error
    }

    /// A version that the server no longer remembers.
    pub(super) fn expired(requested: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {requested} ({oldest})"))
    }

    pub(super) fn too_large() -> Self {
        Self::new(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728")
    }

    pub(super) fn unsupported_media(content_type: &str, supported: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {supported} (got {content_type})"
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    pub(super) fn invalid(kind: &Kind, name: &str, errors: &[FieldError]) -> Self {
        let lines: Vec<String> =
            errors.iter().map(|error| format!("{}: {}", error.field, error.detail)).collect();
        let list = if lines.len() == 1 { lines.concat() } else { format!("[{}]", lines.join(", ")) };
        let causes: Vec<Value> = errors
            .iter()
            .map(|error| json!({"reason": error.reason, "message": error.detail, "field": error.field}))
            .collect();
        let mut status =
            Self::new(422, "Invalid", format!("{} \"{name}\" is invalid: {list}", kind.qualified_kind()));
        status.details = json!({"name": name, "group": kind.group, "kind": kind.kind, "causes": causes});
        status
    }

    /// Options of a request that contradict each other.
    pub(super) fn invalid_options(field: &str, why: &str) -> Self {
        let message = format!("ListOptions.meta.k8s.io \"\" is invalid: {field}: Forbidden: {why}");
        let mut status = Self::new(422, "Invalid", message);
        let detail = format!("Forbidden: {why}");
        status.details = json!({"group": "meta.k8s.io", "kind": "ListOptions", "causes": [
            {"reason": "FieldValueForbidden", "message": detail, "field": field}]});
        status
    }

    pub(super) fn too_many_requests(retry_after: u32) -> Self {
        let mut error = Self::new(
            429,
            "TooManyRequests",
            "the server has received too many requests, please try again later",
        );
        error.details = json!({"retryAfterSeconds": retry_after});
        error
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", message)
    }

    /// A version from the future.
    pub(super) fn too_large_version(requested: u64, current: u64) -> Self {
        let mut error = Self::new(
            504,
            "Timeout",
            format!("Timeout: Too large resource version: {requested}, current: {current}"),
        );
        error.details = json!({"retryAfterSeconds": 1, "causes": [
            {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]});
        error
    }

    /// Seconds after which the caller should try again.
    pub(super) fn retry_after(&self) -> Option<u64> {
        self.details.get("retryAfterSeconds").and_then(Value::as_u64)
    }

    /// The `Status` object that goes over the wire.
    pub fn to_status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        });
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}
