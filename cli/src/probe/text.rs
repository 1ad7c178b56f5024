//! The report for people.

use super::Report;
use crate::render::table;
use portolan_agent::inspect::{Abilities, Hook, Running, Standing, Trial};

impl Report {
    pub(super) fn text(&self) -> String {
        let mut parts = vec![kernel(&self.kernel)];
        parts.extend(self.agents.iter().map(|found| agent(found, self.measured_seconds)));
        if self.agents.is_empty() {
            parts.push("No agent has programs in this kernel.".to_owned());
        }
        parts.extend(self.trial.as_ref().map(trial));
        parts.join("\n\n")
    }
}

fn kernel(Abilities { release, abilities }: &Abilities) -> String {
    let mut rows = vec![head(["KERNEL", "", "FOUND", "USED FOR"])];
    rows.extend(abilities.iter().map(|ability| {
        let words = [ability.name, yes(ability.available), ability.detail.as_str(), ability.used_for];
        words.map(str::to_owned)
    }));
    format!("Linux {release}\n\n{}", table(&rows))
}

fn agent(found: &Running, measured: Option<u64>) -> String {
    let whose = match (found.process, found.netns) {
        (Some(process), Some(netns)) => format!("Agent: process {process}, network namespace {netns}"),
        (Some(process), None) => format!("Agent: process {process}"),
        (None, _) => "Left behind: no process that can be seen holds these programs".to_owned(),
    };
    let mut parts = vec![whose, programs(found, measured), devices(&found.devices), maps(found), lost(found)];
    parts.extend(
        found.off.iter().map(|off| format!("{} is off. Not seen without it: {}.", off.probe, off.lost)),
    );
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

fn programs(found: &Running, measured: Option<u64>) -> String {
    let runs = measured.map_or_else(|| "RUNS".to_owned(), |seconds| format!("RUNS IN {seconds}s"));
    let mut rows =
        vec![["PROGRAM".to_owned(), "ID".to_owned(), runs, "NS/RUN".to_owned(), "MISSED".to_owned()]];
    rows.extend(found.programs.iter().map(|program| {
        let each = program.nanos_per_run.map_or_else(|| "-".to_owned(), |nanos| nanos.to_string());
        [
            program.probe.to_owned(),
            program.id.to_string(),
            program.runs.to_string(),
            each,
            program.missed.to_string(),
        ]
    }));
    table(&rows)
}

fn devices(hooks: &[Hook]) -> String {
    if hooks.is_empty() {
        return "Attached to no device.".to_owned();
    }
    let mut rows = vec![head(["DEVICE", "INDEX", "SIDE", "PROGRAMS IN ORDER"])];
    rows.extend(hooks.iter().map(|hook| {
        let order: Vec<_> = hook.order.iter().map(standing).collect();
        [hook.device.clone(), hook.ifindex.to_string(), hook.direction.to_owned(), order.join(", ")]
    }));
    table(&rows)
}

fn standing(Standing { hook, program, id, priority, ours }: &Standing) -> String {
    let id = id.map(|id| format!(" {id}")).unwrap_or_default();
    let priority = priority.map(|priority| format!(" priority {priority}")).unwrap_or_default();
    let whose = if *ours { "" } else { " (not ours)" };
    format!("{hook}{priority} {program}{id}{whose}")
}

fn maps(found: &Running) -> String {
    let mut rows = vec![head(["MAP", "USED", "OF", ""])];
    rows.extend(
        found
            .maps
            .iter()
            .map(|map| [map.map.clone(), map.used.to_string(), map.size.to_string(), map.unit.to_owned()]),
    );
    table(&rows)
}

fn lost(found: &Running) -> String {
    let mut rows = vec![head(["LOST IN THE KERNEL", "COUNT"])];
    rows.extend(found.lost.iter().map(|lost| [lost.cause.to_owned(), lost.count.to_string()]));
    table(&rows)
}

fn trial(Trial { probes, attaching, .. }: &Trial) -> String {
    let mut rows = vec![head(["TRIED", "", "WHY NOT, OR WHAT IT TAKES"])];
    rows.extend(probes.iter().map(|tried| {
        let why = match &tried.reason {
            Some(reason) => format!("{reason}; not seen without it: {}", tried.lost),
            None => String::new(),
        };
        [tried.probe.to_owned(), yes(tried.works).to_owned(), why]
    }));
    rows.extend(attaching.iter().map(|way| {
        let took = way.attach_micros.map(|micros| format!("{micros} µs for each device"));
        let detail = way.reason.clone().or(took).unwrap_or_default();
        [format!("attaching by {}", way.hook), yes(way.works).to_owned(), detail]
    }));
    table(&rows)
}

fn head<const N: usize>(words: [&str; N]) -> [String; N] {
    words.map(str::to_owned)
}

const fn yes(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}
