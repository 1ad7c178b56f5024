//! Metrics as the agent serves them: fetched and read.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::BenchError;
use super::scene::{METRICS, NODE, Scene};

const PATIENCE: Duration = Duration::from_secs(5);

/// One page of metrics.
#[derive(Debug)]
pub(super) struct Page(String);

impl Page {
    /// Fetches the page from the agent in the node.
    pub(super) fn fetch(scene: &Scene) -> Result<Self, BenchError> {
        let get = || -> io::Result<String> {
            let mut stream = TcpStream::connect(METRICS)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            write!(stream, "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", METRICS.0)?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok(text)
        };
        let text = scene.lab.within(NODE, get)?;
        text.map(Self).map_err(|source| BenchError::Read { path: "the agent's /metrics".to_owned(), source })
    }

    /// The values of a metric, each with the value of its only label, or with nothing.
    pub(super) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.lines().filter_map(move |line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = rest.rsplit_once(' ')?;
            let label = match labels {
                "" => "",
                _ => labels.strip_prefix('{')?.strip_suffix("\"}")?.split_once("=\"")?.1,
            };
            Some((label, value.parse().ok()?))
        })
    }

    /// The sum over all labels.
    pub(super) fn sum(&self, name: &str) -> f64 {
        self.values(name).map(|(_, value)| value).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_with_their_label() {
        let page = Page(
            "HTTP/1.1 200 OK\r\n\r\n# TYPE a_flows counter\na_flows_total{verdict=\"allowed\"} 7\n\
             a_flows_total{verdict=\"denied\"} 2\na_flows_total_of_others 5\na_open 3\n# EOF\n"
                .to_owned(),
        );
        let flows: Vec<_> = page.values("a_flows_total").collect();
        assert_eq!(flows, [("allowed", 7.0), ("denied", 2.0)]);
        assert!((page.sum("a_open") - 3.0).abs() < f64::EPSILON);
        assert!(page.sum("a_missing").abs() < f64::EPSILON);
    }
}
