//! The kernel side of a lab: network namespaces, their wiring and their removal.

pub mod addresses;
pub(crate) mod link;
pub(crate) mod netns;
pub(crate) mod programs;
pub(crate) mod remains;
pub(crate) mod services;
pub(crate) mod signals;
pub(crate) mod topology;
