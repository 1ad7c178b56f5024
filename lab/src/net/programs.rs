//! Running `ip`, `nft` and other programs inside a namespace, with input on stdin and errors that quote it.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::error::{LabError, Result};
use crate::net::netns::Netns;

/// Runs a batch of `ip` lines in one process.
pub(crate) fn ip_batch(place: &Netns, lines: &str) -> Result<()> {
    feed(place, Command::new("ip").args(["-batch", "-"]), lines).map(drop)
}

/// The same for lines that do not tell their family.
pub(crate) fn ip_family_batch(place: &Netns, v4: bool, lines: &str) -> Result<()> {
    let family = if v4 { "-4" } else { "-6" };
    feed(place, Command::new("ip").args([family, "-batch", "-"]), lines).map(drop)
}

/// Loads an nftables script in one transaction.
pub(crate) fn nft(place: &Netns, script: &str) -> Result<()> {
    feed(place, Command::new("nft").args(["-f", "-"]), script).map(drop)
}

/// Runs a program with `input` on stdin and returns its standard output.
pub(crate) fn feed(place: &Netns, command: &mut Command, input: &str) -> Result<String> {
    let program = describe(command);
    let outcome = place.run(|| {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ends before it read everything tells why on stderr; that is the better error.
            if let Err(err) = stdin.write_all(input.as_bytes()) {
                tracing::debug!(%err, "Program closed its input early.");
            }
        }
        child.wait_with_output()
    })?;
    let output = outcome.map_err(|source| LabError::Start { program: program.clone(), source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(LabError::Program {
        program,
        place: place.name().to_owned(),
        status: output.status.to_string(),
        stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        input: input.to_owned(),
    })
}

fn describe(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy().into_owned()));
    words.join(" ")
}
