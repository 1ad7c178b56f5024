//! From the kernel to attempts: probes, devices, and the thread that reads them.

mod attacher;
mod conntrack;
mod devices;
mod handover;
mod ledger;
mod links;
mod listener;
mod losses;
mod probes;
mod reader;
mod waiting;
mod watcher;
mod worker;

pub use attacher::{Attacher, Command};
pub use conntrack::Conntrack;
pub use devices::{DeviceChange, Devices, DevicesError, Netlink};
pub use handover::{Captured, Giver, Taker, handover};
pub use ledger::Ledger;
pub(crate) use losses::KERNEL_LOSSES;
pub use losses::{LossCause, Lost};
pub use probes::{AttachMode, Cost, ProbeOff, Probes, ProbesError, Wishes, chain, switches};
pub(crate) use probes::{PROBES, SECONDS};
pub use reader::Reader;
pub use watcher::Watcher;
pub use worker::Worker;
