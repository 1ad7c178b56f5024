//! Which flows are wanted, from flags to request.

use super::time::{Moment, moment};
use clap::{Args, builder::PossibleValuesParser, builder::TypedValueParser as _};
use jiff::Timestamp;
use portolan_policy::{Outcome, Protocol, Verdict};
use portolan_proto::{timestamp_to_proto, v1};

const EITHER: &str = "Either end";
const SOURCE: &str = "Source";
const DESTINATION: &str = "Destination";
const FLOW: &str = "Flow";

/// Which flows. A flag may be repeated, or its values joined by commas: any of them. All flags must
/// hold, and those about either end of the same end.
#[derive(Debug, Default, Args)]
pub(crate) struct Wanted {
    #[command(flatten)]
    either: EitherEnd,
    #[command(flatten)]
    from: Source,
    #[command(flatten)]
    to: Destination,
    /// The port of either end or of the service
    #[arg(long, value_name = "PORT", value_delimiter = ',', help_heading = FLOW)]
    port: Vec<u16>,
    /// TCP, UDP, SCTP, ICMP or ICMPv6
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = FLOW)]
    protocol: Vec<Protocol>,
    /// allowed, denied, unenforced, blocked, failed, settling or undecided
    #[arg(long, value_name = "WORD", value_delimiter = ',', help_heading = FLOW, hide_possible_values = true)]
    #[arg(value_parser = PossibleValuesParser::new(Verdict::ALL.map(Verdict::as_str)).map(verdict))]
    verdict: Vec<Verdict>,
    /// established, refused, rejected, dropped, no-reply or delivered
    #[arg(long, value_name = "WORD", value_delimiter = ',', help_heading = FLOW, hide_possible_values = true)]
    #[arg(value_parser = PossibleValuesParser::new(Outcome::ALL.map(Outcome::as_str)).map(outcome))]
    outcome: Vec<Outcome>,
    /// A policy that admitted or denied: NAMESPACE/NAME, or NAME wherever it is
    #[arg(long, value_name = "POLICY", value_delimiter = ',', help_heading = FLOW)]
    policy: Vec<String>,
    /// The node of either end
    #[arg(long, value_name = "NODE", value_delimiter = ',', help_heading = FLOW)]
    node: Vec<String>,
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

