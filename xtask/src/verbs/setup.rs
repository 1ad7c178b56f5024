//! `cargo xtask setup`: everything that the other verbs need, and a word on each.

use crate::error::Failure;
use crate::needs::Need;
use crate::probe;
use crate::provide;
use crate::say;
use crate::toolchain::Toolchain;

/// Provides all needs.
pub(crate) fn run(toolchain: &Toolchain) -> Result<(), Failure> {
    let facts = probe::gather(Need::ALL, toolchain);
    let (there, missing): (Vec<Need>, Vec<Need>) = Need::ALL.iter().partition(|need| facts.meets(**need));
    for need in there {
        say::line(format_args!("has {need}"));
    }
    for need in missing {
        say::line(format_args!("lacks {need}"));
    }
    provide::provide("setup", Need::ALL, toolchain)?;
    say::line(format_args!("everything is there"));
    Ok(())
}
