//! The table of `docs/capture.md`, made of the expectations that the matrix tests.

use super::cells::{BRIDGED, Cause, Cell, PROTOCOLS, ROUTED, Way, impossible};
use super::expect::{Expected, expected};
use portolan_lab::{Direction, Protocol};
use std::fmt::Write as _;
use std::{env, fs};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/capture.md");
const BEGIN: &str = "<!-- The table is made by the matrix test: see \"How this is tested\". -->\n";
const END: &str = "<!-- End of the table. -->\n";
/// Set to write the page instead of comparing it.
const WRITE: &str = "PORTOLAN_WRITE_DOCS";

#[test]
fn the_table_of_the_documentation_is_what_is_tested() {
    let page = fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let made = format!("{before}{BEGIN}{}{END}{after}", table());
    if env::var_os(WRITE).is_some() {
        fs::write(PAGE, made).unwrap();
    } else {
        assert!(page == made, "docs/capture.md is not what is tested: run this test with {WRITE}=1");
    }
}

/// Kinds of packets that are told alike.
#[derive(PartialEq, Eq)]
struct Alike {
    protocols: Vec<Protocol>,
    families: Vec<bool>,
    expected: Expected,
}

fn table() -> String {
    let mut table = String::from(
        "| what stands in the way | of what the pod | protocols | outcome | `drop_reason` | `drop_location` | verdict, policies admit | verdict, policies deny |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    let of_bridges = BRIDGED.iter().filter(|cause| !ROUTED.contains(cause));
    for cause in ROUTED.iter().chain(of_bridges) {
        rows(*cause, &mut table);
    }
    table
}

fn rows(cause: Cause, table: &mut String) {
    let [sends, receives] = [Direction::Egress, Direction::Ingress].map(|direction| alike(cause, direction));
    let sides: &[(&str, Vec<Alike>)] = &if sends == receives {
        vec![("sends or receives", sends)]
    } else {
        vec![("sends", sends), ("receives", receives)]
    };
    for (side, all) in sides {
        for alike in all {
            let code = |text: Option<&str>| text.map_or("–".to_owned(), |text| format!("`{text}`"));
            let Expected { outcome, reason, location, .. } = alike.expected;
            let denied = if cause == Cause::NoSuchPod { None } else { Some(verdict(alike.expected, true)) };
            writeln!(
                table,
                "| {} | {side} | {} | `{}` | {} | {} | `{}` | {} |",
                cause.name(),
                protocols(alike),
                json(outcome),
                code(reason),
                code(location),
                verdict(alike.expected, false),
                code(denied.as_deref()),
            )
            .unwrap();
        }
    }
}

/// What can be told of a cause on one side, alike things together.
fn alike(cause: Cause, direction: Direction) -> Vec<Alike> {
    let mut all: Vec<Alike> = Vec::new();
    for protocol in PROTOCOLS {
        let cell = |v4| Cell { bridged: false, cause, direction, protocol, v4, way: Way::Near };
        if impossible(cell(true)).is_some() {
            continue;
        }
        let [v4, v6] = [true, false].map(|v4| expected(cell(v4)));
        let kinds =
            if v4 == v6 { vec![(vec![true, false], v4)] } else { vec![(vec![true], v4), (vec![false], v6)] };
        for (families, expected) in kinds {
            let known = all.iter_mut().find(|alike| alike.families == families && alike.expected == expected);
            match known {
                Some(alike) => alike.protocols.push(protocol),
                None => all.push(Alike { protocols: vec![protocol], families, expected }),
            }
        }
    }
    all
}

fn protocols(alike: &Alike) -> String {
    let family = match alike.families.as_slice() {
        [true] => "IPv4: ",
        [false] => "IPv6: ",
        _ => "",
    };
    let names: Vec<&str> = alike.protocols.iter().map(|protocol| protocol.as_str()).collect();
    let all = alike.protocols == PROTOCOLS;
    format!("{family}{}", if all { "all".to_owned() } else { names.join(", ") })
}

fn verdict(expected: Expected, denied: bool) -> String {
    json(expected.verdict(denied))
}

/// A word as it stands in a flow.
fn json(word: impl serde::Serialize) -> String {
    serde_json::to_value(word).unwrap().as_str().unwrap().to_owned()
}
