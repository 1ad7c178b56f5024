//! The graph in the language of Mermaid, which Markdown pages draw.

use super::drawing::{Drawing, Link, Node, color};
use portolan_policy::Verdict;
use portolan_proto::graph::Edge;

/// So many links Mermaid draws where its page does not allow for more (`maxEdges`).
pub(super) const DRAWN: usize = 500;

/// A drawing of the edges.
pub(super) fn draw(edges: &[Edge]) -> String {
    let drawing = Drawing::new(edges);
    let mut lines = vec!["flowchart LR".to_owned()];
    for (number, (namespace, members)) in drawing.groups.iter().enumerate() {
        let nodes = members.iter().map(|member| node(*member, &drawing.nodes[*member]));
        let Some(namespace) = namespace else {
            lines.extend(nodes.map(|node| format!("  {node}")));
            continue;
        };
        lines.push(format!("  subgraph g{number}[{}]", quoted([*namespace])));
        lines.extend(nodes.map(|node| format!("    {node}")));
        lines.push("  end".to_owned());
    }
    lines.extend(drawing.links.iter().map(link));
    lines.extend(Verdict::ALL.into_iter().filter_map(|verdict| style(verdict, &drawing.links)));
    lines.join("\n")
}

fn node(number: usize, Node { lines, inside }: &Node) -> String {
    let label = quoted(lines);
    if *inside { format!("n{number}[{label}]") } else { format!("n{number}([{label}])") }
}

fn link(Link { from, to, lines, broken, .. }: &Link) -> String {
    let arrow = if *broken { "-.->" } else { "-->" };
    format!("  n{from} {arrow}|{}| n{to}", quoted(lines))
}

/// One line for all links of a verdict.
fn style(verdict: Verdict, links: &[Link]) -> Option<String> {
    let with = links.iter().enumerate().filter(|(_, link)| link.verdict == verdict);
    let numbers = with.map(|(number, _)| number.to_string()).collect::<Vec<_>>().join(",");
    let width = if verdict == Verdict::Unenforced { ",stroke-width:4px" } else { "" };
    (!numbers.is_empty()).then(|| format!("  linkStyle {numbers} stroke:{}{width}", color(verdict)))
}

/// A string of the language that shows these lines.
fn quoted(lines: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let lines: Vec<_> = lines.into_iter().map(|line| escaped(line.as_ref())).collect();
    format!("\"{}\"", lines.join("<br/>"))
}

/// Letters that could mean something stand by their number; Mermaid, Markdown and HTML all read a label.
fn escaped(text: &str) -> String {
    let escape = |letter: char| match letter {
        letter if letter.is_ascii_alphanumeric() || " ./:,-".contains(letter) => letter.to_string(),
        letter if letter.is_control() => char::REPLACEMENT_CHARACTER.to_string(),
        letter => format!("#{};", u32::from(letter)),
    };
    text.chars().map(escape).collect()
}
