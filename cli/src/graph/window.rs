//! The window that is asked about, and what is said of the one that was answered.

use crate::filter::{Moment, moment};
use clap::Args;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use portolan_proto::graph::Covered;

/// How long the window is where nobody says.
const LONG: SignedDuration = SignedDuration::from_hours(1);

/// When.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct WindowFlags {
    /// From this time on: 1h or 7d (ago), or 2026-01-02T12:31:07Z [default: an hour before the end]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Moment>,
    /// Up to this time [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Moment>,
}

/// From when, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) since: Timestamp,
    pub(crate) until: Option<Timestamp>,
}

impl WindowFlags {
    /// With times that are told from now.
    pub(crate) fn resolve(self, now: Timestamp) -> Window {
        let Self { since, until } = self;
        let until = until.map(|until| until.resolve(now));
        let long_before = until.unwrap_or(now).checked_sub(LONG).unwrap_or(Timestamp::MIN);
        Window { since: since.map_or(long_before, |since| since.resolve(now)), until }
    }
}

impl Window {
    /// What must be known to understand an answer.
    pub(crate) fn notes(&self, covered: &Covered, zone: &TimeZone) -> Vec<String> {
        let late = (covered.from > self.since).then(|| {
            format!("the graph begins at {}: what was before is not kept", time(covered.from, zone))
        });
        let damaged = (covered.damaged > 0).then(|| {
            format!(
                "{} parts of the graph cannot be read, so figures are too low: the collector's log names them",
                covered.damaged
            )
        });
        let behind = (covered.behind > 0).then(|| {
            format!(
                "the graph is being counted anew and has {} flows to go, so figures are too low: ask again later",
                covered.behind
            )
        });
        late.into_iter().chain(damaged).chain(behind).collect()
    }
}

/// How much of what is told, and of which time.
pub(crate) fn summary(covered: &Covered, thing: &str, zone: &TimeZone) -> String {
    let Covered { matching, told, attempts, .. } = covered;
    let things = if *matching == 1 { thing.to_owned() } else { plural(thing) };
    let of = if told < matching { format!("{told} of ") } else { String::new() };
    format!("{of}{matching} {things} with {attempts} attempts, {}{}", span(covered, zone), beyond(covered))
}

/// How much may be as asked and is not told, where there is any.
pub(crate) fn beyond(Covered { others, .. }: &Covered) -> String {
    if *others == 0 {
        return String::new();
    }
    let were = if *others == 1 { "1 attempt was".to_owned() } else { format!("{others} attempts were") };
    format!("; {were} beyond the bounds of the graph, perhaps as asked")
}

/// The whole buckets of an answer.
pub(crate) fn span(covered: &Covered, zone: &TimeZone) -> String {
    format!("from {} to {}", time(covered.from, zone), time(covered.to, zone))
}

fn plural(thing: &str) -> String {
    format!("{thing}s")
}

/// A minute, with its zone.
fn time(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_hour_is_asked_for_where_nobody_says() {
        let now = at("2026-01-02T12:00:00Z");
        let window = |since: Option<&str>, until: Option<&str>| {
            let read = |text: Option<&str>| text.map(|text| moment(text).unwrap());
            WindowFlags { since: read(since), until: read(until) }.resolve(now)
        };
        assert_eq!(window(None, None), Window { since: at("2026-01-02T11:00:00Z"), until: None });
        let noon = at("2026-01-01T12:00:00Z");
        assert_eq!(window(None, Some("1d")), Window { since: at("2026-01-01T11:00:00Z"), until: Some(noon) });
        assert_eq!(window(Some("1d"), None), Window { since: noon, until: None });
    }

    #[test]
    fn what_is_not_kept_and_what_is_damaged_is_said() {
        let (from, to) = (at("2026-01-02T11:00:00Z"), at("2026-01-02T12:01:00Z"));
        let covered =
            Covered { from, to, damaged: 2, matching: 5, told: 3, attempts: 70, others: 0, behind: 0 };
        let notes =
            |since: &str| Window { since: at(since), until: None }.notes(&covered, &TimeZone::UTC).join("\n");
        assert!(notes("2026-01-02T11:00:30Z").starts_with("2 parts of the graph cannot be read"));
        assert!(notes("2026-01-02T10:00:00Z").starts_with("the graph begins at 2026-01-02 11:00 UTC"));
        let told = "3 of 5 edges with 70 attempts, from 2026-01-02 11:00 UTC to 2026-01-02 12:01 UTC";
        assert_eq!(summary(&covered, "edge", &TimeZone::UTC), told);
        let folded = summary(&Covered { others: 12, ..covered.clone() }, "edge", &TimeZone::UTC);
        assert_eq!(
            folded,
            format!("{told}; 12 attempts were beyond the bounds of the graph, perhaps as asked")
        );
        let behind = Covered { damaged: 0, behind: 900, ..covered };
        let notes = Window { since: from, until: None }.notes(&behind, &TimeZone::UTC);
        assert_eq!(notes.len(), 1);
        assert!(notes[0].starts_with("the graph is being counted anew and has 900 flows to go"), "{notes:?}");
    }
}
