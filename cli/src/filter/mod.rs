//! The filters of `observe`, `graph` and `top`, from flags to request.

mod time;

pub(crate) use time::{Moment, moment};

use clap::{Args, builder::PossibleValuesParser, builder::TypedValueParser as _};
use portolan_policy::{Outcome, Protocol, Verdict};
use portolan_proto::v1;

const EITHER: &str = "Either end";
const SOURCE: &str = "Source";
const DESTINATION: &str = "Destination";
const FLOW: &str = "Flow";

/// The kinds of workloads that Kubernetes has itself.
const KINDS: [&str; 8] = [
    "CronJob",
    "DaemonSet",
    "Deployment",
    "Job",
    "Pod",
    "ReplicaSet",
    "ReplicationController",
    "StatefulSet",
];

/// Which flows. A flag may be repeated, or its values joined by commas: any of them. All flags must
/// hold, and those about either end of the same end.
#[derive(Debug, Default, Args)]
pub(crate) struct FilterFlags {
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

impl FilterFlags {
    /// What was probably meant otherwise.
    pub(crate) fn hints(&self) -> Vec<String> {
        let Self { either, from, to, .. } = self;
        let ends = [("", &either.workloads), ("from-", &from.workloads), ("to-", &to.workloads)];
        let hints = |(end, names): (_, &Vec<String>)| {
            names.iter().filter_map(move |name| hint(end, name)).collect::<Vec<_>>()
        };
        ends.into_iter().flat_map(hints).collect()
    }
}

/// Where what should be the kind of a workload looks like its namespace. Kinds that others define are written
/// with a capital.
fn hint(end: &str, workload: &str) -> Option<String> {
    let (kind, name) = workload.split_once('/')?;
    let known = KINDS.iter().any(|known| known.eq_ignore_ascii_case(kind));
    (!known && !kind.starts_with(char::is_uppercase)).then(|| {
        format!(
            "--{end}workload {workload} asks for the kind `{kind}`; if that is a namespace, write \
             --{end}namespace {kind} --{end}workload {name}"
        )
    })
}

impl From<FilterFlags> for v1::Filter {
    fn from(flags: FilterFlags) -> Self {
        let FilterFlags { either, from, to, port, protocol, verdict, outcome, policy, node } = flags;
        Self {
            either: Some(either.into()),
            source: Some(from.into()),
            destination: Some(to.into()),
            ports: port.into_iter().map(u32::from).collect(),
            protocols: protocol.into_iter().map(|word| v1::Protocol::from(word).into()).collect(),
            verdicts: verdict.into_iter().map(|word| v1::Verdict::from(word).into()).collect(),
            outcomes: outcome.into_iter().map(|word| v1::Outcome::from(word).into()).collect(),
            policies: policy,
            nodes: node,
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
        flags: FilterFlags,
    }

    fn filter(flags: &str) -> v1::Filter {
        let words = std::iter::once("observe").chain(flags.split_whitespace());
        let command = Command::try_parse_from(words).unwrap_or_else(|error| panic!("{flags}: {error}"));
        command.flags.into()
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
    fn a_namespace_where_a_kind_should_be_is_hinted_at() {
        let hints = |flags: &str| {
            let words = std::iter::once("observe").chain(flags.split_whitespace());
            Command::try_parse_from(words).unwrap().flags.hints()
        };
        let said =
            hints("--workload web,Deployment/web --to-workload shop/db --from-workload cronjob/x,Rollout/y");
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].ends_with("write --to-namespace shop --to-workload db"), "{said:?}");
        assert!(hints("--workload shop/web")[0].ends_with("write --namespace shop --workload web"));
    }

    #[test]
    fn what_is_no_word_is_refused() {
        for flags in ["--verdict maybe", "--outcome lost", "--protocol QUIC", "--port 65536"] {
            let words = std::iter::once("observe").chain(flags.split_whitespace());
            assert!(Command::try_parse_from(words).is_err(), "{flags}");
        }
    }
}
