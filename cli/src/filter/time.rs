//! Points in time as people write them.

use anyhow::Context as _;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

/// A point in time: so long ago, or a date and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Before now.
    Ago(SignedDuration),
    /// At this time.
    At(Timestamp),
}

impl Moment {
    /// The time it means.
    pub(crate) fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(ago) => now.checked_sub(ago).unwrap_or(Timestamp::MIN),
            Self::At(time) => time,
        }
    }
}

/// Reads `5m` or `2026-01-02T12:31:07Z`.
pub(crate) fn moment(text: &str) -> anyhow::Result<Moment> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(Moment::At(time));
    }
    let ago: Span =
        text.parse().context("write how long ago, like 5m or 1h30m, or a time like 2026-01-02T12:31:07Z")?;
    let ago = ago.to_duration(SpanRelativeTo::days_are_24_hours())?;
    anyhow::ensure!(!ago.is_negative(), "how long ago cannot be negative");
    Ok(Moment::Ago(ago))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_or_refused() {
        let now: Timestamp = "2026-01-02T12:00:00Z".parse().unwrap();
        let at = |text: &str| moment(text).unwrap().resolve(now).to_string();
        assert_eq!(at("5m"), "2026-01-02T11:55:00Z");
        assert_eq!(at("1h30m"), "2026-01-02T10:30:00Z");
        assert_eq!(at("7d"), "2025-12-26T12:00:00Z");
        assert_eq!(at("2026-01-01T00:00:00Z"), "2026-01-01T00:00:00Z");
        assert_eq!(at("2026-01-01T02:00:00+02:00"), "2026-01-01T00:00:00Z");
        for wrong in ["", "5", "-5m", "yesterday", "2026-13-01T00:00:00Z"] {
            assert!(moment(wrong).is_err(), "`{wrong}`");
        }
    }
}
