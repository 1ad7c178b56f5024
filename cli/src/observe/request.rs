//! Which flows are wanted, from flags to request.

use crate::{
    failure::{Failure, say},
    filter::{FilterFlags, Moment, moment},
};
use anyhow::anyhow;
use clap::Args;
use jiff::Timestamp;
use portolan_proto::{timestamp_to_proto, v1};

/// Which flows.
#[derive(Debug, Default, Args)]
pub(crate) struct Wanted {
    #[command(flatten)]
    filter: FilterFlags,
    /// Flows that began at this time or later: 5m (ago) or 2026-01-02T12:31:07Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Moment>,
    /// Flows that began before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Moment>,
    /// Of the kept flows, the N that began last
    #[arg(long, value_name = "N")]
    last: Option<u64>,
    /// Go on with new flows; without --since or --last only those
    #[arg(short, long)]
    follow: bool,
}

impl Wanted {
    /// The request behind a cursor, with times that are told from now. What was probably not meant is said.
    pub(crate) fn request(self, now: Timestamp, after: String) -> Result<v1::ObserveRequest, Failure> {
        let Self { filter, since, until, last, follow } = self;
        filter.hints().into_iter().for_each(say);
        let [since, until] = [since, until].map(|time| time.map(|moment: Moment| moment.resolve(now)));
        if let (Some(since), Some(until)) = (since, until)
            && since >= until
        {
            return Err(Failure::usage(anyhow!(
                "no flow can have begun since {since} and until {until}: --until must be the later one"
            )));
        }
        Ok(v1::ObserveRequest {
            since: since.map(timestamp_to_proto),
            until: until.map(timestamp_to_proto),
            last,
            follow,
            include: vec![filter.into()],
            after,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        wanted: Wanted,
    }

    fn request(flags: &str) -> v1::ObserveRequest {
        let words = std::iter::once("observe").chain(flags.split_whitespace());
        let command = Command::try_parse_from(words).unwrap_or_else(|error| panic!("{flags}: {error}"));
        command.wanted.request("2026-01-02T12:00:00Z".parse().unwrap(), String::new()).unwrap()
    }

    #[test]
    fn times_and_counts_are_read() {
        let asked = request("--since 5m --until 2026-01-02T11:59:00Z --last 3 -f --port 53");
        assert_eq!(asked.since.unwrap().seconds + 240, asked.until.unwrap().seconds);
        assert_eq!((asked.last, asked.follow), (Some(3), true));
        assert_eq!(asked.include[0].ports, [53]);
        let asked = request("");
        assert_eq!((asked.since, asked.until, asked.last, asked.follow), (None, None, None, false));
    }

    #[test]
    fn a_window_in_which_nothing_can_be_is_refused() {
        for flags in ["--since 2h --until 3h", "--since 1h --until 1h"] {
            let words = std::iter::once("observe").chain(flags.split_whitespace());
            let wanted = Command::try_parse_from(words).unwrap().wanted;
            let refused = wanted.request("2026-01-02T12:00:00Z".parse().unwrap(), String::new());
            let said = refused.unwrap_err().to_string();
            assert!(said.contains("until") && said.contains("2026-01-02T1"), "{flags}: {said}");
        }
        request("--since 3h --until 2h");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        assert!(Command::try_parse_from(["observe", "--since", "soon"]).is_err());
    }
}
