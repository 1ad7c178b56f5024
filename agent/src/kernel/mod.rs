//! What the running kernel is like: structure layouts, names, and whether it can be observed.

pub mod bpf;
mod btf;
mod layout;
mod places;

pub use btf::{KernelTypes, TypesError, loaders_types};
pub use layout::{Layout, Missing};
pub use places::{Places, class, is_no_drop};
