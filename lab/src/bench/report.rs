//! The figures as Markdown. Pure, but for the description of the machine.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::thread;
use std::time::Duration;

use super::figures::{Spread, grouped};
use super::load::Workload;
use super::naive::Read;
use super::probes::{Costs, Measured};
use super::rounds::{Check, Rounds, Watcher};
use super::scene::PODS;
use super::{Options, goals};

/// What stands where there is no figure.
const NONE: &str = "–";

/// All tables.
pub(super) fn render(options: &Options, rounds: &Rounds, costs: &Measured, took: Duration) -> String {
    let sections = [
        heading(options, took),
        goals::table(rounds, costs),
        throughput(rounds),
        processor(rounds),
        probes(costs),
        statistics(rounds, costs),
        check(rounds.check()),
        baseline(rounds.baseline()),
    ];
    sections.join("\n")
}

fn heading(options: &Options, took: Duration) -> String {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{processors} processors, kernel {}, {PODS} pods on the node. A round is {:.0} s under each watcher; {:.0} s in all. \
         A figure is the median of the undisturbed rounds, with the quartiles.\n",
        kernel.trim(),
        options.length.as_secs_f64(),
        took.as_secs_f64(),
    )
}

/// The median of a figure.
fn median(figures: impl Iterator<Item = f64>) -> Option<f64> {
    Spread::of(figures).map(|spread| spread.median)
}

fn or_none(text: Option<String>) -> String {
    text.unwrap_or_else(|| NONE.to_owned())
}

fn throughput(rounds: &Rounds) -> String {
    let mut table = String::from(
        "| workload | nobody watching, per s | its own spread | Portolan, ratio | LRU flow map per packet, ratio | rounds \
         kept |\n|---|---|---|---|---|---|\n",
    );
    for workload in Workload::ALL {
        let kept = rounds.kept(workload);
        let rate = Spread::of(kept.iter().map(|round| round.nobody.run.rate()));
        let ratio = |watcher| {
            or_none(
                Spread::of(kept.iter().map(|round| round.ratio(watcher))).map(|ratio| format!("{ratio:.3}")),
            )
        };
        writeln!(
            table,
            "| {} ({}s) | {} | {} | {} | {} | {} of {} |",
            workload.name(),
            workload.operation(),
            or_none(rate.map(|rate| grouped(rate.median))),
            or_none(rate.map(|rate| format!("{:.1} %", (rate.high - rate.low) / rate.median * 100.0))),
            ratio(Watcher::Portolan),
            ratio(Watcher::Naive),
            kept.len(),
            rounds.made(workload),
        )
        .expect("a string takes any text");
    }
    if Workload::ALL.iter().any(|workload| rounds.kept(*workload).is_empty()) {
        table.push_str(
            "\nA workload has no undisturbed round: give it more time, or run this again on an idle machine.\n",
        );
    }
    table
}

/// What the node spends on an operation, and how long the slow ones take.
fn processor(rounds: &Rounds) -> String {
    let mut table = String::from(
        "| workload | node CPU µs per operation: nobody | Portolan | LRU flow map | p99 µs: nobody | Portolan | LRU flow map \
         |\n|---|---|---|---|---|---|---|\n",
    );
    for workload in Workload::ALL {
        write!(table, "| {} |", workload.name()).expect("a string takes any text");
        let kept = rounds.kept(workload);
        for watcher in Watcher::ALL {
            let cost = median(kept.iter().map(|round| round.of(watcher).cost() * 1e6));
            write!(table, " {} |", or_none(cost.map(|cost| format!("{cost:.2}"))))
                .expect("a string takes any text");
        }
        for watcher in Watcher::ALL {
            let p99 = median(
                kept.iter().filter_map(|round| round.of(watcher).run.p99).map(|p99| p99.as_secs_f64() * 1e6),
            );
            write!(table, " {} |", or_none(p99.map(|p99| format!("{p99:.0}"))))
                .expect("a string takes any text");
        }
        table.push('\n');
    }
    table
}

