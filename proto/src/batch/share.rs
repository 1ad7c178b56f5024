//! Who keeps what batches have in common.

use portolan_policy::{Enforcer, ServiceRef, SideDecision, Who};
use std::{collections::BTreeMap, sync::Arc};

/// The labels of a pod.
pub type Labels = BTreeMap<String, String>;

/// Gives what one batch names, so that another that names the same may have it too.
///
/// Each is asked once for an entry of a batch's tables, with the memory that the entry takes.
pub trait Share {
    /// Who an end is.
    fn who(&self, who: Who, weight: usize) -> Arc<Who>;
    /// The labels of a pod.
    fn labels(&self, labels: Labels, weight: usize) -> Arc<Labels>;
    /// A service.
    fn service(&self, service: ServiceRef, weight: usize) -> Arc<ServiceRef>;
    /// What the policies say on one side.
    fn side(&self, side: SideDecision, weight: usize) -> Arc<SideDecision>;
    /// A firewall's rule.
    fn enforcer(&self, enforcer: Enforcer, weight: usize) -> Arc<Enforcer>;
    /// A reason or place of drops.
    fn text(&self, text: &str) -> Arc<str>;
}

/// Every batch for itself.
#[derive(Clone, Copy, Debug)]
pub struct Apart;

impl Share for Apart {
    fn who(&self, who: Who, _: usize) -> Arc<Who> {
        Arc::new(who)
    }

    fn labels(&self, labels: Labels, _: usize) -> Arc<Labels> {
        Arc::new(labels)
    }

    fn service(&self, service: ServiceRef, _: usize) -> Arc<ServiceRef> {
        Arc::new(service)
    }

    fn side(&self, side: SideDecision, _: usize) -> Arc<SideDecision> {
        Arc::new(side)
    }

    fn enforcer(&self, enforcer: Enforcer, _: usize) -> Arc<Enforcer> {
        Arc::new(enforcer)
    }

    fn text(&self, text: &str) -> Arc<str> {
        text.into()
    }
}
