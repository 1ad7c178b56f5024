//! What has come to a host that has no use for it: the kernel frees it with a reason, and nobody dropped it.

use crate::reasons::Reasons;

/// No socket takes it, or no more, or there is no room for it. A raw socket has its copy by then.
const BY_SOCKETS: [&str; 6] =
    ["NO_SOCKET", "IP_NOPROTO", "SOCKET_CLOSE", "SOCKET_RCVBUFF", "SOCKET_BACKLOG", "PROTO_MEM"];

/// The address is not the kernel's: that of a stack in user space, say, which has its copy by then.
const BY_ADDRESS: [&str; 2] = ["IP_INADDRERRORS", "IP_INNOROUTES"];

/// The numbers of these reasons in the running kernel.
#[derive(Clone, Debug, Default)]
pub struct Unwanted {
    by_sockets: Vec<u32>,
    by_address: Vec<u32>,
}

impl Unwanted {
    /// Those that this kernel has.
    pub fn of(reasons: &Reasons) -> Self {
        let numbers = |names: &[&str]| names.iter().filter_map(|name| reasons.number(name)).collect();
        Self { by_sockets: numbers(&BY_SOCKETS), by_address: numbers(&BY_ADDRESS) }
    }

    /// Whether what is freed for this reason had come to its end, wherever that is: sockets are asked last.
    pub(super) fn by_sockets(&self, reason: u32) -> bool {
        self.by_sockets.contains(&reason)
    }

    /// Whether what is freed in a pod for this reason had come to its end. What has no route in a node may be
    /// another's; nobody routes in a pod.
    pub(super) fn in_pod(&self, reason: u32) -> bool {
        self.by_sockets(reason) || self.by_address.contains(&reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_route_has_come_to_its_end_in_a_pod_alone() {
        let named = [(3, "NO_SOCKET"), (8, "NETFILTER_DROP"), (9, "IP_INADDRERRORS")];
        let unwanted = Unwanted::of(&Reasons::new(named.map(|(number, name)| (number, name.to_owned())), []));
        let told = [3, 8, 9, 0].map(|reason| (unwanted.by_sockets(reason), unwanted.in_pod(reason)));
        assert_eq!(told, [(true, true), (false, false), (false, true), (false, false)]);
    }
}
