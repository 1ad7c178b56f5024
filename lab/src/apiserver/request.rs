//! What a request asks for: its path, its parameters and the forms it accepts. Parsing only.

use std::collections::BTreeMap;

use axum::extract::Query;
use axum::http::Uri;

use super::admission::Strictness;
use super::error::ApiError;
use super::kinds::KindRef;
use super::store::{AtRevision, Key};
use super::view::{RowObject, View};

/// A resource path, such as `/apis/apps/v1/namespaces/shop/deployments/web/status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) kind: KindRef,
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) subresource: Option<String>,
}

impl Resource {
    /// Reads the segments of a path; `None` when they name no resource.
    pub(super) fn parse(segments: &[String]) -> Option<Self> {
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["api", "v1", rest @ ..] => Self::inside("", "v1", rest),
            ["apis", group, version, rest @ ..] if !group.is_empty() => Self::inside(group, version, rest),
            _ => None,
        }
    }

    fn inside(group: &str, version: &str, rest: &[&str]) -> Option<Self> {
        match rest {
            ["namespaces", namespace, rest @ ..] if !matches!(rest, [] | ["status" | "finalize"]) => {
                Self::named(group, version, Some(namespace), rest).filter(|resource| resource.kind.namespaced)
            }
            rest => Self::named(group, version, None, rest)
                .filter(|resource| !resource.kind.namespaced || resource.name.is_none()),
        }
    }

    fn named(group: &str, version: &str, namespace: Option<&str>, rest: &[&str]) -> Option<Self> {
        let (plural, rest) = rest.split_first()?;
        let (name, subresource) = match rest {
            [] => (None, None),
            [name] => (Some(*name), None),
            [name, subresource] => (Some(*name), Some(*subresource)),
            _ => return None,
        };
        Some(Self {
            kind: KindRef::by_path(group, version, plural)?,
            namespace: namespace.map(str::to_owned),
            name: name.map(str::to_owned),
            subresource: subresource.map(str::to_owned),
        })
    }

    /// Where a named object is filed.
    pub(super) fn key(&self, name: &str) -> Key {
        Key::new(self.namespace.as_deref().unwrap_or_default(), name)
    }
}

/// Splits a path into decoded segments.
pub(super) fn segments(path: &str) -> Vec<String> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned())
        .collect()
}

/// The parameters of a request.
#[derive(Debug, Clone, Default)]
pub(super) struct Params(BTreeMap<String, String>);

impl Params {
    pub(super) fn parse(uri: &Uri) -> Result<Self, ApiError> {
        let Query(params) = Query::try_from_uri(uri)
            .map_err(|err| ApiError::bad_request(format!("the query string cannot be read: {err}")))?;
        Ok(Self(params))
    }

    /// A parameter that is there and not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !matches!(value.as_str(), "false" | "0"))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let parse = |text: &str| {
            text.parse().map_err(|_err| ApiError::bad_request(format!("{name}: {text:?} is no number")))
        };
        self.text(name).map(parse).transpose()
    }

    pub(super) fn dry_run(&self) -> bool {
        self.text("dryRun").is_some()
    }

    pub(super) fn strictness(&self) -> Result<Strictness, ApiError> {
        match self.text("fieldValidation") {
            Some("Strict") => Ok(Strictness::Strict),
            Some("Ignore") => Ok(Strictness::Ignore),
            Some("Warn") | None => Ok(Strictness::Warn),
            Some(other) => Err(ApiError::bad_request(format!(
                "fieldValidation: {other:?} is none of \"Ignore\", \"Warn\", \"Strict\""
            ))),
        }
    }

    /// Which version a list without `continue` shows.
    pub(super) fn at_revision(&self, limited: bool) -> Result<AtRevision, ApiError> {
        let revision = self.number("resourceVersion")?;
        match (self.text("resourceVersionMatch"), revision) {
            (Some("Exact"), Some(revision)) if revision > 0 => Ok(AtRevision::Exact(revision)),
            (Some("Exact"), _) => {
                let why = "resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\" or unset";
                Err(ApiError::invalid_options("resourceVersionMatch", why))
            }
            (Some("NotOlderThan") | None, Some(0)) | (None, None) => Ok(AtRevision::Latest),
            // Without a match rule, a limited list of a version is exactly that version.
            (None, Some(revision)) if limited => Ok(AtRevision::Exact(revision)),
            (Some("NotOlderThan") | None, Some(revision)) => Ok(AtRevision::NotOlderThan(revision)),
            (Some("NotOlderThan"), None) => {
                let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
                Err(ApiError::invalid_options("resourceVersionMatch", why))
            }
            (Some(_), _) => {
                let why = "must be one of \"Exact\", \"NotOlderThan\"";
                Err(ApiError::invalid_options("resourceVersionMatch", why))
            }
        }
    }
}

/// Where a page of a list ends, as the client hands it back: `VERSION/NAMESPACE/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Continue {
    pub(super) revision: u64,
    pub(super) after: Key,
}

