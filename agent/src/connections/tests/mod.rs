//! Whole lives of connections, told as the probes would tell them.

mod conclusions;
mod connections;
mod conversations;
mod interleaving;
mod life;
mod scene;
mod talk;
mod translation;
