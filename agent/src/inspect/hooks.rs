//! Where device programs stand: on which device, and after and before whom.

use super::InspectError;
use crate::kernel::bpf::{TcxHook, tcx_programs};
use aya::programs::{ProgramInfo, loaded_programs};
use futures::TryStreamExt as _;
use nix::sched::{CloneFlags, setns};
use rtnetlink::{
    Handle,
    packet_route::{
        link::LinkAttribute,
        tc::{TcAttribute, TcFilterBpfOption, TcMessage, TcOption},
    },
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io,
};

/// All programs on one side of a device, one of ours among them.
#[derive(Clone, Debug, Serialize)]
pub struct Hook {
    /// The device's index.
    pub ifindex: u32,
    /// Its name.
    pub device: String,
    /// `ingress` is what the pod sent, `egress` what it is about to receive.
    pub direction: &'static str,
    /// In the order in which they run: tcx first, then clsact.
    pub order: Vec<Standing>,
}

/// A program on a hook.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// `tcx` or `clsact`.
    pub hook: &'static str,
    /// The program's name, or the kind of a filter that is none.
    pub program: String,
    /// The program's number.
    pub id: Option<u32>,
    /// The filter's priority, lowest first.
    pub priority: Option<u16>,
    /// Whether it is this agent's.
    pub ours: bool,
}

const SIDES: [(&str, TcxHook); 2] = [("ingress", TcxHook::Ingress), ("egress", TcxHook::Egress)];

/// The hooks with one of these programs, in the network namespace of a process, or in ours.
pub(super) fn hooks(process: Option<u32>, ours: &BTreeSet<u32>) -> Result<Vec<Hook>, InspectError> {
    let whose = || process.map_or_else(|| "this process".to_owned(), |pid| format!("process {pid}"));
    let inside = |error| InspectError::Namespace { whose: whose(), error };
    let names = names();
    let look = || -> io::Result<Result<Vec<Hook>, InspectError>> {
        if let Some(pid) = process {
            setns(File::open(format!("/proc/{pid}/ns/net"))?, CloneFlags::CLONE_NEWNET)?;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(list(ours, &names)))
    };
    // A thread of its own: nobody leaves our network namespace for good.
    let looked =
        std::thread::scope(|scope| scope.spawn(look).join().expect("looking at hooks does not panic"));
    match looked {
        // The process has ended since, and took everything along.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => Ok(Vec::new()),
        looked => looked.map_err(inside)?,
    }
}

fn names() -> BTreeMap<u32, String> {
    let name = |info: ProgramInfo| (info.id(), String::from_utf8_lossy(info.name()).into_owned());
    loaded_programs().filter_map(Result::ok).map(name).collect()
}

async fn list(ours: &BTreeSet<u32>, names: &BTreeMap<u32, String>) -> Result<Vec<Hook>, InspectError> {
    let failed = |error| crate::capture::DevicesError::Dump { what: "interfaces", error };
    let (connection, handle, _) = rtnetlink::new_connection().map_err(crate::capture::DevicesError::Open)?;
    let served = tokio::spawn(connection);
    let links = handle.link().get().execute().try_collect::<Vec<_>>().await.map_err(failed)?;
    let mut found = Vec::new();
    for link in links {
        let name = link.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name.clone()),
            _ => None,
        });
        for (direction, side) in SIDES {
            let mut order = on_tcx(link.header.index, side, ours, names);
            order.extend(on_clsact(&handle, link.header.index, side, ours).await);
            if order.iter().any(|standing| standing.ours) {
                let device = name.clone().unwrap_or_default();
                found.push(Hook { ifindex: link.header.index, device, direction, order });
            }
        }
    }
    served.abort();
    found.sort_by_key(|hook| hook.ifindex);
    Ok(found)
}

/// A kernel without tcx has nobody there.
fn on_tcx(ifindex: u32, side: TcxHook, ours: &BTreeSet<u32>, names: &BTreeMap<u32, String>) -> Vec<Standing> {
    let standing = |id| Standing {
        hook: "tcx",
        program: names.get(&id).cloned().unwrap_or_default(),
        id: Some(id),
        priority: None,
        ours: ours.contains(&id),
    };
    tcx_programs(ifindex, side).unwrap_or_default().into_iter().map(standing).collect()
}

/// A device without the qdisc has no filters, which the kernel calls an error.
async fn on_clsact(handle: &Handle, ifindex: u32, side: TcxHook, ours: &BTreeSet<u32>) -> Vec<Standing> {
    let ask = handle.traffic_filter(ifindex as i32).get();
    let ask = match side {
        TcxHook::Ingress => ask.ingress(),
        TcxHook::Egress => ask.egress(),
    };
    let filters: Vec<TcMessage> = ask.execute().try_collect().await.unwrap_or_default();
    // Each priority has a first message for itself, without a handle.
    let real = filters.iter().filter(|filter| u32::from(filter.header.handle) != 0);
    real.map(|filter| filter_of(filter, ours)).collect()
}

fn filter_of(filter: &TcMessage, ours: &BTreeSet<u32>) -> Standing {
    let mut standing = Standing {
        hook: "clsact",
        program: String::new(),
        id: None,
        priority: Some((filter.header.info >> 16) as u16),
        ours: false,
    };
    for attribute in &filter.attributes {
        match attribute {
            TcAttribute::Kind(kind) if standing.program.is_empty() => standing.program.clone_from(kind),
            TcAttribute::Options(options) => {
                for option in options {
                    match option {
                        TcOption::Bpf(TcFilterBpfOption::ProgId(id)) => standing.id = Some(*id),
                        TcOption::Bpf(TcFilterBpfOption::ProgName(name)) => {
                            standing.program.clone_from(name);
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    standing.ours = standing.id.is_some_and(|id| ours.contains(&id));
    standing
}
