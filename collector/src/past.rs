//! Kept flows for somebody who asked, read by a thread as they are taken, each with the cursor behind it: to their
//! end, or until they meet the present.

use crate::{
    cursor::{Cursor, Past},
    ledger::{Catalog, Reach, Shelf, Step, StoreError, Subscription, Tail},
    query::{Place, Query},
    subscribe::{Item, Wanted},
};
use std::{ops::ControlFlow, sync::Arc};
use tokio::sync::mpsc::Receiver;

/// What is told to who asked: an item, and where that leaves them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// What there is.
    pub(crate) item: Option<Item>,
    /// Where who asked stands behind it, if that has changed.
    pub(crate) cursor: Option<Cursor>,
}

/// What somebody asked for of what is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Where blocks are.
    pub(crate) shelf: Arc<Shelf>,
    /// What was kept when it was asked.
    pub(crate) catalog: Catalog,
    /// Which flows.
    pub(crate) wanted: Wanted,
    /// Of those that were kept at the cursor's end and of which nothing was taken yet, so many that began last.
    pub(crate) last: Option<u64>,
    /// Where who asked stands.
    pub(crate) cursor: Cursor,
}

/// How a reader that follows came to its end.
#[derive(Debug)]
pub(crate) enum Met {
    /// At the present, from which on the queue has everything.
    Present(Receiver<Item>),
    /// Nobody takes any more.
    Nobody,
    /// Too many follow already.
    Refused,
}

impl Kept {
    /// Gives every wanted flow behind the cursor, until there are no more or no more are taken: what is left of the
    /// past by time, then what was made since as it was made. An error comes before any flow is left out.
    pub(crate) fn read(
        self,
        mut take: impl FnMut(Told) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let mut tail = self.tail();
        if self.past(&mut take)?.is_break() || self.since(&mut tail, &mut take)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        Ok(take(self.end(&tail)))
    }

    /// The same, and then what is made meanwhile, until so little of it is left that no queue overflows.
    pub(crate) fn read_to_present(
        self,
        mut take: impl FnMut(Told) -> ControlFlow<()>,
    ) -> Result<Met, StoreError> {
        if self.past(&mut take)?.is_break() {
            return Ok(Met::Nobody);
        }
        let mut tail = self.tail();
        loop {
            if self.since(&mut tail, &mut take)?.is_break() {
                return Ok(Met::Nobody);
            }
            match self.shelf.subscribe(self.wanted.clone(), Some(tail.position()), Reach::Near) {
                Subscription::Behind => tail.go_on(),
                Subscription::Refused => return Ok(Met::Refused),
                Subscription::Follows { kept, queue } => {
                    tail.take_in(&kept);
                    let taken = self.since(&mut tail, &mut take)?.is_continue();
                    let taken = taken && take(self.end(&tail)).is_continue();
                    return Ok(if taken { Met::Present(queue) } else { Met::Nobody });
                }
            }
        }
    }

    fn tail(&self) -> Tail {
        Tail::new(Arc::clone(&self.shelf), &self.catalog, self.cursor.end)
    }

    fn end(&self, tail: &Tail) -> Told {
        let end = Cursor { end: tail.position(), past: Past::Done, ..self.cursor };
        Told { item: None, cursor: Some(end) }
    }

    fn past(&self, take: &mut impl FnMut(Told) -> ControlFlow<()>) -> Result<ControlFlow<()>, StoreError> {
        let (last, after) = match self.cursor.past {
            Past::Begun => (self.last, None),
            Past::After(place) => (None, Some(place)),
            Past::Done => return Ok(ControlFlow::Continue(())),
        };
        let (shelf, kept, wanted) = (Arc::clone(&self.shelf), self.catalog.clone(), self.wanted.clone());
        let mut flow = ControlFlow::Continue(());
        Query { shelf, kept, wanted, last, before: self.cursor.end, after }.run(|made| {
            let past = Past::After(Place::of(&made));
            flow = take(Told { item: Some(Item::Flow(made)), cursor: Some(Cursor { past, ..self.cursor }) });
            flow
        })?;
        Ok(flow)
    }

    /// Gives what the tail knows.
    fn since(
        &self,
        tail: &mut Tail,
        take: &mut impl FnMut(Told) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, StoreError> {
        while let Some(step) = tail.next()? {
            let item = match step {
                Step::Made(made) if self.wanted.matches(&made.flow) => Item::Flow(made),
                Step::Made(_) => continue,
                Step::Gone(count) => Item::Gone(count),
            };
            let cursor = Cursor { end: tail.position(), past: Past::Done, ..self.cursor };
            if take(Told { item: Some(item), cursor: Some(cursor) }).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
