//! Address blocks and the holes in them (N22, N25, §8).

use super::{Path, report::Report};
use crate::address::parse_cidr;
use crate::shown::quote;
use ipnet::IpNet;
use k8s_openapi::api::networking::v1::IPBlock;

/// How to write a block.
pub(super) const CIDR_MEND: &str = "write an address and a length, such as 10.0.0.0/8 or fd00::/8";

/// The effect of a block that cannot be read.
const MATCHES_NOBODY: &str = "the entry matches nobody";

/// An `ipBlock`.
pub(super) fn check(report: &mut Report<'_>, at: &Path<'_>, block: &IPBlock) {
    let cidr = parse_cidr(&block.cidr);
    if cidr.is_none() {
        let problem = format!("no address block: {}", quote(&block.cidr));
        report.invalid(&at.field("cidr"), problem, CIDR_MEND, MATCHES_NOBODY);
    }
    let list = at.field("except");
    for (index, text) in block.except.iter().flatten().enumerate() {
        let at = list.index(index);
        match (cidr, parse_cidr(text)) {
            (_, None) => {
                let problem = format!("no address block: {}", quote(text));
                report.invalid(&at, problem, CIDR_MEND, MATCHES_NOBODY);
            }
            (Some(cidr), Some(except)) => check_except(report, &at, cidr, except),
            (None, Some(_)) => {}
        }
    }
}

/// A hole is smaller than its block and inside it.
fn check_except(report: &mut Report<'_>, at: &Path<'_>, cidr: IpNet, except: IpNet) {
    if except.contains(&cidr) {
        let problem = format!("the exception {except} takes away all of {cidr}");
        let mend = "write a smaller exception, or take the entry out";
        report.invalid(at, problem, mend, MATCHES_NOBODY);
    } else if !cidr.contains(&except) {
        let problem = format!("the exception {except} is not inside {cidr}");
        report.invalid(at, problem, "write a block inside the cidr, or take it out", "it has no effect");
    }
}
