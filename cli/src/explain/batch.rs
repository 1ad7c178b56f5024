//! A file of questions, answered line by line and never held as a whole.

use crate::{
    failure::Failure,
    output::{Output, Reader},
};
use anyhow::Context as _;
use portolan_policy::{Cluster, Query, Reply, answer_line};
use std::{
    io::{self, BufRead, BufReader, Read},
    process::ExitCode,
};

const BUFFER: usize = 64 * 1024;

/// How answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BatchForm {
    Text,
    Jsonl,
}

/// Answers every line in order; a bad one is told so, the rest goes on and the exit code is 1.
pub(super) fn run(cluster: &Cluster, questions: impl Read, form: BatchForm) -> Result<ExitCode, Failure> {
    let mut questions = BufReader::with_capacity(BUFFER, questions);
    let mut output = Output::new();
    let mut line = Vec::new();
    let mut code = ExitCode::SUCCESS;
    for number in 1.. {
        // What comes next may be waited for: whoever asked sees the answers so far.
        if !questions.buffer().contains(&b'\n') && flush(&mut output)? == Reader::Gone {
            return Ok(code);
        }
        if !next(&mut questions, &mut line).context("cannot read the questions")? {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let reply = answer_line(cluster, &line).at_line(number);
        if reply.answer.is_err() {
            code = ExitCode::FAILURE;
        }
        if output.line(&text(&reply, form)?).context("cannot write the answers")? == Reader::Gone {
            break;
        }
    }
    Ok(code)
}

fn flush(output: &mut Output) -> anyhow::Result<Reader> {
    output.flush().context("cannot write the answers")
}

/// Reads a line, or as much of it as shows that it is too long; false at the end.
fn next(questions: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    const ENOUGH: usize = Query::LONGEST_LINE + 1;
    line.clear();
    let read = questions.by_ref().take(ENOUGH as u64).read_until(b'\n', line)?;
    if read == ENOUGH && line.last() != Some(&b'\n') {
        questions.skip_until(b'\n')?;
    }
    Ok(read != 0)
}

fn text(reply: &Reply<'_>, form: BatchForm) -> anyhow::Result<String> {
    match (form, &reply.answer) {
        (BatchForm::Jsonl, _) => serde_json::to_string(reply).context("cannot write the answers"),
        (BatchForm::Text, Ok(answer)) => Ok(format!("{}: {answer}", reply.id())),
        (BatchForm::Text, Err(error)) => Ok(format!("{}: error: {error}", reply.id())),
    }
}
