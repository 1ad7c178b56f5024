//! A policy as it was read: the object, and the keys of its text that went into no field.

use serde::{Serialize, Serializer};
use std::ops::{Deref, DerefMut};

/// A policy object with the keys of its text that the API does not have.
///
/// An API server drops such keys, and so does whoever decides; [`validate`](crate::validate()) names
/// them. A policy that was not read from text has none.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy<T> {
    object: Box<T>,
    unknown: Box<[UnknownKey]>,
}

/// A key that is no field where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnknownKey {
    /// Its path, such as `spec.ingress[0].form`.
    pub(crate) field: String,
    /// What was perhaps meant.
    pub(crate) mend: String,
    /// What the object says without it, where that is not what was meant.
    pub(crate) consequence: Option<&'static str>,
}

impl<T> Policy<T> {
    pub(crate) fn read(object: Box<T>, unknown: Vec<UnknownKey>) -> Self {
        Self { object, unknown: unknown.into() }
    }

    /// The object alone.
    pub fn into_inner(self) -> T {
        *self.object
    }

    /// The keys that are no fields, in the order of the text.
    pub(crate) const fn unknown(&self) -> &[UnknownKey] {
        &self.unknown
    }
}

impl<T> From<T> for Policy<T> {
    fn from(object: T) -> Self {
        Self::read(Box::new(object), Vec::new())
    }
}

impl<T> Deref for Policy<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.object
    }
}

impl<T> DerefMut for Policy<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.object
    }
}

/// As the object is written.
impl<T: Serialize> Serialize for Policy<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.object.serialize(serializer)
    }
}
