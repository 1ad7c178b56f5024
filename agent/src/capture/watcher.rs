//! Passes on what changes among the devices: to the attaching thread what to attach to, to attribution
//! the node's own addresses. A task of its own: a flood of changes holds up nothing else.

use super::{
    attacher::Command,
    devices::{DeviceChange, Devices},
    probes::chain,
};
use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::mpsc::{SyncSender, TrySendError},
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How long a full command queue is given to empty.
const BUSY: Duration = Duration::from_millis(5);

/// Watches the devices of this network namespace.
pub struct Watcher {
    /// What it listens to.
    pub devices: Devices,
    /// The attaching thread.
    pub commands: SyncSender<Command>,
    /// The node's own addresses.
    pub addresses: watch::Sender<BTreeSet<IpAddr>>,
}

impl Watcher {
    /// Watches until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(self.watch()).await;
    }

    async fn watch(&mut self) {
        while let Some(change) = self.devices.next().await {
            match change {
                DeviceChange::Up { ifindex, name } => self.command(Command::Attach { ifindex, name }).await,
                DeviceChange::Gone { ifindex } => self.command(Command::Gone { ifindex }).await,
                DeviceChange::Addresses => self.refresh_addresses().await,
                DeviceChange::Overrun => self.look_again().await,
            }
        }
        warn!("Netlink is closed: pod interfaces that come from now on are not seen.");
    }

    /// The queue is full when interfaces come faster than they can be attached to: then they wait in
    /// the kernel. When the thread has ended there is nothing left to attach to.
    async fn command(&self, mut command: Command) {
        while let Err(TrySendError::Full(refused)) = self.commands.try_send(command) {
            command = refused;
            tokio::time::sleep(BUSY).await;
        }
    }

    async fn look_again(&mut self) {
        match self.devices.pod_interfaces().await {
            Ok(interfaces) => self.command(Command::Present(interfaces)).await,
            Err(error) => warn!(error = %chain(&error), "The pod interfaces cannot be listed again."),
        }
        self.refresh_addresses().await;
    }

    async fn refresh_addresses(&self) {
        match self.devices.netlink().addresses().await {
            Ok(addresses) => {
                self.addresses.send_if_modified(|known| {
                    let is_new = *known != addresses;
                    *known = addresses;
                    is_new
                });
            }
            Err(error) => warn!(error = %chain(&error), "The node's own addresses cannot be listed again."),
        }
    }
}
