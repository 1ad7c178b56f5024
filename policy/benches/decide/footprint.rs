//! The memory that a process grows by when it takes in a cluster, in a process of its own.
//!
//! The objects come one namespace at a time and go again at once, as a watch brings them, so that what the kernel
//! counts is the cluster and little else.

use crate::{
    cluster::{Generator, Size},
    memory,
};
use anyhow::{Context as _, Result, ensure};
use portolan_policy::Cluster;
use std::{
    env,
    hint::black_box,
    io::{self, Write as _},
    process::Command,
};

/// What tells the program that it is that process.
pub(crate) const WORD: &str = "--footprint";

/// Takes in a cluster and prints by how many bytes the process grew.
pub(crate) fn child(size: Size) -> Result<()> {
    // The first part brings what any generator needs.
    let mut parts = Generator::new(size);
    let first = parts.next();
    let before = memory::resident()?;
    let mut cluster = Cluster::default();
    for part in first.into_iter().chain(parts) {
        for object in part.objects {
            cluster.apply(object)?;
        }
    }
    let grown = memory::resident()? - before;
    black_box(&cluster);
    writeln!(io::stdout(), "{grown}")?;
    Ok(())
}

/// Runs this program as that process.
pub(crate) fn measure(size: Size) -> Result<isize> {
    let program = env::current_exe()?;
    let output = Command::new(program).arg(WORD).arg(size.pods.to_string()).output()?;
    ensure!(output.status.success(), "the process for the footprint failed: {}", output.status);
    String::from_utf8(output.stdout)?
        .trim()
        .parse()
        .context("the process for the footprint printed no number")
}
