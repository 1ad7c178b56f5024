//! Whole lives of connections, told as the probes would tell them.

mod answers;
mod conclusions;
mod connections;
mod conversations;
mod interleaving;
mod life;
pub(crate) mod scene;
mod stragglers;
pub(crate) mod talk;
mod translation;
