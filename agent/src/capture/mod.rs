//! From the kernel to attempts: probes, devices, and the thread that reads them.

mod conntrack;
mod devices;
mod handover;
mod probes;
mod worker;

pub use conntrack::Conntrack;
pub use devices::{DeviceChange, Devices, DevicesError};
pub use handover::{Captured, Giver, Taker, handover};
pub use probes::{AttachMode, Cost, ProbeOff, Probes, ProbesError, chain};
pub use worker::{Command, Worker};