impl Continue {
    pub(super) fn parse(token: &str) -> Result<Self, ApiError> {
        let bad =
            || ApiError::bad_request("continue key is not valid: it must be a token of an earlier list");
        let mut parts = token.splitn(3, '/');
        let (Some(revision), Some(namespace), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad());
        };
        Ok(Self { revision: revision.parse().map_err(|_err| bad())?, after: Key::new(namespace, name) })
    }

    pub(super) fn token(&self) -> String {
        format!("{}/{}/{}", self.revision, self.after.namespace, self.after.name)
    }
}

/// Picks the first form that this server knows from an `Accept` header.
pub(super) fn view(accept: Option<&str>, params: &Params) -> Result<View, ApiError> {
    let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else { return Ok(View::Object) };
    accept.split(',').find_map(|entry| accepted(entry, params)).ok_or_else(ApiError::not_acceptable)
}

fn accepted(entry: &str, params: &Params) -> Option<View> {
    let mut parts = entry.split(';').map(str::trim);
    let media = parts.next()?;
    let mut form = None;
    let mut version = None;
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        match name {
            "as" => form = Some(value),
            "v" => version = Some(value),
            _ => {}
        }
    }
    if !matches!(media, "application/json" | "application/*" | "*/*") {
        return None;
    }
    match (form, version) {
        (None, _) => Some(View::Object),
        (Some("Table"), Some("v1")) => Some(View::Table(match params.text("includeObject") {
            Some("None") => RowObject::Nothing,
            Some("Object") => RowObject::Object,
            _ => RowObject::Metadata,
        })),
        (Some("PartialObjectMetadata" | "PartialObjectMetadataList"), Some("v1")) => Some(View::Metadata),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(path: &str) -> Option<String> {
        let resource = Resource::parse(&segments(path))?;
        let part = |part: Option<String>| part.unwrap_or_else(|| "-".to_owned());
        Some(format!(
            "{} {} {} {}",
            resource.kind.plural,
            part(resource.namespace),
            part(resource.name),
            part(resource.subresource)
        ))
    }

    #[test]
    fn paths_name_resources() {
        let cases = [
            ("/api/v1/pods", Some("pods - - -")),
            ("/api/v1/namespaces/shop/pods/web", Some("pods shop web -")),
            ("/api/v1/namespaces/shop/pods/web/status", Some("pods shop web status")),
            ("/api/v1/namespaces", Some("namespaces - - -")),
            ("/api/v1/namespaces/shop", Some("namespaces - shop -")),
            ("/api/v1/namespaces/shop/status", Some("namespaces - shop status")),
            ("/apis/apps/v1/namespaces/shop/deployments", Some("deployments shop - -")),
            (
                "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode",
                Some("clusterroles - system:node -"),
            ),
            ("/api/v1/pods/web", None),
            ("/api/v1/namespaces/shop/nodes/n1", None),
            ("/apis/apps/v1beta1/deployments", None),
            ("/api/v1/gateways", None),
        ];
        for (path, expected) in cases {
            assert_eq!(parsed(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn the_first_known_form_wins() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        let cases = [
            (None, Some(View::Object)),
            (Some("application/json"), Some(View::Object)),
            (Some("*/*"), Some(View::Object)),
            (Some(table), Some(View::Table(RowObject::Metadata))),
            (Some("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"), Some(View::Metadata)),
            (Some("application/vnd.kubernetes.protobuf,application/json"), Some(View::Object)),
            (Some("application/vnd.kubernetes.protobuf"), None),
        ];
        for (accept, expected) in cases {
            assert_eq!(view(accept, &Params::default()).ok(), expected, "{accept:?}");
        }
    }

    #[test]
    fn list_versions_follow_the_kubernetes_table() {
        let at = |query: &str, limited| {
            let uri = format!("/x?{query}").parse().unwrap();
            Params::parse(&uri).unwrap().at_revision(limited).map_err(|err| err.code)
        };
        assert_eq!(at("", true), Ok(AtRevision::Latest));
        assert_eq!(at("resourceVersion=0", true), Ok(AtRevision::Latest));
        assert_eq!(at("resourceVersion=5", false), Ok(AtRevision::NotOlderThan(5)));
        assert_eq!(at("resourceVersion=5", true), Ok(AtRevision::Exact(5)));
        assert_eq!(at("resourceVersion=5&resourceVersionMatch=Exact", false), Ok(AtRevision::Exact(5)));
        assert_eq!(at("resourceVersion=0&resourceVersionMatch=Exact", false), Err(422));
        assert_eq!(at("resourceVersion=x", false), Err(400));
    }

    #[test]
    fn a_continue_token_comes_back() {
        let token = Continue { revision: 7, after: Key::new("shop", "web") };
        assert_eq!(Continue::parse(&token.token()), Ok(token));
        assert_eq!(Continue::parse("garbage").unwrap_err().code, 400);
    }
}
