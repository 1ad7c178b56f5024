//! DNS answers that were told, so that `domainNames` can be asked about without a cluster.

use anyhow::{Context as _, anyhow};
use clap::Args;
use portolan_policy::Cluster;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

/// Where names lead to.
#[derive(Debug, Args)]
pub(super) struct DnsArgs {
    /// Where a name leads to, for `domainNames` of policies; may be given many times. All that is
    /// told is taken as complete.
    #[arg(long, value_name = "NAME=IP[,IP]")]
    dns: Vec<DnsAnswer>,
    /// The same from a file, one `{"name":"…","ips":["…"]}` on each line.
    #[arg(long, value_name = "FILE")]
    dns_file: Option<PathBuf>,
}

/// The addresses that a name leads to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct DnsAnswer {
    name: String,
    ips: Vec<IpAddr>,
}

impl FromStr for DnsAnswer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, ips) = text.split_once('=').ok_or("write NAME=IP or NAME=IP,IP")?;
        if name.is_empty() {
            return Err("no name stands before `=`; write NAME=IP or NAME=IP,IP".to_owned());
        }
        check_whole(name)?;
        let ip = |text: &str| text.parse().map_err(|_not| format!("`{text}` is no address"));
        Ok(Self { name: name.to_owned(), ips: ips.split(',').map(ip).collect::<Result<_, _>>()? })
    }
}

/// An answer is about one name; patterns stand in policies.
fn check_whole(name: &str) -> Result<(), String> {
    if name.contains('*') {
        return Err(format!("`{name}` is a pattern, and an answer is about one name; write it without `*`"));
    }
    Ok(())
}

impl DnsArgs {
    /// Tells the cluster all answers; those for one name are taken together.
    pub(super) fn tell(self, cluster: &mut Cluster) -> anyhow::Result<()> {
        let of_file = self.dns_file.as_deref().map(read).transpose()?;
        let mut names: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
        for DnsAnswer { name, ips } in self.dns.into_iter().chain(of_file.into_iter().flatten()) {
            let name = name.trim_end_matches('.').to_lowercase();
            names.entry(name).or_default().extend(ips);
        }
        for (name, ips) in names {
            cluster.set_dns_answers(&name, ips);
        }
        Ok(())
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<DnsAnswer>> {
    let file = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read the DNS answers {file}"))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| {
            let no_answer = |problem: String| anyhow!("{file}: line {} is no DNS answer: {problem}", at + 1);
            let answer: DnsAnswer = serde_json::from_str(line).map_err(|error| {
                let form = r#"{"name":"api.example.com","ips":["198.51.100.7"]}"#;
                no_answer(format!("{error}; write such as {form}"))
            })?;
            check_whole(&answer.name).map_err(no_answer)?;
            Ok(answer)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_one_address_or_more() {
        let answer: DnsAnswer = "api.example.com=198.51.100.7,2001:db8::1".parse().unwrap();
        assert_eq!(answer.name, "api.example.com");
        assert_eq!(answer.ips, ["198.51.100.7", "2001:db8::1"].map(|ip| ip.parse::<IpAddr>().unwrap()));
        for text in ["", "api", "=1.1.1.1", "api=", "api=1.1.1.1,", "api=1.1.1.256", "*.example.com=1.1.1.1"]
        {
            assert!(text.parse::<DnsAnswer>().is_err(), "{text:?}");
        }
    }
}
