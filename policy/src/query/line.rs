//! A question as a line of JSON.

use super::{Family, Place, Query, QueryError};
use crate::{Protocol, shown::short};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What a line holds: its id, as far as it can be read, and the question.
pub(super) struct Line<'a> {
    pub(super) id: Option<&'a RawValue>,
    pub(super) query: Result<Query, QueryError>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawQuery<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    from: Option<&'a RawValue>,
    #[serde(borrow, default)]
    to: Option<&'a RawValue>,
    #[serde(borrow, default)]
    port: Option<&'a RawValue>,
    #[serde(borrow, default)]
    protocol: Option<&'a RawValue>,
    #[serde(borrow, default)]
    family: Option<&'a RawValue>,
}

/// The id of a line that is no question.
#[derive(Deserialize)]
struct IdOnly<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPlace<'a> {
    #[serde(borrow, default)]
    pod: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service: Option<&'a RawValue>,
    #[serde(borrow, default)]
    ip: Option<&'a RawValue>,
}

/// Reads a line, with or without its end.
pub(super) fn read(line: &[u8]) -> Line<'_> {
    if line.len() > Query::LONGEST_LINE {
        return unreadable("this line is longer than a mebibyte");
    }
    let Ok(text) = std::str::from_utf8(line) else {
        return unreadable("this is no UTF-8");
    };
    let text = text.trim_start_matches('\u{feff}');
    // A list would be read as the fields in their order.
    if !text.trim_start().starts_with('{') {
        return unreadable("this is no JSON object");
    }
    match serde_json::from_str::<RawQuery<'_>>(text) {
        Ok(raw) => raw.line(),
        Err(error) => {
            let id = serde_json::from_str::<IdOnly<'_>>(text).ok().and_then(|line| line.id);
            Line { id: id.filter(|id| is_scalar(id)), query: Err(no_query(&error)) }
        }
    }
}

fn unreadable(problem: &str) -> Line<'static> {
    Line { id: None, query: Err(QueryError::Line { problem: problem.to_owned() }) }
}

fn no_query(error: &serde_json::Error) -> QueryError {
    let what = if error.is_data() { "" } else { "this is no JSON: " };
    QueryError::Line { problem: format!("{what}{}", bare(error)) }
}

impl<'a> RawQuery<'a> {
    fn line(self) -> Line<'a> {
        match self.id {
            Some(id) if !is_scalar(id) => Line { id: None, query: Err(QueryError::Id) },
            id => Line { id, query: self.query() },
        }
    }

    fn query(&self) -> Result<Query, QueryError> {
        Ok(Query {
            from: place("from", self.from)?,
            to: place("to", self.to)?,
            port: self.port.map(port).transpose()?,
            protocol: self.protocol.map_or(Ok(Protocol::Tcp), protocol)?,
            family: self.family.map(|raw| text("family", raw)?.parse::<Family>()).transpose()?,
        })
    }
}

fn place(end: &'static str, raw: Option<&RawValue>) -> Result<Place, QueryError> {
    let raw = raw.ok_or(QueryError::Missing(end))?;
    read_place(raw.get()).map_err(|error| error.at(end))
}

fn read_place(json: &str) -> Result<Place, QueryError> {
    let wrong = |problem: String| QueryError::End { problem };
    if !json.starts_with('{') {
        return Err(wrong(format!("{} is no object", short(json))));
    }
    let raw: RawPlace<'_> = serde_json::from_str(json).map_err(|error| wrong(bare(&error)))?;
    match (raw.pod, raw.service, raw.ip) {
        (Some(pod), None, None) => Place::pod(&text("pod", pod)?),
        (None, Some(service), None) => Place::service(&text("service", service)?),
        (None, None, Some(ip)) => Place::ip(&text("ip", ip)?),
        (None, None, None) => Err(wrong("no pod, service or ip is given".to_owned())),
        _ => Err(wrong("more than one of pod, service and ip is given".to_owned())),
    }
}

fn port(raw: &RawValue) -> Result<u16, QueryError> {
    let port = serde_json::from_str::<u16>(raw.get()).ok().filter(|port| *port != 0);
    port.ok_or_else(|| QueryError::Port(short(raw.get())))
}

fn protocol(raw: &RawValue) -> Result<Protocol, QueryError> {
    let text = text("protocol", raw)?;
    text.parse().map_err(|_unknown| QueryError::Protocol(short(&text)))
}

fn text<'a>(what: &'static str, raw: &'a RawValue) -> Result<Cow<'a, str>, QueryError> {
    let borrowed = serde_json::from_str::<&str>(raw.get()).map(Cow::Borrowed);
    borrowed
        .or_else(|_escaped| serde_json::from_str(raw.get()).map(Cow::Owned))
        .map_err(|_other| QueryError::NoText { what, value: short(raw.get()) })
}

fn is_scalar(raw: &RawValue) -> bool {
    !raw.get().starts_with(['{', '['])
}

/// The message without the place in the line, and not longer than anybody reads.
fn bare(error: &serde_json::Error) -> String {
    let text = error.to_string();
    short(text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message))
}
