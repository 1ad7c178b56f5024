//! Batches that are lost: each is counted and told of, with what it told of losses itself.

use super::{Doomed, Entry, Outbox, SPOOL_DAMAGED, body_of};
use crate::{
    metrics::Cause,
    stream::{
        batch::{Losses, losses_in},
        spool::{Store, Unreadable},
    },
};
use jiff::Timestamp;
use portolan_policy::Loss;
use portolan_proto::v1;
use std::ops::Range;

impl<S: Store> Outbox<S> {
    /// The oldest among these is lost, one that the collector cannot have if there is any: nobody need ask then.
    pub(super) fn give_up(&mut self, among: Range<usize>, cause: &'static str, now: Timestamp) {
        let unsent = among.clone().find(|at| !self.entries[*at].is_sent);
        let mut entry = self.take_out(unsent.unwrap_or(among.start));
        let body = body_of(&mut entry, self.store.as_mut());
        let is_damaged = matches!(body, Err(Unreadable::Damaged(_)));
        match body.map(losses_in) {
            Ok(losses) => self.lose(&entry, cause, u64::from(entry.name.records), losses, now),
            Err(_) => self.lose_unread(&entry, now),
        }
        let told_in = self.next();
        // What this one told of is told anew.
        self.doomed
            .iter_mut()
            .filter(|doomed| doomed.told_in == entry.name.id)
            .for_each(|doomed| doomed.told_in = told_in);
        if entry.is_filed {
            self.doomed.push(Doomed { name: entry.name, is_damaged, told_in });
        }
    }

    pub(super) fn lose_damaged(&mut self, at: usize, now: Timestamp) {
        let entry = self.take_out(at);
        self.lose_unread(&entry, now);
        self.doomed.push(Doomed { name: entry.name, is_damaged: true, told_in: self.next() });
        self.measure();
    }

    /// What a batch told of losses is lost with it: one without records counts for one, and who knows of how many.
    fn lose_unread(&mut self, entry: &Entry, now: Timestamp) {
        let count = u64::from(entry.name.records).max(1);
        self.lose(entry, SPOOL_DAMAGED, count, Losses::default(), now);
    }

    /// A batch is lost with its records and with what it told of losses. Of one that the collector may have, only the
    /// collector can say whether it is.
    fn lose(&mut self, entry: &Entry, cause: &'static str, count: u64, losses: Losses, now: Timestamp) {
        let Entry { name, is_sent, .. } = entry;
        let Losses { own: mut lost, given_up } = losses;
        for batch in given_up {
            self.open.give_up(batch);
        }
        lost.extend(self.loss_of(cause, count, name.from, now));
        if *is_sent {
            let losses = lost.into_iter().map(Into::into).collect();
            let (boot, sequence) = (name.boot.to_string(), name.id.sequence);
            self.open.give_up(v1::GivenUp { boot, sequence, losses });
        } else {
            for loss in lost {
                loss.add_to(&mut self.open.losses);
            }
        }
    }

    /// The loss of a batch, if it is one of records.
    pub(super) fn loss_of(
        &self,
        cause: &'static str,
        count: u64,
        from: Timestamp,
        to: Timestamp,
    ) -> Option<Loss> {
        self.metrics.batches_lost.inc();
        self.metrics.lost.get_or_create(&Cause { cause }).inc_by(count);
        (count > 0).then(|| Loss { cause: cause.to_owned(), count, from: from.min(to), to })
    }
}
