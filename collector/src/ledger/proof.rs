//! Reads everything once after a run that could not write, while the collector serves: damage that only the engine's
//! own upkeep would come upon is found before that does.

use super::{background::Background, disk::DiskStore, store::StoreError};
use std::{
    io,
    sync::{Arc, OnceLock},
};
use tracing::warn;

/// A store that is being read, until this is dropped.
#[derive(Debug)]
pub(super) struct Proof {
    damage: Arc<OnceLock<StoreError>>,
    _thread: Background,
}

/// What a store was found to be.
#[derive(Debug)]
pub(super) enum Found<'error> {
    /// As it was written.
    Sound,
    /// Not that.
    Damaged(&'error StoreError),
}

impl Proof {
    /// Reads a store and notes what it was found to be.
    pub(super) fn begin(
        store: Arc<DiskStore>,
        note: impl FnOnce(Found<'_>) + Send + 'static,
    ) -> io::Result<Self> {
        let damage = Arc::new(OnceLock::new());
        let found = Arc::clone(&damage);
        let thread = Background::begin("proof", move |stop| match store.verify(stop) {
            Ok(true) => note(Found::Sound),
            Ok(false) => {}
            Err(error) if error.damaged => {
                note(Found::Damaged(&error));
                // Nobody else sets it.
                found.set(error).ok();
            }
            Err(error) => {
                warn!(%error, cause = %error.source, "The store could not be read to its end, the next run tries.");
            }
        });
        Ok(Self { damage, _thread: thread? })
    }

    /// The damage, once it is found.
    pub(super) fn damage(&self) -> Option<&StoreError> {
        self.damage.get()
    }
}
