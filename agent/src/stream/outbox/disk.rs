//! A disk that is made of memory: it fails, forgets and damages when told to, and outlives its outbox.

use super::super::spool::{Left, Name, Spooled, Store, Unreadable};
use prost::bytes::Bytes;
use std::{cell::RefCell, collections::BTreeMap, io, rc::Rc};

#[derive(Debug, Default)]
struct Inner {
    files: BTreeMap<String, Option<Bytes>>,
    refuses: bool,
    set_aside: usize,
}

/// Every copy is the same disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Rc<RefCell<Inner>>);

impl Disk {
    pub(super) fn refuse(&self, refuses: bool) {
        self.0.borrow_mut().refuses = refuses;
    }

    pub(super) fn refuses(&self) -> bool {
        self.0.borrow().refuses
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().files.is_empty()
    }

    pub(super) fn set_aside(&self) -> usize {
        self.0.borrow().set_aside
    }

    /// The oldest file is not what was written any more; tells what it was.
    pub(super) fn damage_oldest(&self) -> Option<(Name, Bytes)> {
        let mut inner = self.0.borrow_mut();
        let mut file = inner.files.first_entry()?;
        let body = file.insert(None)?;
        Some((file.key().parse().unwrap(), body))
    }

    pub(super) fn body(&self, name: &Name) -> Option<Bytes> {
        self.0.borrow().files[&name.to_string()].clone()
    }

    pub(super) fn bytes(&self) -> u64 {
        let inner = self.0.borrow();
        inner.files.values().map(|file| Self::room(file.as_ref().map_or(0, |file| file.len() as u64))).sum()
    }

    /// What a new run finds.
    pub(super) fn left(&self) -> Left {
        let inner = self.0.borrow();
        let spooled = |(name, body): (&String, &Option<Bytes>)| Spooled {
            name: name.parse().unwrap(),
            length: body.as_ref().map_or(0, |body| body.len() as u64),
        };
        Left { batches: inner.files.iter().map(spooled).collect(), nameless: 0 }
    }
}

impl Store for Disk {
    fn write(&mut self, name: &Name, body: &Bytes) -> io::Result<()> {
        let mut inner = self.0.borrow_mut();
        if inner.refuses {
            return Err(io::ErrorKind::StorageFull.into());
        }
        inner.files.insert(name.to_string(), Some(body.clone()));
        Ok(())
    }

    fn read(&mut self, name: &Name) -> Result<Bytes, Unreadable> {
        let inner = self.0.borrow();
        inner.files[&name.to_string()].clone().ok_or_else(|| Unreadable::Damaged("so it was told".into()))
    }

    fn remove(&mut self, name: &Name) {
        self.0.borrow_mut().files.remove(&name.to_string()).expect("only what is there is removed");
    }

    fn set_aside(&mut self, name: &Name) {
        self.remove(name);
        self.0.borrow_mut().set_aside += 1;
    }

    fn room(length: u64) -> u64 {
        length + 16
    }
}
