//! Puts a mechanism to work in a standing lab, and keeps what must be held open for it.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::sync::Arc;

use nix::net::if_::if_nametoindex;

use super::Lab;
use crate::bpf::{self, Kind};
use crate::enforce::cgroup::Cgroup;
use crate::enforce::cut::{Cut, Direction, Traffic};
use crate::enforce::drop_program::{View, program};
use crate::enforce::queue::Listener;
use crate::enforce::tc::{self, Way};
use crate::enforce::{Backend, Mechanism, Route, XdpMode, iptables, lead_program, nft, routes};
use crate::error::{LabError, Result};
use crate::net::netns::Netns;
use crate::net::programs;

/// What lives as long as the lab for the sake of an enforcement.
#[derive(Debug)]
pub(super) enum Held {
    /// The link of a BPF program.
    Link(#[expect(dead_code, reason = "held open, never read")] OwnedFd),
    /// A program that listens on a queue.
    Listener(#[expect(dead_code, reason = "runs until dropped")] Listener),
}

impl Lab {
    /// Keeps some traffic of a pod from its way, in both families, for the life of the lab.
    pub fn enforce(
        &mut self,
        mechanism: Mechanism,
        direction: Direction,
        pod: &str,
        traffic: &[Traffic],
    ) -> Result<()> {
        let info = self.pod_info(pod)?;
        let number = self.enforced;
        self.enforced += 1;
        let cut = Cut { direction, addresses: &info.addresses, traffic };
        if mechanism == Mechanism::Cgroup {
            return self.enforce_at_sockets(pod, &cut);
        }
        let (node, net) = self.pod_net(pod)?;
        let held = match mechanism {
            Mechanism::NftInPod => nftables(&net.netns, mechanism, number, &cut),
            Mechanism::Iptables(backend, target) => tables(node, backend, &cut, iptables::jump(target)),
            Mechanism::Queue { listener } => queue(node, number as u16, listener, &cut),
            Mechanism::Route(route) => lead_away(node, route, number, &cut),
            Mechanism::Tc => classify(node, &net.veth, &cut),
            Mechanism::Tcx => on_device(node, &net.veth, tcx(direction), View::TC, 0, &cut),
            Mechanism::Xdp(mode) => {
                let (place, device) = match direction {
                    Direction::Egress => (node, net.veth.as_str()),
                    Direction::Ingress => (&net.netns, "eth0"),
                };
                on_device(place, device, Kind::XDP, View::XDP, xdp_flags(mode), &cut)
            }
            _ => nftables(node, mechanism, number, &cut),
        }?;
        self.held.extend(held);
        Ok(())
    }

    /// Leads the pod's sockets elsewhere when they connect to an address, as load balancers at the sockets do. Counts
    /// for clients that start afterwards.
    pub fn lead_sockets(&mut self, pod: &str, from: SocketAddr, to: SocketAddr) -> Result<()> {
        let kind = if from.is_ipv4() { Kind::CONNECT_V4 } else { Kind::CONNECT_V6 };
        self.attach_to_sockets(pod, kind, &lead_program::program(from, to))
    }

    /// Gives the pod a control group of its own, and denies there.
    fn enforce_at_sockets(&mut self, pod: &str, cut: &Cut<'_>) -> Result<()> {
        let kind = match cut.direction {
            Direction::Egress => Kind::CGROUP_EGRESS,
            Direction::Ingress => Kind::CGROUP_INGRESS,
        };
        self.attach_to_sockets(pod, kind, &program(View::CGROUP, cut.traffic))
    }

    fn attach_to_sockets(&mut self, pod: &str, kind: Kind, code: &[u64]) -> Result<()> {
        let fault = |err| LabError::socket(format!("put a program at the control group of {pod}"), err);
        let group = match self.cgroups.get(pod) {
            Some(group) => Arc::clone(group),
            None => Arc::new(Cgroup::make(&self.remains.name(pod)).map_err(fault)?),
        };
        let attach = || {
            let program = bpf::load(kind, code)?;
            bpf::attach(kind, program.as_fd(), group.descriptor() as u32, 0)
        };
        self.held.push(Held::Link(attach().map_err(fault)?));
        self.cgroups.insert(pod.to_owned(), group);
        Ok(())
    }
}

/// What an installation leaves to be held.
type Installed = Result<Option<Held>>;

fn nftables(place: &Netns, mechanism: Mechanism, number: usize, cut: &Cut<'_>) -> Installed {
    let rules = nft::ruleset(mechanism, number, cut).expect("every other mechanism was dealt with before");
    programs::nft(place, &rules).map(|()| None)
}

fn tables(node: &Netns, backend: Backend, cut: &Cut<'_>, jump: &str) -> Installed {
    for v4 in [true, false] {
        let mut restore = Command::new(iptables::program(backend, v4));
        programs::feed(node, restore.args(["--noflush", "--wait"]), &iptables::script(cut, v4, jump))?;
    }
    Ok(None)
}

fn queue(node: &Netns, number: u16, listener: bool, cut: &Cut<'_>) -> Installed {
    tables(node, Backend::Legacy, cut, &iptables::jump_to_queue(number))?;
    listener.then(|| Listener::start(node, number).map(Held::Listener)).transpose()
}

fn lead_away(node: &Netns, route: Route, number: usize, cut: &Cut<'_>) -> Installed {
    for v4 in [true, false] {
        programs::ip_family_batch(node, v4, &routes::script(route, number, cut, v4))?;
    }
    Ok(None)
}

fn classify(node: &Netns, veth: &str, cut: &Cut<'_>) -> Installed {
    programs::feed(node, Command::new("tc").args(["qdisc", "replace", "dev", veth, "clsact"]), "")?;
    let way = match cut.direction {
        Direction::Egress => Way::Ingress,
        Direction::Ingress => Way::Egress,
    };
    let add = || {
        let program = bpf::load(Kind::CLASSIFIER, &program(View::TC, cut.traffic))?;
        tc::add_filter(if_nametoindex(veth)?, way, program.as_fd())
    };
    let fault = |err| LabError::socket(format!("classify on {veth} in {}", node.name()), err);
    node.run(add)?.map(|()| None).map_err(fault)
}

fn on_device(place: &Netns, device: &str, kind: Kind, view: View, flags: u32, cut: &Cut<'_>) -> Installed {
    let attach = || -> io::Result<OwnedFd> {
        let program = bpf::load(kind, &program(view, cut.traffic))?;
        bpf::attach(kind, program.as_fd(), if_nametoindex(device)?, flags)
    };
    let fault = |err| LabError::socket(format!("attach a program to {device} in {}", place.name()), err);
    place.run(attach)?.map(|link| Some(Held::Link(link))).map_err(fault)
}

/// A pod's egress comes in at the node's end of its veth.
fn tcx(direction: Direction) -> Kind {
    match direction {
        Direction::Egress => Kind::TCX_INGRESS,
        Direction::Ingress => Kind::TCX_EGRESS,
    }
}

fn xdp_flags(mode: XdpMode) -> u32 {
    match mode {
        XdpMode::Generic => 1 << 1,
        XdpMode::Native => 1 << 2,
    }
}
