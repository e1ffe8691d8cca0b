//! Where records lie unpacked while one object is looked at.

use std::fmt;

use elsa::FrozenVec;

use crate::inventory::{Application, Certificate, ServicePrincipal};

/// Records that were taken out of an inventory, each once. What is on a desk stays there as long as the
/// desk does, so that facts can refer to it: take a new one for each object of a large tenant.
#[derive(Debug, Default)]
pub struct Desk {
    pub(super) applications: Pile<Application>,
    pub(super) principals: Pile<ServicePrincipal>,
    pub(super) certificates: Pile<Certificate>,
}

/// Records of one kind, by where they are from.
pub(super) struct Pile<T>(FrozenVec<Box<(From, T)>>);

/// The list, where there are several, and the position there.
type From = (usize, usize);

impl<T> Pile<T> {
    /// The record from a place; `unpack` takes it from there if it is not on the desk.
    pub(super) fn record(&self, from: From, unpack: impl FnOnce() -> Option<T>) -> Option<&T> {
        if let Some((_, record)) = self.0.iter().find(|(known, _)| *known == from) {
            return Some(record);
        }
        Some(&self.0.push_get(Box::new((from, unpack()?))).1)
    }
}

impl<T> fmt::Debug for Pile<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records", self.0.len())
    }
}

impl<T> Default for Pile<T> {
    fn default() -> Self {
        Self(FrozenVec::new())
    }
}
