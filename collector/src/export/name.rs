//! How a file of flows is named: `date=2026-01-31/flows-20260131T101500Z-00000000000000012345.parquet`.
//!
//! Both parts are those of the moment at which the file was begun. The folder is what readers call a
//! partition: a query for some days opens only their folders.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

const DATE: &str = "date=";
const FLOWS: &str = "flows-";
const PARQUET: &str = ".parquet";
const TIME: &str = "%Y%m%dT%H%M%SZ";

/// The name of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileName {
    /// When it was begun; whole seconds.
    pub(super) begun: Timestamp,
    /// The first ordinal that it answers for.
    pub(super) first: u64,
}

impl FileName {
    /// The folder that it belongs to.
    pub(super) fn folder(&self) -> String {
        format!("{DATE}{}", self.begun.strftime("%Y-%m-%d"))
    }

    /// Its name there.
    pub(super) fn file(&self) -> String {
        format!("{FLOWS}{}-{:020}{PARQUET}", self.begun.strftime(TIME), self.first)
    }

    /// Reads the name of a file; none where it is not one of ours.
    pub(super) fn parse(file: &str) -> Option<Self> {
        let (time, first) = file.strip_prefix(FLOWS)?.strip_suffix(PARQUET)?.split_once('-')?;
        let begun = DateTime::strptime(TIME, time).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
        let name = Self { begun, first: first.parse().ok()? };
        (name.file() == file).then_some(name)
    }
}

/// Whether a folder may be one of ours.
pub(super) fn is_date(folder: &str) -> bool {
    folder.starts_with(DATE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_sorts_by_time_and_tells_its_first_ordinal() {
        let name = FileName { begun: "2026-01-31T10:15:00Z".parse().unwrap(), first: 12345 };
        assert_eq!(name.folder(), "date=2026-01-31");
        assert_eq!(name.file(), "flows-20260131T101500Z-00000000000000012345.parquet");
    }

    #[test]
    fn what_others_have_put_there_is_not_ours() {
        let names = [
            "flows-20260131T101500Z-00000000000000012345.parquet.tmp",
            "flows-20260131T101500Z-00000000000000012345.parquet.damaged",
            ".flows-20260131T101500Z-00000000000000012345.parquet",
            "flows-20260131T101500Z-12345.parquet",
            "flows-20261331T101500Z-00000000000000012345.parquet",
            "flows-20260131T101500Z-99999999999999999999.parquet",
            "flows.parquet",
        ];
        for name in names {
            assert_eq!(FileName::parse(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_read_as_it_was_written(second in 0_i64..253_402_207_200, first: u64) {
            let name = FileName { begun: Timestamp::from_second(second).unwrap(), first };
            prop_assert_eq!(FileName::parse(&name.file()), Some(name));
        }

        #[test]
        fn any_other_name_is_none_or_itself(text in "(flows-)?[0-9TZ-]{0,40}(\\.parquet)?|.{0,30}") {
            if let Some(name) = FileName::parse(&text) {
                prop_assert_eq!(name.file(), text);
            }
        }
    }
}
