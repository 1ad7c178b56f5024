//! A batch under construction, and the one place where it becomes bytes.

use super::fold::{Folded, fold};
use crate::attribute::Record;
use jiff::Timestamp;
use portolan_policy::Loss;
use portolan_proto::{Header, MAX_GIVEN_UP, encode, v1};
use prost::{Message as _, bytes::Bytes};

/// Batches on the wire without acknowledgement.
pub(super) const IN_FLIGHT: usize = 16;

/// What goes into a batch.
#[derive(Clone, Debug)]
pub enum Item {
    /// Records, in their order.
    Records(Vec<Record>),
    /// A loss.
    Loss(Loss),
}

/// Who sends.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The cluster's name.
    pub cluster: String,
    /// The node's name.
    pub node: String,
    /// A UUID of this run of the agent.
    pub boot: String,
}

/// What the next batch will hold.
#[derive(Debug, Default)]
pub(super) struct Open {
    pub(super) records: Vec<Record>,
    pub(super) losses: Vec<Loss>,
    /// Batches that the collector may have, or not.
    pub(super) given_up: Vec<v1::GivenUp>,
}

impl Open {
    pub(super) const fn is_empty(&self) -> bool {
        self.records.is_empty() && self.losses.is_empty() && self.given_up.is_empty()
    }

    /// When the first of its attempts was made; now where there is none.
    pub(super) fn since(&self, now: Timestamp) -> Timestamp {
        self.records.iter().map(Record::time).min().unwrap_or(now)
    }

    /// Has the collector look whether it has a batch. Of more than it looks for, the losses are told as they are.
    pub(super) fn give_up(&mut self, batch: v1::GivenUp) {
        if self.given_up.len() < MAX_GIVEN_UP {
            self.given_up.push(batch);
        } else {
            losses_of(batch.losses).for_each(|loss| loss.add_to(&mut self.losses));
        }
    }

    /// From here on it is bytes: a batch that is sent twice is the same twice.
    pub(super) fn seal(&self, identity: &Identity, sequence: u64) -> Bytes {
        self.to_proto(identity, sequence).encode_to_vec().into()
    }

    fn to_proto(&self, Identity { cluster, node, boot }: &Identity, sequence: u64) -> v1::Batch {
        let header = Header { cluster, node, boot, sequence };
        let batch = encode(header, fold(&self.records).iter().map(Folded::view), &self.losses);
        v1::Batch { given_up: self.given_up.clone(), ..batch }
    }
}

/// What a batch tells of losses.
#[derive(Debug, Default)]
pub(super) struct Losses {
    pub(super) own: Vec<Loss>,
    pub(super) given_up: Vec<v1::GivenUp>,
}

/// The losses that a batch tells of; those that cannot be read are none.
pub(super) fn losses_in(body: Bytes) -> Losses {
    let v1::Batch { losses, given_up, .. } = v1::Batch::decode(body).unwrap_or_default();
    Losses { own: losses_of(losses).collect(), given_up }
}

fn losses_of(losses: Vec<v1::Loss>) -> impl Iterator<Item = Loss> {
    losses.into_iter().filter_map(|loss| Loss::try_from(loss).ok())
}
