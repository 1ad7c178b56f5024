//! The place of our programs among others on a device: first of all on the way from the pod, last of
//! all on the way to it, so that what others drop is seen.
//!
//! Whoever attaches after us may ask for the same place, and the kernel tells nobody. So it is looked
//! at now and then, and ours are moved back; a few times only, since another may do the same.

use super::{Attachment, FROM_POD, Probes, TO_POD, device_program};
use crate::kernel::bpf::{TcxHook, tcx_programs};
use aya::programs::ProgramError;

/// Moves on one device before the place is given up.
const MOVES: u8 = 3;

impl Probes {
    /// The devices on which another program stands in our place. With clsact nobody can take it: the
    /// priorities are ours to choose, and ours is the first.
    pub fn displaced(&mut self) -> Vec<u32> {
        if !self.tcx {
            return Vec::new();
        }
        let (Some(from_pod), Some(to_pod)) = (self.id(FROM_POD), self.id(TO_POD)) else { return Vec::new() };
        let stands = |ifindex, hook, ours: u32, place: fn(&[u32]) -> Option<&u32>| {
            // A device that is gone has no order.
            tcx_programs(ifindex, hook).map_or(true, |order| place(&order) == Some(&ours))
        };
        let is_displaced = |ifindex: &u32| {
            !stands(*ifindex, TcxHook::Ingress, from_pod, <[u32]>::first)
                || !stands(*ifindex, TcxHook::Egress, to_pod, <[u32]>::last)
        };
        let settled = |attachment: &Attachment| attachment.moves > MOVES;
        let devices = self.devices.iter().filter(|(_, attachment)| !settled(attachment));
        let mut displaced: Vec<u32> = devices.map(|(ifindex, _)| *ifindex).filter(is_displaced).collect();
        displaced.sort_unstable();
        displaced
    }

    /// Moves the programs of a device back to their place, which means to attach them anew; `false`
    /// when that was done often enough, and they stay where they are.
    pub fn put_in_place(&mut self, ifindex: u32) -> Result<bool, ProgramError> {
        let Some(attachment) = self.devices.get_mut(&ifindex) else { return Ok(true) };
        attachment.moves += 1;
        let moves = attachment.moves;
        if moves > MOVES {
            return Ok(false);
        }
        self.detach(ifindex);
        self.attach(ifindex)?;
        if let Some(attachment) = self.devices.get_mut(&ifindex) {
            attachment.moves = moves;
        }
        Ok(true)
    }

    fn id(&mut self, program: &'static str) -> Option<u32> {
        device_program(&mut self.ebpf, program).and_then(|program| program.info()).ok().map(|info| info.id())
    }
}
