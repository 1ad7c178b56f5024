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
pub use losses::{LossCause, Lost};
pub use probes::{AttachMode, Cost, ProbeOff, Probes, ProbesError, chain};
pub use watcher::Watcher;
pub use worker::{Captured, Command, Worker};
