//! What can go wrong in a lab, each error with the thing it happened to and the mend.

use std::io;

use crate::apiserver::{ApiError, ServeError};

/// An error of the lab.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// The machine lacks something without which no lab can stand.
    #[error("this machine cannot host a lab: {}", missing.join("; "))]
    Missing {
        /// One sentence per missing thing, each with its mend.
        missing: Vec<String>,
    },
    /// A network namespace could not be made, entered or read.
    #[error("cannot {doing} network namespace {name}")]
    Namespace {
        /// What was tried.
        doing: &'static str,
        /// The namespace.
        name: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A program ended with a failure.
    #[error("{program} failed in {place} ({status}): {stderr}\ninput was:\n{input}")]
    Program {
        /// The program.
        program: String,
        /// The network namespace it ran in.
        place: String,
        /// Its exit status in words.
        status: String,
        /// What it said.
        stderr: String,
        /// What it was given.
        input: String,
    },
    /// A program could not be started.
    #[error("cannot start {program}; is it installed and in PATH?")]
    Start {
        /// The program.
        program: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Something was named that the lab does not have.
    #[error("the lab has no {kind} named {name:?}; add it first")]
    Unknown {
        /// Node, pod, namespace.
        kind: &'static str,
        /// The name asked for.
        name: String,
    },
    /// A specification contradicts itself or the lab.
    #[error("cannot add {what}: {why}")]
    Spec {
        /// The object.
        what: String,
        /// The contradiction.
        why: String,
    },
    /// A socket operation failed that should not depend on the network's verdict.
    #[error("cannot {doing}")]
    Socket {
        /// What was tried, on what.
        doing: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A manifest could not be read or written.
    #[error("{what} is no readable manifest: {why}")]
    Manifest {
        /// Which text.
        what: String,
        /// What the parser said.
        why: String,
    },
    /// The lab's API server refused an object.
    #[error("the API server refused {object}")]
    Object {
        /// Kind and name.
        object: String,
        /// The server's reason.
        #[source]
        source: Box<ApiError>,
    },
    /// The lab's API server cannot be served.
    #[error("cannot serve the Kubernetes API")]
    Serve(#[from] ServeError),
    /// Something did not happen in time.
    #[error("waited {waited:?} for {what} in vain{detail}")]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        waited: std::time::Duration,
        /// What was seen instead, when that helps.
        detail: String,
    },
}

impl LabError {
    pub(crate) fn namespace(doing: &'static str, name: &str, source: impl Into<io::Error>) -> Self {
        Self::Namespace { doing, name: name.to_owned(), source: source.into() }
    }

    pub(crate) fn unknown(kind: &'static str, name: impl Into<String>) -> Self {
        Self::Unknown { kind, name: name.into() }
    }

    pub(crate) fn spec(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Spec { what: what.into(), why: why.into() }
    }

    pub(crate) fn socket(doing: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Socket { doing: doing.into(), source: source.into() }
    }
}

/// Shorthand for results of the lab.
pub type Result<T, E = LabError> = std::result::Result<T, E>;