fn probes(Measured { workloads, floor }: &Measured) -> String {
    let mut table = String::from("| probe |");
    for costs in workloads {
        write!(table, " {}: ns per run | runs per {} |", costs.workload.name(), costs.workload.operation())
            .expect("a string takes any text");
    }
    table.push_str("\n|---|");
    table.push_str(&"---|---|".repeat(workloads.len()));
    table.push('\n');
    let names: BTreeSet<&String> = workloads.iter().flat_map(|costs| costs.probes.keys()).collect();
    for name in names {
        write!(table, "| `{name}` |").expect("a string takes any text");
        for costs in workloads {
            table.push_str(&cells(costs, name));
        }
        table.push('\n');
    }
    table.push_str("| all, ns per operation |");
    for costs in workloads {
        let (gross, net) = per_operation(costs, floor.counted);
        write!(table, " {gross:.0}, without the floor {net:.0} | |").expect("a string takes any text");
    }
    table.push('\n');
    table
}

fn cells(costs: &Costs, probe: &str) -> String {
    match costs.probes.get(probe) {
        Some(cost) if cost.runs > 0.0 => {
            format!(" {:.0} | {:.2} |", cost.nanos_per_run(), cost.runs / costs.operations as f64)
        }
        _ => format!(" {NONE} | {NONE} |"),
    }
}

/// Nanoseconds of all probes for one operation: as counted, and without what the statistics count for nothing.
fn per_operation(costs: &Costs, floor: f64) -> (f64, f64) {
    let operations = costs.operations as f64;
    let nanos: f64 = costs.probes.values().map(|cost| cost.seconds * 1e9).sum();
    let runs: f64 = costs.probes.values().map(|cost| cost.runs).sum();
    (nanos / operations, (nanos - runs * floor) / operations)
}

/// What the statistics do to what they measure.
fn statistics(rounds: &Rounds, Measured { floor, workloads }: &Measured) -> String {
    let mut slowed = Vec::new();
    for costs in workloads {
        let kept = rounds.kept(costs.workload);
        if let Some(usual) = Spread::of(kept.iter().map(|round| round.portolan.run.rate())) {
            let disturbed = if costs.disturbed { " (disturbed)" } else { "" };
            slowed.push(format!("{} {:.3}{disturbed}", costs.workload.name(), costs.rate / usual.median));
        }
    }
    let slowed = if slowed.is_empty() { NONE.to_owned() } else { slowed.join(", ") };
    format!(
        "The statistics were on in this one round only. For a program that does nothing they count {:.0} ns per run and \
         add {:.0} ns to it; throughput with them against the rounds without them: {slowed}. The tracepoints run for the \
         whole machine, whoever causes it.\n",
        floor.counted, floor.added,
    )
}

fn check(check: Check) -> String {
    let word = if check.holds() { "Complete" } else { "NOT COMPLETE" };
    format!(
        "{word}: {} attempts by clients, {} in flows, {} records counted as lost, {} flows of others.",
        grouped(check.attempts as f64),
        grouped(check.flows.attempts as f64),
        grouped(check.flows.lost as f64),
        grouped(check.flows.foreign as f64),
    )
}

/// What the baseline did, lest it stand beside the traffic and see nothing.
fn baseline(read: Read) -> String {
    format!(
        "The baseline's table held {} flows in all rounds, of {} packets.",
        grouped(read.flows as f64),
        grouped(read.packets as f64),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::bpf::Floor;
    use super::super::probes::Cost;
    use super::*;

    #[test]
    fn the_probes_of_an_operation_are_summed_with_and_without_the_floor() {
        let cost = |runs, seconds| Cost { runs, seconds };
        let probes = BTreeMap::from([
            ("portolan_from".to_owned(), cost(400.0, 40e-6)),
            ("kfree_skb".to_owned(), cost(100.0, 5e-6)),
        ]);
        let costs = Costs { workload: Workload::Churn, operations: 100, rate: 1.0, disturbed: false, probes };
        let (gross, net) = per_operation(&costs, 40.0);
        assert!((gross - 450.0).abs() < 1e-6);
        assert!((net - 250.0).abs() < 1e-6);
        let floor = Floor { counted: 40.0, added: 60.0 };
        let table = super::probes(&Measured { floor, workloads: vec![costs] });
        assert!(table.contains("| `portolan_from` | 100 | 4.00 |"), "{table}");
        assert!(table.contains("450, without the floor 250"), "{table}");
    }

    #[test]
    fn rounds_that_were_all_disturbed_leave_a_table_without_figures() {
        let table = throughput(&Rounds::default());
        assert!(table.contains("| churn (connections) | – | – | – | – | 0 of 0 |"), "{table}");
        assert!(table.contains("on an idle machine"), "{table}");
    }

    #[test]
    fn an_attempt_that_is_missing_is_told() {
        assert!(check(Check { attempts: 3, ..Check::default() }).starts_with("NOT COMPLETE: 3 attempts"));
    }
}
