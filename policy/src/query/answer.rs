//! The answer to a question, and the line that it is written as.

use super::{Query, QueryError, line};
use crate::{Cluster, Decision, Explanation, SideDecision};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use std::sync::Arc;

/// What the policies say to a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Whether the connection is allowed; `None` when that cannot be said.
    pub allowed: Option<bool>,
    /// What the policies say at the source.
    pub egress: Arc<SideDecision>,
    /// What the policies say at the destination.
    pub ingress: Arc<SideDecision>,
}

impl From<Decision> for Answer {
    fn from(decision: Decision) -> Self {
        let allowed = decision.admits();
        let Decision { egress, ingress } = decision;
        Self { allowed, egress, ingress }
    }
}

impl Query {
    /// Answers the question.
    pub fn answer(&self, cluster: &Cluster) -> Result<Answer, QueryError> {
        Ok(self.resolve(cluster)?.decide(cluster).into())
    }

    /// Answers the question and explains the answer.
    pub fn explain(&self, cluster: &Cluster) -> Result<Explanation, QueryError> {
        Ok(self.resolve(cluster)?.explain(cluster))
    }
}

/// What is replied to one line: an answer, or what is wrong with the line.
#[derive(Clone, Debug)]
pub struct Reply<'a> {
    /// The id of the line as it came.
    id: Option<&'a RawValue>,
    /// The answer.
    pub answer: Result<Answer, QueryError>,
}

/// Answers one line of JSON; any bytes get exactly one reply.
pub fn answer_line<'a>(cluster: &Cluster, line: &'a [u8]) -> Reply<'a> {
    let line = line::read(line);
    Reply { id: line.id, answer: line.query.and_then(|query| query.answer(cluster)) }
}

impl Reply<'_> {
    /// The same, where a bad line has no id to be known by with its number, from 1.
    #[must_use]
    pub fn at_line(self, line: u64) -> Self {
        let Self { id, answer } = self;
        match answer {
            Err(error) if id.is_none() => {
                Self { id, answer: Err(QueryError::AtLine { line, error: Box::new(error) }) }
            }
            answer => Self { id, answer },
        }
    }

    /// The id as it came, in JSON.
    pub fn id(&self) -> &str {
        self.id.map_or("null", RawValue::get)
    }
}

impl Serialize for Reply<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let id = self.id;
        match &self.answer {
            Ok(Answer { allowed, egress, ingress }) => {
                Answered { id, allowed: *allowed, egress, ingress }.serialize(serializer)
            }
            Err(error) => Refused { id, error: error.to_string() }.serialize(serializer),
        }
    }
}

#[derive(Serialize)]
struct Answered<'a> {
    id: Option<&'a RawValue>,
    allowed: Option<bool>,
    egress: &'a SideDecision,
    ingress: &'a SideDecision,
}

#[derive(Serialize)]
struct Refused<'a> {
    id: Option<&'a RawValue>,
    error: String,
}
