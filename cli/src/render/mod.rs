//! Flows as lines for people: a pure function of the flow, the time and the place.

mod ends;
mod outcome;
mod paint;
mod reason;
mod table;
mod units;

#[cfg(test)]
mod tests;

pub(crate) use paint::{Color, Paint};
pub(crate) use table::{align_right, table};
pub(crate) use units::{count, micros, size, span};

use jiff::{Timestamp, tz::TimeZone};
use portolan_policy::{Flow, Verdict};
use std::fmt::Write as _;

/// Renders flows for one reader.
#[derive(Clone, Debug)]
pub(crate) struct Renderer {
    paint: Paint,
    zone: TimeZone,
}

impl Renderer {
    /// For a reader with these colours in this time zone.
    pub(crate) fn new(paint: Paint, zone: TimeZone) -> Self {
        Self { paint, zone }
    }

    /// A flow on one line.
    pub(crate) fn line(&self, flow: &Flow, now: Timestamp) -> String {
        let time = self.paint.apply(Color::Dim, &self.time(flow.time, now));
        let mut line = format!("{time} {} → {}", ends::source(flow), ends::destination(flow));
        let verdict = flow.verdict.as_str().to_uppercase();
        let color = color(flow.verdict);
        let (outcome, verdict) = (clean(&outcome::of(flow)), self.paint.apply(color, &verdict));
        write!(line, "  {outcome}  {verdict}").expect("writing to a string does not fail");
        if let Some(why) = reason::of(flow) {
            line += "  ";
            line += &clean(&why);
        }
        if let Some(rule) = &flow.enforced_by {
            line += &self.paint.apply(Color::Dim, &format!("  [{}]", clean(&rule.to_string())));
        }
        if flow.attempts > 1 {
            line += &self.paint.apply(Color::Dim, &format!("  ×{}", flow.attempts));
        }
        if flow.lost > 0 {
            line += &self.paint.apply(Color::Yellow, &format!("  [{} records lost before]", flow.lost));
        }
        line
    }

    /// The time of day, with the date where it was another day.
    fn time(&self, time: Timestamp, now: Timestamp) -> String {
        let (time, now) = (time.to_zoned(self.zone.clone()), now.to_zoned(self.zone.clone()));
        let form = if time.date() == now.date() { "%H:%M:%S%.3f" } else { "%Y-%m-%d %H:%M:%S%.3f" };
        time.strftime(form).to_string()
    }
}

/// The colour of a verdict.
pub(crate) const fn color(verdict: Verdict) -> Color {
    match verdict {
        Verdict::Allowed => Color::Green,
        Verdict::Denied => Color::Red,
        Verdict::Unenforced => Color::Alarm,
        Verdict::Blocked | Verdict::Failed => Color::Yellow,
        Verdict::Settling => Color::Cyan,
        Verdict::Undecided => Color::Dim,
    }
}

/// Takes the teeth out of text that came over the network: no control characters for a terminal.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}
