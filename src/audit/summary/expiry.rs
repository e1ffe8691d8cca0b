//! When credentials end, by week, and whether something takes over.

use serde::Serialize;

use super::Identity;

/// Weeks that are told apart: a year.
const WEEKS: usize = 52;

/// When credentials that open a sign-in end.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Expiry {
    /// Ended, and still registered.
    pub overdue: u64,
    /// By week from the day of the inventory: the first is the coming seven days.
    pub weeks: Vec<Week>,
    /// In a year or later.
    pub later: u64,
    /// Never.
    pub never: u64,
}

/// Credentials that end in one week.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Week {
    /// Their application holds another that is as good and lives longer.
    pub succeeded: u64,
    /// Nothing takes over.
    pub alone: u64,
}

impl Default for Expiry {
    fn default() -> Self {
        Self { overdue: 0, weeks: vec![Week::default(); WEEKS], later: 0, never: 0 }
    }
}

impl Expiry {
    /// Adds what an identity holds, and tells how many of those end within `soon` days with nothing to take over.
    pub(super) fn add(&mut self, identity: &Identity<'_, '_>, soon: u32) -> u64 {
        let soon = i64::from(soon);
        let keys = || identity.keys.iter().filter(|key| key.is_sign_in());
        let secrets = || identity.passwords.iter().filter(|password| password.is_active && !password.is_saml);
        let last_key = keys().map(|key| key.days_left.unwrap_or(i64::MAX)).max();
        let last_secret = secrets().map(|secret| secret.days_left.unwrap_or(i64::MAX)).max();
        // A certificate takes over from a secret; a secret is no successor of a certificate.
        let last = last_key.max(last_secret);
        let ends = keys().map(|key| (key.days_left, last_key));
        let ends = ends.chain(secrets().map(|secret| (secret.days_left, last)));
        let mut alone = 0;
        for (days_left, last) in ends {
            let Some(days) = days_left else {
                self.never += 1;
                continue;
            };
            let is_succeeded = last.is_some_and(|last| last > days.max(soon));
            alone += u64::from(days <= soon && !is_succeeded);
            match usize::try_from(days / 7).ok().and_then(|week| self.weeks.get_mut(week)) {
                Some(week) if is_succeeded => week.succeeded += 1,
                Some(week) => week.alone += 1,
                None => self.later += 1,
            }
        }
        let expired = |days: Option<i64>| days.is_some_and(|days| days < 0);
        self.overdue += identity
            .keys
            .iter()
            .filter(|key| !key.is_saml && key.key.is_for_sign_in() && expired(key.days_left))
            .count() as u64;
        self.overdue +=
            identity.passwords.iter().filter(|password| !password.is_saml && expired(password.days_left)).count()
                as u64;
        alone
    }
}
