//! A record as a line of JSON, byte for byte as serde writes its flow. What a relation says is the
//! same in every line, so it is rendered once.

mod time;

use crate::attribute::{Record, Relation};
use portolan_policy::Loss;
use serde::Serialize;
use time::TimeText;

/// A relation's part of a line, in the three pieces that stand between what differs.
#[derive(Debug)]
pub(crate) struct Fragments {
    until_source_port: Box<[u8]>,
    until_outcome: Box<[u8]>,
    sides: Box<[u8]>,
}

/// Stands before a port in the JSON of an end, and nowhere else: a quote inside a text is escaped.
const PORT: &[u8] = b",\"port\":";

impl Fragments {
    fn of(relation: &Relation) -> Self {
        let Relation { source, destination, service, protocol, decision, .. } = relation;
        let mut source_json = b",\"source\":".to_vec();
        value(source, &mut source_json);
        let port = source_json.windows(PORT.len()).position(|part| part == PORT).map(|at| at + PORT.len());
        let rest = source_json.split_off(port.expect("every end has a port, or null"));
        let rest = rest.strip_prefix(b"null").expect("the source of a relation has no port of its own");

        let mut until_outcome = rest.to_vec();
        field(",\"destination\":", destination, &mut until_outcome);
        field(",\"service\":", service, &mut until_outcome);
        field(",\"protocol\":", protocol, &mut until_outcome);
        let mut sides = Vec::new();
        field(",\"egress\":", &decision.egress, &mut sides);
        field(",\"ingress\":", &decision.ingress, &mut sides);
        Self {
            until_source_port: source_json.into(),
            until_outcome: until_outcome.into(),
            sides: sides.into(),
        }
    }
}

/// Writes records as lines.
#[derive(Debug, Default)]
pub(crate) struct LineWriter {
    starts: TimeText,
    ends: TimeText,
}

impl LineWriter {
    /// Appends the line of a record that these losses stand beside.
    pub(crate) fn write(&mut self, record: &Record, losses: &[Loss], out: &mut Vec<u8>) {
        let fragments = record.relation.fragments.get_or_init(|| Fragments::of(&record.relation));
        out.extend_from_slice(b"{\"time\":\"");
        self.starts.write(record.time(), out);
        out.extend_from_slice(b"\",\"end_time\":\"");
        self.ends.write(record.end_time, out);
        out.push(b'"');
        out.extend_from_slice(&fragments.until_source_port);
        number_or_null(record.source_port.map(u64::from), out);
        out.extend_from_slice(&fragments.until_outcome);
        word(",\"outcome\":\"", record.outcome.as_str(), out);
        if let Some(told) = record.revises {
            word(",\"revises\":\"", told.as_str(), out);
        }
        text_or_null(",\"drop_reason\":", record.drop_reason.as_deref(), out);
        text_or_null(",\"drop_location\":", record.drop_location.as_deref(), out);
        if let Some(enforcer) = &record.enforced_by {
            field(",\"enforced_by\":", enforcer, out);
        }
        if let Some(passed) = &record.passed_netfilter {
            field(",\"passed_netfilter\":", passed, out);
        }
        word(",\"verdict\":\"", record.verdict.as_str(), out);
        out.extend_from_slice(if record.inferred { b",\"inferred\":true" } else { b",\"inferred\":false" });
        out.extend_from_slice(&fragments.sides);
        word(",\"reporter\":\"", record.reporter.as_str(), out);
        counts(record, out);
        lost(losses, out);
        out.extend_from_slice(b"}\n");
    }
}

fn counts(record: &Record, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"attempts\":1,\"tries\":");
    number(record.tries, out);
    out.extend_from_slice(b",\"packets\":");
    number(record.packets, out);
    out.extend_from_slice(b",\"bytes\":");
    number(record.bytes, out);
    latency(record.latency_us, out);
    out.extend_from_slice(b",\"retransmits\":");
    number_or_null(record.retransmits, out);
    out.extend_from_slice(b",\"srtt_us\":");
    number_or_null(record.srtt_us, out);
}

/// One attempt has one latency, which is its least and its most.
fn latency(micros: Option<u64>, out: &mut Vec<u8>) {
    let Some(micros) = micros else { return out.extend_from_slice(b",\"latency_us\":null") };
    for name in [",\"latency_us\":{\"min\":", ",\"p50\":", ",\"p99\":", ",\"max\":"] {
        out.extend_from_slice(name.as_bytes());
        number(micros, out);
    }
    out.push(b'}');
}

fn lost(losses: &[Loss], out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"lost\":");
    number(losses.iter().fold(0, |sum, loss| sum.saturating_add(loss.count)), out);
    if !losses.is_empty() {
        field(",\"losses\":", &losses, out);
    }
}

fn word(name: &str, word: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(word.as_bytes());
    out.push(b'"');
}

fn text_or_null(name: &str, text: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    match text {
        Some(text) => value(text, out),
        None => out.extend_from_slice(b"null"),
    }
}

fn number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn number_or_null(value: Option<u64>, out: &mut Vec<u8>) {
    match value {
        Some(value) => number(value, out),
        None => out.extend_from_slice(b"null"),
    }
}

fn field(name: &str, content: &impl Serialize, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    value(content, out);
}

fn value(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("plain data written to memory cannot fail");
}

#[cfg(test)]
mod tests;
