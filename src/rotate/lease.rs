//! A tag that says who is rotating a certificate, for those who do it elsewhere at the same time.
//!
//! Key Vault has no lock, and a tag can be overwritten; it is read back, and looked at again before
//! each step. On one machine the lock of [`super::lock`] comes first.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::domain::TAG_LEASE;

/// How long a run may take until it counts as dead.
const LONGEST: Duration = Duration::hours(1);

/// Whose turn it is, and until when.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lease {
    /// Id of the run, as in its ledger.
    pub run: Uuid,
    /// When it counts as dead.
    pub until: OffsetDateTime,
}

impl Lease {
    /// A lease for a run that goes on now.
    pub fn new(run: Uuid, now: OffsetDateTime) -> Self {
        Self { run, until: now.saturating_add(LONGEST).replace_nanosecond(0).unwrap_or(now) }
    }

    /// What the tags of a version say; anything else than a lease is none.
    pub fn of(tags: &BTreeMap<String, String>) -> Option<Self> {
        tags.get(TAG_LEASE)?.parse().ok()
    }
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.run, self.until.format(&Rfc3339).map_err(|_| fmt::Error)?)
    }
}

/// Text that is no lease.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoLease;

impl FromStr for Lease {
    type Err = NoLease;

    fn from_str(text: &str) -> Result<Self, NoLease> {
        let (run, until) = text.split_once(' ').ok_or(NoLease)?;
        let until = OffsetDateTime::parse(until, &Rfc3339).map_err(|_| NoLease)?;
        Ok(Self { run: run.parse().map_err(|_| NoLease)?, until })
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_lease_comes_back_from_its_text_and_nothing_else_is_one() {
        let lease = Lease::new(Uuid::from_u128(7), datetime!(2026-11-22 05:00 UTC));
        assert_eq!(lease.to_string().parse(), Ok(lease.clone()));
        assert!(lease.to_string().len() <= 256, "longer than a tag may be");
        for bad in ["", "x", "00000000-0000-0000-0000-000000000007", "7 2026", " 2026-11-22T05:00:00Z"] {
            assert_eq!(bad.parse::<Lease>(), Err(NoLease), "{bad}");
        }
    }
}
