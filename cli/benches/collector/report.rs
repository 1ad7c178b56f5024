//! The figures as Markdown.

use crate::{Options, Scale, history::History, rounds::Round};
use portolan_lab::bench::figures::{Spread, grouped};
use std::{fmt::Write as _, fs, thread, time::Duration};

const MEBI: f64 = 1_048_576.0;

/// The rounds of one kind.
pub(crate) type Rounds = Vec<Round>;

/// All tables.
pub(crate) fn render(
    options: &Options,
    scales: &[Scale],
    naive: &Rounds,
    history: &History,
    took: Duration,
) -> String {
    [heading(options, took), beside(options, scales, naive), growth(options, scales), past(history)]
        .join("\n")
}

fn heading(options: &Options, took: Duration) -> String {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{processors} processors, kernel {}; {} s in all. A round is {} attempts. A figure is the median of the undisturbed rounds, \
         with the quartiles.\n",
        kernel.trim(),
        took.as_secs(),
        grouped(options.attempts as f64),
    )
}

/// The rounds that count.
fn kept<'a>(rounds: &'a [Round], options: &'a Options) -> impl Iterator<Item = &'a Round> + Clone {
    rounds.iter().filter(|round| !round.is_disturbed(options))
}

fn spread(rounds: &[Round], options: &Options, of: fn(&Round) -> f64, decimals: usize) -> String {
    let spread = Spread::of(kept(rounds, options).map(of));
    spread.map_or_else(|| "–".to_owned(), |spread| format!("{spread:.decimals$}"))
}

fn rate(rounds: &[Round], options: &Options) -> String {
    let spread = Spread::of(kept(rounds, options).map(Round::rate));
    spread.map_or_else(|| "–".to_owned(), |spread| grouped(spread.median))
}

fn rounds_kept(rounds: &[Round], options: &Options) -> String {
    format!("{} of {}", kept(rounds, options).count(), rounds.len())
}

fn beside(options: &Options, scales: &[Scale], naive: &Rounds) -> String {
    let mut table = String::from(
        "| | CPU µs per record | of it in the kernel | records per s | bytes per record on the wire | CPU µs per record of who sends \
         | rounds kept |\n|---|---|---|---|---|---|---|\n",
    );
    let compared = scales.iter().filter(|scale| scale.edges == options.compared());
    let collector = compared.map(|scale| ("the collector, acknowledged when durable", &scale.rounds));
    for (name, rounds) in collector.chain([("baseline: a message per record, counted in a map", naive)]) {
        writeln!(
            table,
            "| {name} | {} | {} | {} | {} | {} | {} |",
            spread(rounds, options, Round::cost, 2),
            spread(rounds, options, Round::in_kernel, 2),
            rate(rounds, options),
            spread(rounds, options, Round::size, 1),
            spread(rounds, options, Round::sending, 2),
            rounds_kept(rounds, options),
        )
        .expect("a string takes any text");
    }
    table
}

fn growth(options: &Options, scales: &[Scale]) -> String {
    let mut table = String::from(
        "| edges | CPU µs per record | records per s | bytes per record on the wire | in blocks on disk | resident MiB after, at the most \
         | graph of the day: edges | the 1000 busiest, ms | all, ms | rounds kept |\n|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for Scale { edges, rounds, memory: [now, most], stored, graph } in scales {
        writeln!(
            table,
            "| {} | {} | {} | {} | {stored:.1} | {:.0}, {:.0} | {} | {} | {} | {} |",
            grouped(*edges as f64),
            spread(rounds, options, Round::cost, 2),
            rate(rounds, options),
            spread(rounds, options, Round::size, 1),
            *now as f64 / MEBI,
            *most as f64 / MEBI,
            grouped(graph.edges as f64),
            millis(&graph.most),
            millis(&graph.all),
            rounds_kept(rounds, options),
        )
        .expect("a string takes any text");
    }
    table
}

fn past(history: &History) -> String {
    let History { flows, blocks, flow_bytes, folder, records, answers, starts, memory: [now, most] } =
        history;
    let each = |bytes: u64| bytes as f64 / *records as f64;
    let mut text = format!(
        "With a history of {} records, which are {} flows in {} blocks: {:.1} bytes per record in blocks, {:.1} with all else in the \
         folder, {:.0} MiB. Resident {:.0} MiB, {:.0} at the most.\n\n| with that history | flows | ms |\n|---|---|---|\n",
        grouped(*records as f64),
        grouped(*flows as f64),
        grouped(*blocks as f64),
        each(*flow_bytes),
        each(*folder),
        *folder as f64 / MEBI,
        *now as f64 / MEBI,
        *most as f64 / MEBI,
    );
    for answer in answers {
        let flows = grouped(answer.flows as f64);
        writeln!(text, "| {} | {flows} | {} |", answer.question, millis(&answer.took))
            .expect("a string takes any text");
    }
    writeln!(
        text,
        "| start after SIGKILL, to the first answer | {} | {} |",
        grouped(*flows as f64),
        millis(starts)
    )
    .expect("a string takes any text");
    text
}

fn millis(times: &[Duration]) -> String {
    let spread = Spread::of(times.iter().map(|time| time.as_secs_f64() * 1e3));
    spread.map_or_else(|| "–".to_owned(), |spread| format!("{spread:.1}"))
}
