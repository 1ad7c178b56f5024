//! The table at the end: each verdict, how many attempts, by which policies. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::flow::{FlowLine, SideLine};

/// The order in which a reader wants them.
const ORDER: [&str; 7] = ["allowed", "denied", "unenforced", "blocked", "failed", "settling", "undecided"];

/// Renders flows as lines of verdict, attempts and policies.
pub(super) fn render(flows: &[FlowLine]) -> String {
    let mut table = String::new();
    writeln!(table, "{:<11} {:>8}  BY WHICH POLICIES", "VERDICT", "ATTEMPTS")
        .expect("a string takes any text");
    for verdict in verdicts(flows) {
        let mut by: BTreeMap<String, u64> = BTreeMap::new();
        for flow in flows.iter().filter(|flow| flow.verdict == verdict) {
            *by.entry(policies(flow)).or_default() += flow.attempts;
        }
        let total: u64 = by.values().sum();
        let mut rows: Vec<(String, u64)> = by.into_iter().collect();
        rows.sort_by(|(name, count), (other, more)| more.cmp(count).then_with(|| name.cmp(other)));
        for (number, (policies, count)) in rows.into_iter().enumerate() {
            let (verdict, total) =
                if number == 0 { (verdict, total.to_string()) } else { ("", String::new()) };
            writeln!(table, "{verdict:<11} {total:>8}  {count:>4} × {policies}")
                .expect("a string takes any text");
        }
    }
    table
}

/// The verdicts that occur, known ones first.
fn verdicts(flows: &[FlowLine]) -> Vec<&str> {
    let mut found: Vec<&str> = flows.iter().map(|flow| flow.verdict.as_str()).collect();
    found.sort_by_key(|verdict| {
        (ORDER.iter().position(|known| known == verdict).unwrap_or(ORDER.len()), *verdict)
    });
    found.dedup();
    found
}

/// The policies that decided: those that deny where one side denies, else those that admit.
fn policies(flow: &FlowLine) -> String {
    let sides = [("egress", &flow.egress), ("ingress", &flow.ingress)];
    let of = |verdict: &str| -> Vec<String> {
        let deciding = sides.iter().filter(|(_, side)| side.verdict == verdict);
        deciding.map(|(name, side)| format!("{name} {}", names(side))).collect()
    };
    let denied = of("denied");
    let deciding = if denied.is_empty() { of("admitted") } else { denied };
    if deciding.is_empty() { "no policy".to_owned() } else { deciding.join("; ") }
}

fn names(side: &SideLine) -> String {
    side.names().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::flow::tests::EXAMPLE;
    use super::*;

    #[test]
    fn each_verdict_is_counted_by_its_policies() {
        let allowed: FlowLine = serde_json::from_str(EXAMPLE).unwrap();
        let mut plain = allowed.clone();
        plain.ingress = plain.egress.clone();
        let mut denied = allowed.clone();
        (denied.verdict, denied.attempts) = ("denied".to_owned(), 1);
        denied.ingress.verdict = "denied".to_owned();
        denied.egress = denied.ingress.clone();
        let table = render(&[denied, plain.clone(), allowed, plain]);
        assert_eq!(
            table,
            "VERDICT     ATTEMPTS  BY WHICH POLICIES\n\
             allowed            9     6 × no policy\n\
             \x20                        3 × ingress shop/db\n\
             denied             1     1 × egress shop/db; ingress shop/db\n"
        );
    }
}
