//! Soak: very many short connections past one agent, over the same ports again and again. What it printed is counted
//! against what the client did, and its memory must not go on growing.

use std::io::Write;
use std::path::PathBuf;
use std::thread;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::agent::{Agent, Flows};
use super::figures::grouped;
use super::load;
use super::rounds::Check;
use super::scene::Scene;
use super::{BenchError, say};

/// The connections come in so many parts, with a look at the agent after each.
const PARTS: u64 = 4;

/// What to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// The `portolan` program.
    pub portolan: PathBuf,
    /// Connections to open.
    pub connections: u64,
    /// By how much the agent's resident memory may have grown since the first of the parts, in bytes.
    pub growth: u64,
}

/// Soaks, and writes what came of it to `out`. True when every connection is in a flow or counted as lost, nothing is told
/// twice, and memory does not go on growing.
pub fn run(options: &Options, out: &mut dyn Write) -> Result<bool, BenchError> {
    let scene = Scene::build()?;
    // Flows are counted as they come: those of a million connections would fill the memory.
    mkfifo(&scene.flows(), Mode::S_IRUSR | Mode::S_IWUSR).map_err(|errno| BenchError::Write {
        what: scene.flows().display().to_string(),
        source: errno.into(),
    })?;
    let path = scene.flows();
    let counting = thread::spawn(move || Flows::count(&path));
    let agent = Agent::start(&scene, &options.portolan)?;
    let mut attempts = 0;
    say(out, "| connections | flows so far | resident memory, MB | at the most |\n|---|---|---|---|")?;
    say(out, &row(attempts, agent.settle()?, agent.memory()?))?;
    let mut resident = Vec::new();
    for part in 0..PARTS {
        let until = options.connections * (part + 1) / PARTS;
        attempts += load::churn(&scene, until.saturating_sub(attempts))?.attempts;
        let (told, memory) = (agent.settle()?, agent.memory()?);
        resident.push(memory[0]);
        say(out, &row(attempts, told, memory))?;
    }
    let grown = growth(&resident);
    agent.end()?;
    let flows = counting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    let check = Check { attempts, flows };
    say(out, &format!("\n{}", verdict(check, grown, options.growth)))?;
    Ok(check.holds() && grown <= options.growth)
}

/// From the first look to the last: what is held for longer than a part grows with every part.
fn growth(resident: &[u64]) -> u64 {
    match resident {
        [first, .., last] => last.saturating_sub(*first),
        _ => 0,
    }
}

fn row(connections: u64, flows: u64, memory: [u64; 2]) -> String {
    let [now, most] = memory.map(|bytes| bytes as f64 / 1e6);
    format!("| {} | {} | {now:.1} | {most:.1} |", grouped(connections as f64), grouped(flows as f64))
}

fn verdict(check: Check, grown: u64, bound: u64) -> String {
    let Check { attempts, flows: Flows { attempts: told, lost, foreign } } = check;
    let count = |number: u64| grouped(number as f64);
    let even = if check.holds() { "Even" } else { "NOT EVEN" };
    let bounded = if grown <= bound { "within" } else { "BEYOND" };
    format!(
        "{even}: {} attempts by the client, {} in flows, {} records counted as lost, {} flows of others. Memory grew \
         by {:.1} MB after the first part, {bounded} its {:.0} MB.",
        count(attempts),
        count(told),
        count(lost),
        count(foreign),
        grown as f64 / 1e6,
        bound as f64 / 1e6,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_come_out_even_is_told() {
        let check = |told, lost| Check { attempts: 10, flows: Flows { attempts: told, lost, foreign: 0 } };
        assert!(verdict(check(10, 0), 5, 10).starts_with("Even: 10 attempts by the client, 10 in flows"));
        assert!(verdict(check(9, 0), 5, 10).starts_with("NOT EVEN"));
        assert!(verdict(check(9, 1), 5, 10).starts_with("Even"));
        assert!(verdict(check(10, 0), 11, 10).contains("BEYOND"));
    }

    #[test]
    fn memory_that_goes_on_growing_is_told_from_memory_that_was_needed_once() {
        assert_eq!(growth(&[45, 46, 44, 47]), 2);
        assert_eq!(growth(&[45, 55, 65, 75]), 30);
        assert_eq!(growth(&[45, 40, 40, 40]), 0);
    }
}
