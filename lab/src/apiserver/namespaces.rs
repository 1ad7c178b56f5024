//! The life of a namespace: nothing new without it, and its end once everything in it has gone.

use jiff::Timestamp;

use super::error::ApiError;
use super::kinds::KindRef;
use super::meta;
use super::store::{Core, Key, Preconditions};

impl Core {
    /// Refuses a new object whose namespace is missing or going away.
    pub(super) fn require_namespace(&self, kind: KindRef, key: &Key) -> Result<(), ApiError> {
        let Some(namespaces) = KindRef::by_path("", "v1", "namespaces").filter(|_| kind.namespaced) else {
            return Ok(());
        };
        let namespace = self.get(namespaces, &Key::new("", &key.namespace))?;
        if meta::is_terminating(&namespace) {
            return Err(ApiError::forbidden(format!(
                "{} \"{}\" is forbidden: unable to create new content in namespace {} because it is being terminated",
                kind.qualified_plural(),
                key.name,
                key.namespace
            )));
        }
        Ok(())
    }

    /// Deletes everything in a namespace; what has finalizers stays for now.
    pub(super) fn empty_namespace(&mut self, namespace: &str, now: Timestamp) {
        for (kind, key) in self.content(namespace) {
            // Nothing here is conditional, so the only refusal is that it has gone already.
            drop(self.delete(kind, &key, &Preconditions::default(), now, false));
        }
    }

    fn content(&self, namespace: &str) -> Vec<(KindRef, Key)> {
        KindRef::all()
            .filter(|kind| kind.namespaced)
            .flat_map(|kind| self.of(kind).keys().map(move |key| (kind, key.clone())))
            .filter(|(_, key)| key.namespace == namespace)
            .collect()
    }

    pub(super) fn has_content(&self, namespace: &str) -> bool {
        !self.content(namespace).is_empty()
    }

    /// Removes a namespace that was only waiting for its content to go.
    pub(super) fn finish_namespace(&mut self, name: &str) {
        let Some(namespaces) = KindRef::by_path("", "v1", "namespaces") else { return };
        let key = Key::new("", name);
        let waiting = self
            .find(namespaces, &key)
            .is_some_and(|namespace| meta::is_terminating(&namespace) && !meta::has_finalizers(&namespace));
        if waiting && !self.has_content(name) {
            self.remove(namespaces, &key);
        }
    }
}
