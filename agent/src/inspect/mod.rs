//! What the kernel itself says about Portolan's probes: no running agent is asked, so none need be
//! well. For `portolan probe`.
//!
//! ```text
//! abilities   what this kernel can do
//! running     the agents that have programs in it: cost, maps, losses, probes that are off
//! hooks       where their device programs stand among others
//! trial       every probe tried out, in a network namespace of its own
//! ```

mod abilities;
mod holders;
mod hooks;
mod maps;
mod running;
mod trial;

pub use abilities::{Abilities, Ability};
pub use hooks::{Hook, Standing};
pub use maps::Fill;
pub use running::{Losses, Off, Program, Running};
pub use trial::{Attached, Trial, Tried};

use aya::sys::{Stats, enable_stats};
use std::{io, os::fd::OwnedFd};

/// The kernel does not say.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// Listing programs needs more rights than running them.
    #[error(
        "cannot list the BPF programs of this kernel: that needs root with CAP_SYS_ADMIN, on the node itself"
    )]
    Programs(#[source] aya::programs::ProgramError),
    /// Statistics cannot be switched on.
    #[error(
        "cannot switch on the run-time statistics of BPF programs: that needs CAP_SYS_ADMIN and Linux 5.8"
    )]
    Statistics(#[source] aya::sys::SyscallError),
    /// No network namespace can be entered.
    #[error("cannot enter the network namespace of {whose}")]
    Namespace {
        /// Whose.
        whose: String,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// Devices cannot be listed.
    #[error(transparent)]
    Devices(#[from] crate::capture::DevicesError),
}

/// Run-time statistics, switched on for as long as this is held, whatever ends its holder.
#[derive(Debug)]
#[must_use = "the statistics go off when this is dropped"]
pub struct Statistics {
    _held: OwnedFd,
}

impl Statistics {
    /// Switches them on.
    pub fn on() -> Result<Self, InspectError> {
        enable_stats(Stats::RunTime).map(|held| Self { _held: held }).map_err(InspectError::Statistics)
    }
}
