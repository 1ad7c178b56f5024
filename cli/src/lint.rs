//! `portolan lint`: what is wrong in manifests, or probably not meant.

mod unread;

use crate::{
    failure::{Failure, printable, say},
    manifests::{self, Manifests, Problem},
    output::{Form, Output},
};
use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use portolan_policy::{Finding, ObjectKey, Severity, lint_with};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Name what is wrong in manifests, or probably not meant.
#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    /// Look at these files or folders as one cluster (`-` is standard input).
    #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
    manifests: Vec<PathBuf>,
    /// Lines for people, or a JSON array.
    #[arg(short, long, value_enum, default_value_t = Form::Text, value_name = "text|json")]
    #[arg(hide_possible_values = true)]
    output: Form,
    /// End with 1 where a finding is at least this severe.
    #[arg(long, value_enum, default_value_t = FailOn::Warning, value_name = "error|warning|info|never")]
    #[arg(hide_possible_values = true)]
    fail_on: FailOn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Error,
    Warning,
    Info,
    Never,
}

impl FailOn {
    /// The least severe finding that counts.
    const fn threshold(self) -> Option<Severity> {
        match self {
            Self::Error => Some(Severity::Error),
            Self::Warning => Some(Severity::Warning),
            Self::Info => Some(Severity::Info),
            Self::Never => None,
        }
    }

    /// Whether a finding counts; the severest come first in their order.
    fn counts(self, severity: Severity) -> bool {
        self.threshold().is_some_and(|least| severity <= least)
    }
}

/// One entry of the report.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Entry {
    /// What there is to say of the files themselves; of one of them, or of all.
    Text {
        code: &'static str,
        severity: Severity,
        message: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        file: Option<String>,
    },
    /// What the objects that were read show.
    Found {
        #[serde(flatten)]
        finding: Finding,
        #[serde(skip_serializing_if = "Option::is_none")]
        file: Option<String>,
    },
}

impl Entry {
    const fn severity(&self) -> Severity {
        match self {
            Self::Text { severity, .. } => *severity,
            Self::Found { finding, .. } => finding.severity,
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { code, severity, message, file } => {
                if let Some(file) = file {
                    write!(f, "{file}: ")?;
                }
                write!(f, "{severity} {code}: {message}")
            }
            Self::Found { finding, file: Some(file) } => write!(f, "{file}: {finding}"),
            Self::Found { finding, file: None } => write!(f, "{finding}"),
        }
    }
}

/// Looks at manifests alone.
pub(crate) fn run(args: &LintArgs) -> Result<ExitCode, Failure> {
    let paths: Vec<&Path> = args.manifests.iter().map(PathBuf::as_path).collect();
    manifests::check_stdin(&paths)?;
    let manifests = manifests::read(&args.manifests)?;
    if manifests.objects.is_empty() && manifests.problems.is_empty() {
        return Err(
            anyhow!("the manifests hold no object that Portolan knows: give Pods, policies, …").into()
        );
    }
    let entries = report(&manifests);
    print(&entries, args.output).context("cannot write the findings")?;
    let fails = entries.iter().any(|entry| args.fail_on.counts(entry.severity()));
    Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What could not be read, or not all of it, in the order of the files, then what the rest shows.
fn report(manifests: &Manifests) -> Vec<Entry> {
    let text = |code, severity| {
        move |Problem { file, text }: &Problem| Entry::Text {
            code,
            severity,
            message: text.clone(),
            file: Some(file.clone()),
        }
    };
    let unreadable = manifests.problems.iter().map(text("unreadable-document", Severity::Error));
    let slips = manifests.slips.iter().map(text("unknown-key", Severity::Warning));
    let files = files(manifests);
    let file = |object| Some(manifests.file(object));
    let found = lint_with(&manifests.objects, &manifests.workloads, &file).into_iter().map(|finding| {
        let file = files.get(&finding.object).map(|object| manifests.file(*object));
        Entry::Found { finding, file }
    });
    unreadable.chain(slips).chain(unread::entries(&manifests.unread)).chain(found).collect()
}

/// The last object of each key, which is the one that counts.
fn files(manifests: &Manifests) -> BTreeMap<ObjectKey, usize> {
    let mut files = BTreeMap::new();
    for (index, object) in manifests.objects.iter().enumerate() {
        files.insert(object.key(), index);
    }
    files
}

fn print(entries: &[Entry], form: Form) -> anyhow::Result<()> {
    let mut output = Output::new();
    match form {
        Form::Text => {
            for entry in entries {
                output.line(&printable(entry))?;
            }
        }
        Form::Json => {
            output.line(&serde_json::to_string_pretty(entries)?)?;
        }
    }
    output.flush()?;
    if form == Form::Text {
        say(summary(entries));
    }
    Ok(())
}

/// `3 findings: 1 error, 2 warnings, 0 infos`.
fn summary(entries: &[Entry]) -> String {
    let count = |severity| entries.iter().filter(|entry| entry.severity() == severity).count();
    let [errors, warnings, infos] =
        [Severity::Error, Severity::Warning, Severity::Info].map(|severity| (severity, count(severity)));
    let words = [errors, warnings, infos].map(|(severity, count)| counted(count, severity.as_str()));
    format!("{}: {}", counted(entries.len(), "finding"), words.join(", "))
}

fn counted(count: usize, word: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {word}{plural}")
}

#[cfg(test)]
mod tests;
