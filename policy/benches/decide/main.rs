//! Decisions per second in a large cluster, and what building, changing and keeping it costs.
//!
//! ```text
//! Generator -> objects -> [ Cluster ] <- questions: as traffic goes, anyone to anyone
//!                │            decide ─────────────> ns, beside smaller clusters
//!                │            change ─────────────> µs, bytes per version; then compared with one built afresh
//!                └─────> [ baseline ] ────────────> ns for a sample, whose answers must be the same
//! ```
//! One thread, measured by its processor time, so that other programs disturb less.

mod build;
mod calls;
mod change;
mod changes;
mod check;
mod clock;
mod cluster;
mod footprint;
mod memory;
#[path = "../../tests/naive/mod.rs"]
mod naive;
mod questions;
mod random;
mod report;
mod speed;
mod spread;

use anyhow::{Context as _, Result};
use cluster::{Size, World};
use report::Report;
use speed::Ground;
use std::{
    env,
    io::{self, Write as _},
};

/// How much is measured.
struct Plan {
    /// The sizes, the largest last, each with the questions in one batch of the baseline's.
    sizes: Vec<(Size, usize)>,
    /// The size whose objects are read from text: the largest takes too long for what it tells.
    text: Size,
    questions: usize,
    passes: usize,
    builds: usize,
    /// Which part of the changes is made.
    part: usize,
}

impl Plan {
    fn measurement() -> Self {
        Self {
            sizes: [(1_000, 100), (10_000, 30), (100_000, 4)]
                .map(|(pods, batch)| (Size { pods }, batch))
                .to_vec(),
            text: Size { pods: 10_000 },
            questions: 1_000_000,
            passes: 5,
            builds: 3,
            part: 1,
        }
    }

    /// Only that the benchmark works.
    fn trial() -> Self {
        let size = Size { pods: 1_000 };
        Self { sizes: vec![(size, 20)], text: size, questions: 5_000, passes: 2, builds: 1, part: 100 }
    }
}

fn main() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    if let [word, pods] = words.as_slice()
        && word == footprint::WORD
    {
        return footprint::child(Size { pods: pods.parse()? });
    }
    // Without cargo's word for it this is a trial that the benchmark works, as among tests.
    let measures = words.iter().any(|word| word == "--bench");
    let report = run(&if measures { Plan::measurement() } else { Plan::trial() })?;
    io::stdout().write_all(report.text().as_bytes())?;
    Ok(())
}

fn run(plan: &Plan) -> Result<Report> {
    tell("making the clusters")?;
    let worlds: Vec<World> = plan.sizes.iter().map(|(size, _)| World::new(*size)).collect();
    let world = worlds.last().context("a plan has a size")?;
    let footprint = footprint::measure(world.size)?;
    tell("building")?;
    let read = build::read(&World::new(plan.text))?;
    let built = build::measure(world, plan.builds)?;
    let grounds =
        worlds.iter().map(|world| Ground::new(world, plan.questions)).collect::<Result<Vec<_>>>()?;
    let ground = grounds.last().context("a plan has a size")?;
    tell("deciding")?;
    let lanes = speed::race(&grounds, plan.passes)?;
    tell("the baseline")?;
    let compared = compare(plan, &worlds, &grounds)?;
    tell("changing")?;
    let [_, (_, anyone)] = &ground.questions;
    let sample = &anyone[..anyone.len() / 10];
    let changed = changes::measure(&world.objects, &ground.cluster, sample, plan.part)?;

    let sizes: Vec<Size> = worlds.iter().map(|world| world.size).collect();
    let mut report = Report::default();
    report.opening(world.size, plan.questions, plan.passes);
    report.speed(&lanes, &compared, world.size);
    report.growth(&lanes, &compared, &sizes);
    report.built(world.size, &built, footprint, &read);
    report.changes(&changed);
    Ok(report)
}

/// The baseline on every size.
fn compare(plan: &Plan, worlds: &[World], grounds: &[Ground]) -> Result<Vec<check::Compared>> {
    let mut compared = Vec::new();
    for ((world, ground), (_, batch)) in worlds.iter().zip(grounds).zip(&plan.sizes) {
        compared.extend(check::compare(world, ground, *batch)?);
    }
    Ok(compared)
}

/// What is being done, for who waits.
fn tell(what: &str) -> Result<()> {
    writeln!(io::stderr(), "{what} …")?;
    Ok(())
}
