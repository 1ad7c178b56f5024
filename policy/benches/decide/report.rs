//! What was measured, as the tables of docs/benchmarks.md.

use crate::{
    build::{Built, Read},
    changes::Changed,
    check::Compared,
    cluster::Size,
    speed::Lane,
};
use std::fmt::Write as _;

/// The text of all tables, one after the other.
#[derive(Default)]
pub(crate) struct Report(String);

impl Report {
    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{text}").expect("a string takes any text");
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    pub(crate) fn opening(&mut self, size: Size, questions: usize, passes: usize) {
        self.line(format_args!("## Decisions in a large cluster\n"));
        self.line(format_args!(
            "{} pods, {} namespaces, {} NetworkPolicies, {} nodes; {questions} questions in each set; one thread, its \
             processor time. Median of {passes} alternating passes, with the fastest and the slowest.",
            size.pods,
            size.namespaces(),
            size.policies(),
            size.nodes(),
        ));
    }

    /// Decisions of one size beside those of the baseline.
    pub(crate) fn speed(&mut self, lanes: &[Lane<'_>], compared: &[Compared], size: Size) {
        self.line(format_args!(
            "\n| questions | call | decisions per s | ns per decision | blocks allocated per decision | times the baseline |\n\
             |---|---|---|---|---|---|"
        ));
        for baseline in compared.iter().filter(|compared| compared.size == size) {
            self.line(format_args!(
                "| {} | baseline, {} questions | {:.1} | {:.0} | – | 1 |",
                baseline.set.name(),
                baseline.questions,
                1e9 / baseline.time.median,
                baseline.time,
            ));
            for lane in lanes.iter().filter(|lane| lane.size == size && lane.set == baseline.set) {
                let nanos = lane.spread();
                self.line(format_args!(
                    "| {} | `{}` | {:.2} M | {nanos:.0} | {:.2} | {:.0} |",
                    lane.set.name(),
                    lane.call_name,
                    1e3 / nanos.median,
                    lane.allocations,
                    baseline.time.median / nanos.median,
                ));
            }
        }
        self.mix(lanes, size);
    }

    /// What the answers were, in percent.
    fn mix(&mut self, lanes: &[Lane<'_>], size: Size) {
        self.line(format_args!(
            "\n| answers, % | admitted | denied | not isolated | not applicable | undecidable |\n|---|---|---|---|---|---|"
        ));
        for lane in lanes.iter().filter(|lane| lane.size == size) {
            self.line(format_args!("| {}, `{}` | {} |", lane.set.name(), lane.call_name, lane.mix));
        }
    }

    /// Decisions by size, and how much slower they are in the largest than in the smallest.
    pub(crate) fn growth(&mut self, lanes: &[Lane<'_>], compared: &[Compared], sizes: &[Size]) {
        let columns = cells(sizes.iter().map(|size| format!("{} pods", size.pods)));
        let rule = "---|".repeat(sizes.len());
        self.line(format_args!("\n| ns per decision | call | {columns} | times |\n|---|---|{rule}---|"));
        let baseline = compared.iter().map(|one| (one.size, one.set, "baseline", one.time));
        let decided = lanes.iter().map(|lane| (lane.size, lane.set, lane.call_name, lane.spread()));
        let all: Vec<_> = baseline.chain(decided).collect();
        for (size, set, call, smallest) in &all {
            if size != &sizes[0] {
                continue;
            }
            let alike = all.iter().filter(|(_, other_set, other, _)| (other_set, other) == (set, call));
            let medians: Vec<f64> = alike.map(|(.., time)| time.median).collect();
            let columns = cells(medians.iter().map(|median| format!("{median:.0}")));
            let times = medians.last().unwrap_or(&f64::NAN) / smallest.median;
            self.line(format_args!("| {} | {call} | {columns} | {times:.2} |", set.name()));
        }
    }

    pub(crate) fn built(&mut self, size: Size, built: &Built, footprint: isize, read: &[Read]) {
        let per_pod = |bytes: isize| bytes as f64 / size.pods as f64;
        let mib = |bytes: isize| bytes as f64 / f64::from(1 << 20);
        self.line(format_args!("\n| the cluster itself | |\n|---|---|"));
        self.line(format_args!("| built from {} typed objects | {:.2} s |", built.objects, built.time));
        for read in read {
            self.line(format_args!(
                "| read from {:.0} MB of {} and built, {} objects | {:.2} s, {:.0} µs per object |",
                read.megabytes,
                read.format,
                read.objects,
                read.time,
                read.time * 1e6 / read.objects as f64
            ));
        }
        let memory = [("live bytes", built.bytes), ("growth of a process that takes it in", footprint)];
        for (what, bytes) in memory {
            self.line(format_args!(
                "| {what} | {:.0} MiB, {:.0} bytes per pod |",
                mib(bytes),
                per_pod(bytes)
            ));
        }
    }

    pub(crate) fn changes(&mut self, changed: &[Changed]) {
        self.line(format_args!(
            "\n| change | how often | µs p50 | p90 | p99 | max | giving up a version, µs p50 | first decision after it, µs p50 | max | kept for one version, KiB |\n\
             |---|---|---|---|---|---|---|---|---|---|"
        ));
        for Changed { kind, change, release, decision, version } in changed {
            self.line(format_args!(
                "| {} | {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} |",
                kind.name(),
                change.count(),
                change.percent(50),
                change.percent(90),
                change.percent(99),
                change.percent(100),
                release.percent(50),
                decision.percent(50),
                decision.percent(100),
                version / 1024.0,
            ));
        }
    }
}

/// The middle of a table's row.
fn cells(cells: impl Iterator<Item = String>) -> String {
    cells.collect::<Vec<_>>().join(" | ")
}
