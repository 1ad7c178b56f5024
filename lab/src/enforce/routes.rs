//! Enforcement by routing: rules that send a pod's traffic to a table without a way. Pure text.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::Route;
use super::cut::{Cut, Direction, Traffic, protocol_number};
use crate::spec::Protocol;

/// Below the main table's rule, so asked before it; room for two per enforcement.
const FIRST_PREFERENCE: usize = 1000;
/// Behind every rule of the kernel's own.
const LAST_PREFERENCE: usize = 40_000;

/// The `ip -batch` script of one family.
pub(crate) fn script(route: Route, number: usize, cut: &Cut<'_>, v4: bool) -> String {
    let table = FIRST_PREFERENCE + number;
    let (preference, behind) = (FIRST_PREFERENCE + 2 * number, LAST_PREFERENCE + number);
    let mut script = format!("route add {} default table {table}\n", kind(route));
    if route == Route::Throw {
        line(&mut script, &format!("rule add pref {behind} lookup default"));
    }
    for (address, traffic) in cut.packets().filter(|(address, _)| address.is_ipv4() == v4) {
        let matched = matched(cut.direction, address, traffic);
        line(&mut script, &format!("rule add pref {preference} {matched} lookup {table}"));
        if route == Route::Throw {
            // What the table throws back must not find the main table, which knows the way.
            line(&mut script, &format!("rule add pref {} {matched} goto {behind}", preference + 1));
        }
    }
    script
}

fn matched(direction: Direction, address: IpAddr, (protocol, port): Traffic) -> String {
    let end = match direction {
        Direction::Egress => "from",
        Direction::Ingress => "to",
    };
    let number = protocol_number(protocol, address.is_ipv4());
    let port = if protocol == Protocol::Icmp { String::new() } else { format!(" dport {port}") };
    format!("{end} {address} ipproto {number}{port}")
}

fn line(script: &mut String, line: &str) {
    writeln!(script, "{line}").expect("a string takes any text");
}

fn kind(route: Route) -> &'static str {
    match route {
        Route::Blackhole => "blackhole",
        Route::Prohibit => "prohibit",
        Route::Unreachable => "unreachable",
        Route::Throw => "throw",
    }
}

#[cfg(test)]
mod tests {
    use super::super::cut::tests::with_cut;
    use super::*;

    #[test]
    fn only_the_traffic_in_question_asks_the_table_without_a_way() {
        let text = with_cut(Direction::Egress, |cut| script(Route::Prohibit, 4, cut, true));
        assert_eq!(
            text,
            "route add prohibit default table 1004\n\
             rule add pref 1008 from 10.244.1.2 ipproto 6 dport 8080 lookup 1004\n\
             rule add pref 1008 from 10.244.1.2 ipproto 1 lookup 1004\n"
        );
    }

    #[test]
    fn what_is_thrown_back_passes_by_the_main_table() {
        let text = with_cut(Direction::Ingress, |cut| script(Route::Throw, 0, cut, true));
        assert!(text.contains("rule add pref 40000 lookup default\n"), "{text}");
        assert!(
            text.contains("rule add pref 1001 to 10.244.1.2 ipproto 6 dport 8080 goto 40000\n"),
            "{text}"
        );
    }
}
