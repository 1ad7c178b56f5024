//! From the kernel to attempts: probes, devices, and the thread that reads them.

mod conntrack;
mod devices;
mod links;
mod listener;
mod losses;
mod probes;
mod watcher;
mod worker;

pub use conntrack::Conntrack;
pub use devices::{DeviceChange, Devices, DevicesError, Netlink};
pub(crate) use losses::KERNEL_LOSSES;
pub use losses::{LossCause, Lost};
pub(crate) use probes::PROBES;
pub use probes::{AttachMode, Cost, ProbeOff, Probes, ProbesError, chain};
pub use watcher::Watcher;
pub use worker::{Captured, Command, Worker};