/// Flags about either end, and the same for one of them.
macro_rules! end_flags {
    ($name:ident, $heading:ident, $prefix:literal $(, $short:literal, $label:literal)?) => {
        #[derive(Debug, Default, Args)]
        struct $name {
            /// The namespace
            #[arg(id = concat!($prefix, "namespace"), long = concat!($prefix, "namespace"))]
            $(#[arg(short = $short)])?
            #[arg(value_name = "NAMESPACE", value_delimiter = ',', help_heading = $heading)]
            namespaces: Vec<String>,
            /// NAMESPACE/POD, or the beginning of a pod's name in any namespace
            #[arg(id = concat!($prefix, "pod"), long = concat!($prefix, "pod"))]
            #[arg(value_name = "POD", value_delimiter = ',', help_heading = $heading)]
            pods: Vec<String>,
            /// KIND/NAME of the workload, or NAME of any kind
            #[arg(id = concat!($prefix, "workload"), long = concat!($prefix, "workload"))]
            #[arg(value_name = "WORKLOAD", value_delimiter = ',', help_heading = $heading)]
            workloads: Vec<String>,
            /// A label selector as for kubectl: app=web,tier in (a,b),!canary
            #[arg(id = concat!($prefix, "label"), long = concat!($prefix, "label"))]
            $(#[arg(short = $label)])?
            #[arg(value_name = "SELECTOR", help_heading = $heading)]
            labels: Vec<String>,
        }

        impl From<$name> for v1::EndFilter {
            fn from($name { namespaces, pods, workloads, labels }: $name) -> Self {
                Self { namespaces, pods, workloads, labels, ports: Vec::new() }
            }
        }
    };
}

end_flags!(EitherEnd, EITHER, "", 'n', 'l');
end_flags!(Source, SOURCE, "from-");
end_flags!(Destination, DESTINATION, "to-");

impl Wanted {
    /// The request, with times that are told from now.
    pub(crate) fn request(self, now: Timestamp) -> v1::ObserveRequest {
        let Self {
            either,
            from,
            to,
            port,
            protocol,
            verdict,
            outcome,
            policy,
            node,
            since,
            until,
            last,
            follow,
        } = self;
        let filter = v1::Filter {
            either: Some(either.into()),
            source: Some(from.into()),
            destination: Some(to.into()),
            ports: port.into_iter().map(u32::from).collect(),
            protocols: protocol.into_iter().map(|word| v1::Protocol::from(word).into()).collect(),
            verdicts: verdict.into_iter().map(|word| v1::Verdict::from(word).into()).collect(),
            outcomes: outcome.into_iter().map(|word| v1::Outcome::from(word).into()).collect(),
            policies: policy,
            nodes: node,
        };
        let time = |moment: Moment| timestamp_to_proto(moment.resolve(now));
        v1::ObserveRequest {
            since: since.map(time),
            until: until.map(time),
            last,
            follow,
            include: vec![filter],
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the parser hands over its text")]
fn verdict(text: String) -> Verdict {
    let found = Verdict::ALL.into_iter().find(|verdict| verdict.as_str() == text);
    found.expect("the parser takes only these words")
}

#[expect(clippy::needless_pass_by_value, reason = "the parser hands over its text")]
fn outcome(text: String) -> Outcome {
    let found = Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == text);
    found.expect("the parser takes only these words")
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
        command.wanted.request("2026-01-02T12:00:00Z".parse().unwrap())
    }

    fn filter(flags: &str) -> v1::Filter {
        <[v1::Filter; 1]>::try_from(request(flags).include).unwrap()[0].clone()
    }

    #[test]
    fn flags_about_ends_go_to_the_end_they_name() {
        let asked = filter("-n shop,web -l app=a,tier=b --from-pod shop/a --to-workload db --to-namespace x");
        let either = asked.either.unwrap();
        assert_eq!(either.namespaces, ["shop", "web"]);
        assert_eq!(either.labels, ["app=a,tier=b"], "commas join requirements of one selector");
        assert_eq!(asked.source.unwrap().pods, ["shop/a"]);
        let destination = asked.destination.unwrap();
        assert_eq!((destination.workloads, destination.namespaces), (vec!["db".into()], vec!["x".into()]));
    }

    #[test]
    fn flags_about_the_flow_are_read() {
        let asked = filter(
            "--port 80,443 --port 53 --protocol udp --verdict denied,unenforced --outcome no-reply \
             --policy shop/db --node n1",
        );
        assert_eq!(asked.ports, [80, 443, 53]);
        assert_eq!(asked.protocols, [i32::from(v1::Protocol::Udp)]);
        assert_eq!(asked.verdicts, [v1::Verdict::Denied, v1::Verdict::Unenforced].map(i32::from));
        assert_eq!(asked.outcomes, [i32::from(v1::Outcome::NoReply)]);
        assert_eq!((asked.policies, asked.nodes), (vec!["shop/db".into()], vec!["n1".into()]));
    }

    #[test]
    fn times_and_counts_are_read() {
        let asked = request("--since 5m --until 2026-01-02T11:59:00Z --last 3 -f");
        assert_eq!(asked.since.unwrap().seconds + 240, asked.until.unwrap().seconds);
        assert_eq!((asked.last, asked.follow), (Some(3), true));
        let asked = request("");
        assert_eq!((asked.since, asked.until, asked.last, asked.follow), (None, None, None, false));
    }

    #[test]
    fn what_is_no_word_is_refused() {
        for flags in ["--verdict maybe", "--outcome lost", "--protocol QUIC", "--port 65536", "--since soon"]
        {
            let words = std::iter::once("observe").chain(flags.split_whitespace());
            assert!(Command::try_parse_from(words).is_err(), "{flags}");
        }
    }
}
