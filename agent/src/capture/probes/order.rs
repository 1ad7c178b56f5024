//! The place of our programs among others on a device: first on the way from the pod, so that nobody
//! keeps packets from us; last on the way to it, so that what others drop is not taken for arrived.
//!
//! Whoever attaches after us may ask for the same place, and the kernel tells nobody. So it is looked
//! at now and then, and ours are moved back; a few times only, since another may do the same. Nothing
//! is seen while a program moves. So the one on the way to the pod stays where it is as long as drops
//! are told: the kernel names what was dropped after us.

use super::{Attachment, FROM_POD, Probes, TO_POD, device_program};
use crate::kernel::bpf::{TcxHook, tcx_programs};
use aya::programs::ProgramError;

/// Moves on one device before the place is given up.
const MOVES: u8 = 3;

impl Probes {
    /// The devices on which another program stands in our place. With clsact nobody looks: a filter of the same
    /// priority that comes later stands before ours, and stays there.
    pub fn displaced(&mut self) -> Vec<u32> {
        if !self.tcx {
            return Vec::new();
        }
        let (from_pod, to_pod) = (self.id(FROM_POD), self.id(TO_POD));
        let stands = |ifindex, hook, ours: Option<u32>, place: fn(&[u32]) -> Option<&u32>| {
            // A program that is off, and a device that is gone, have no place.
            ours.is_none() || tcx_programs(ifindex, hook).map_or(true, |order| place(&order) == ours.as_ref())
        };
        let drops_told = self.drops_told;
        let is_displaced = |ifindex: &u32| {
            !stands(*ifindex, TcxHook::Ingress, from_pod, <[u32]>::first)
                || !(drops_told || stands(*ifindex, TcxHook::Egress, to_pod, <[u32]>::last))
        };
        let settled = |attachment: &Attachment| attachment.moves > MOVES;
        let devices = self.devices.iter().filter(|(_, attachment)| !settled(attachment));
        let mut displaced: Vec<u32> = devices.map(|(ifindex, _)| *ifindex).filter(is_displaced).collect();
        displaced.sort_unstable();
        displaced
    }

    /// Moves what stands in the wrong place on a device back, which means to attach it anew; `false`
    /// when that was done often enough, and it stays where it is.
    pub fn put_in_place(&mut self, ifindex: u32) -> Result<bool, ProgramError> {
        let Some(Attachment { from_pod, to_pod, moves }) = self.devices.remove(&ifindex) else {
            return Ok(true);
        };
        if moves == MOVES {
            self.devices.insert(ifindex, Attachment { from_pod, to_pod, moves: moves + 1 });
            return Ok(false);
        }
        self.detach_one(FROM_POD, from_pod);
        let still = if self.drops_told {
            to_pod
        } else {
            self.detach_one(TO_POD, to_pod);
            None
        };
        self.hang(ifindex, still, moves + 1)?;
        Ok(true)
    }

    fn id(&mut self, program: &'static str) -> Option<u32> {
        device_program(&mut self.ebpf, program).and_then(|program| program.info()).ok().map(|info| info.id())
    }
}
