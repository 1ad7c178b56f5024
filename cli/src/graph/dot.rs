//! The graph in the language of Graphviz.

use super::drawing::{Drawing, Link, Node, color};
use portolan_policy::Verdict;
use portolan_proto::graph::Edge;

const HEAD: &str = "\
digraph portolan {
  graph [rankdir=LR, fontname=\"Helvetica\"];
  node [shape=box, style=rounded, fontname=\"Helvetica\", fontsize=11];
  edge [fontname=\"Helvetica\", fontsize=9];";

/// A drawing of the edges.
pub(super) fn draw(edges: &[Edge]) -> String {
    let drawing = Drawing::new(edges);
    let mut lines = vec![HEAD.to_owned()];
    for (number, (namespace, members)) in drawing.groups.iter().enumerate() {
        let nodes = members.iter().map(|member| node(*member, &drawing.nodes[*member]));
        let Some(namespace) = namespace else {
            lines.extend(nodes.map(|node| format!("  {node}")));
            continue;
        };
        lines.push(format!("  subgraph cluster_{number} {{"));
        lines.push(format!("    label={};", quoted([*namespace])));
        lines.extend(nodes.map(|node| format!("    {node}")));
        lines.push("  }".to_owned());
    }
    lines.extend(drawing.links.iter().map(link));
    lines.push("}".to_owned());
    lines.join("\n")
}

fn node(number: usize, Node { lines, inside }: &Node) -> String {
    let shape = if *inside { "" } else { ", shape=ellipse" };
    format!("n{number} [label={}{shape}];", quoted(lines))
}

fn link(Link { from, to, lines, verdict, broken }: &Link) -> String {
    let color = color(*verdict);
    let style = if *broken { ", style=dashed" } else { "" };
    let width = if *verdict == Verdict::Unenforced { ", penwidth=3" } else { "" };
    let label = quoted(lines);
    format!("  n{from} -> n{to} [label={label}, color=\"{color}\", fontcolor=\"{color}\"{style}{width}];")
}

/// A string of the language that shows these lines.
fn quoted(lines: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let lines: Vec<_> = lines.into_iter().map(|line| escaped(line.as_ref())).collect();
    format!("\"{}\"", lines.join("\\n"))
}

/// A backslash begins an escape, a quote ends the string and an ampersand begins a letter's name.
fn escaped(text: &str) -> String {
    let escape = |letter: char| match letter {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '&' => "&amp;".to_owned(),
        letter if letter.is_control() => char::REPLACEMENT_CHARACTER.to_string(),
        letter => letter.to_string(),
    };
    text.chars().map(escape).collect()
}
