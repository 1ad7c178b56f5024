//! The goals of capture, each beside its figure. Pure.

use std::fmt::Write as _;

use super::figures::Spread;
use super::load::Workload;
use super::probes::Measured;
use super::rounds::{Memory, Round, Rounds, Watcher};

/// The probe that sees drops.
const DROPS: &str = "kfree_skb";

/// What a figure is to be.
#[derive(Debug, Clone, Copy)]
enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

/// A figure with its goal.
#[derive(Debug)]
struct Line {
    what: String,
    figure: Option<Spread>,
    decimals: usize,
    unit: &'static str,
    goal: Goal,
}

/// The table of goals.
pub(super) fn table(rounds: &Rounds, costs: &Measured) -> String {
    let mut table = String::from("| | measured | goal | |\n|---|---|---|---|\n");
    for line in lines(rounds, costs) {
        writeln!(table, "{}", line.row()).expect("a string takes any text");
    }
    table
}

fn lines(rounds: &Rounds, costs: &Measured) -> Vec<Line> {
    let churn = rounds.kept(Workload::Churn);
    vec![
        ratio(rounds, Workload::Churn, 0.98),
        ratio(rounds, Workload::PingPong, 0.98),
        ratio(rounds, Workload::Flood, 0.97),
        ratio(rounds, Workload::Bulk, 0.98),
        added(churn),
        drop_probe(costs, Workload::DeniedSyns),
        drop_probe(costs, Workload::DeniedDatagrams),
        user_time(churn),
        memory(churn, "before traffic", |memory| memory.idle),
        memory(churn, "after churn", |memory| memory.after),
        memory(churn, "at the most", |memory| memory.most),
    ]
}

fn ratio(rounds: &Rounds, workload: Workload, least: f64) -> Line {
    let kept = rounds.kept(workload);
    Line {
        what: format!("{}, as a part of that of nobody watching", workload.name()),
        figure: Spread::of(kept.iter().map(|round| round.ratio(Watcher::Portolan))),
        decimals: 3,
        unit: "",
        goal: Goal::AtLeast(least),
    }
}

fn added(churn: &[Round]) -> Line {
    Line {
        what: "CPU of the node that a short connection costs more".to_owned(),
        figure: Spread::of(churn.iter().map(|round| round.added(Watcher::Portolan) * 1e6)),
        decimals: 2,
        unit: " µs",
        goal: Goal::AtMost(2.0),
    }
}

fn user_time(churn: &[Round]) -> Line {
    let shares = churn.iter().filter_map(|round| round.portolan.agent).filter(|share| share.flows > 0);
    Line {
        what: "user CPU of the agent for a flow that it exports".to_owned(),
        figure: Spread::of(shares.map(|share| share.times.user.as_secs_f64() * 1e6 / share.flows as f64)),
        decimals: 2,
        unit: " µs",
        goal: Goal::AtMost(2.0),
    }
}

fn memory(churn: &[Round], when: &str, bytes: fn(&Memory) -> u64) -> Line {
    let shares = churn.iter().filter_map(|round| round.portolan.agent);
    Line {
        what: format!("resident memory of the agent {when}"),
        figure: Spread::of(shares.map(|share| bytes(&share.memory) as f64 / 1e6)),
        decimals: 1,
        unit: " MB",
        goal: Goal::AtMost(30.0),
    }
}

/// Without what the statistics count for a program that does nothing.
fn drop_probe(costs: &Measured, workload: Workload) -> Line {
    let measured = costs.workloads.iter().find(|costs| costs.workload == workload);
    let probe = measured.and_then(|costs| costs.probes.get(DROPS)).filter(|cost| cost.runs > 0.0);
    Line {
        what: format!("`{DROPS}` for a {} that is dropped, above the floor", workload.operation()),
        figure: Spread::of(probe.map(|cost| cost.nanos_per_run() - costs.floor.counted)),
        decimals: 0,
        unit: " ns",
        goal: Goal::AtMost(150.0),
    }
}

impl Line {
    fn row(&self) -> String {
        let Self { what, figure, decimals, unit, goal } = self;
        let (sign, bound, is_met): (_, _, fn(f64, f64) -> bool) = match goal {
            Goal::AtLeast(bound) => ("≥", bound, |figure, bound| figure >= bound),
            Goal::AtMost(bound) => ("≤", bound, |figure, bound| figure <= bound),
        };
        match figure {
            Some(figure) => {
                let word = if is_met(figure.median, *bound) { "met" } else { "missed" };
                format!("| {what} | {figure:.decimals$}{unit} | {sign} {bound}{unit} | {word} |")
            }
            None => format!("| {what} | – | {sign} {bound}{unit} | – |"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(figure: Option<f64>, goal: Goal) -> String {
        let figure = Spread::of(figure);
        Line { what: "rr".to_owned(), figure, decimals: 2, unit: " µs", goal }.row()
    }

    #[test]
    fn a_goal_is_met_missed_or_open() {
        assert_eq!(line(Some(0.98), Goal::AtLeast(0.98)), "| rr | 0.98 (0.98–0.98) µs | ≥ 0.98 µs | met |");
        assert!(line(Some(0.97), Goal::AtLeast(0.98)).ends_with("missed |"));
        assert!(line(Some(2.1), Goal::AtMost(2.0)).ends_with("missed |"));
        assert!(line(Some(1.9), Goal::AtMost(2.0)).ends_with("met |"));
        assert_eq!(line(None, Goal::AtMost(2.0)), "| rr | – | ≤ 2 µs | – |");
    }
}
