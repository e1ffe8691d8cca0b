//! What an app management policy forbids: entries that are absent or disabled forbid nothing.

use super::duration::DayRange;
use crate::inventory::{AppManagementPolicy, Restriction, Restrictions};

/// How long something may live at most.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Cap {
    /// Not longer than the limit.
    Within,
    /// Longer than the limit in some years or months, and not in others.
    Ambiguous {
        /// As it is written.
        text: String,
        /// The most days that it can mean.
        most: u64,
    },
    /// Longer than the limit in any case.
    Over {
        /// As it is written.
        text: String,
        /// The fewest days that it can mean.
        least: u64,
    },
    /// Nothing says how long.
    Missing,
    /// Something says it, and cannot be understood.
    Unreadable {
        /// As it is written.
        text: String,
    },
}

/// The two halves of a policy, by their names in Graph.
pub fn scopes(policy: &AppManagementPolicy) -> [(&'static str, &Restrictions); 2] {
    [("applicationRestrictions", &policy.applications), ("servicePrincipalRestrictions", &policy.service_principals)]
}

/// The entries of a kind that are in force.
pub fn in_force<'a>(restrictions: &'a Restrictions, kind: &str) -> impl Iterator<Item = &'a Restriction> {
    let all = restrictions.passwords.iter().chain(&restrictions.keys);
    all.filter(move |restriction| restriction.kind.eq_ignore_ascii_case(kind) && restriction.is_enabled())
}

/// Whether an entry of a kind keeps lives within a number of days; of several the strictest decides.
pub fn cap(restrictions: &Restrictions, kind: &str, limit: u64) -> Cap {
    let mut strictest = Cap::Missing;
    for entry in in_force(restrictions, kind) {
        let found = cap_of(entry, limit);
        if found.rank() < strictest.rank() {
            strictest = found;
        }
    }
    strictest
}

fn cap_of(entry: &Restriction, limit: u64) -> Cap {
    let Some(text) = entry.max_lifetime.as_deref() else { return Cap::Missing };
    let text = text.to_owned();
    match text.parse() {
        Ok(DayRange { least, .. }) if least > limit => Cap::Over { text, least },
        Ok(DayRange { most, .. }) if most > limit => Cap::Ambiguous { text, most },
        Ok(_) => Cap::Within,
        Err(_) => Cap::Unreadable { text },
    }
}

impl Cap {
    fn rank(&self) -> u8 {
        match self {
            Self::Within => 0,
            Self::Ambiguous { .. } => 1,
            // It may be within the limit: not known is neither within nor over.
            Self::Unreadable { .. } => 2,
            Self::Over { .. } => 3,
            Self::Missing => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restriction(kind: &str, state: Option<&str>, life: Option<&str>) -> Restriction {
        Restriction {
            kind: kind.into(),
            state: state.map(Into::into),
            max_lifetime: life.map(Into::into),
            created_after: None,
            excluded_actors: Box::default(),
        }
    }

    fn capped(entries: &[(Option<&str>, Option<&str>)]) -> Cap {
        let passwords = entries.iter().map(|(state, life)| restriction("passwordLifetime", *state, *life)).collect();
        cap(&Restrictions { passwords, ..Restrictions::default() }, "passwordLifetime", 181)
    }

    #[test]
    fn a_limit_is_kept_by_its_longest_reading_and_broken_by_its_shortest() {
        assert_eq!(capped(&[(None, Some("P181D"))]), Cap::Within);
        assert_eq!(capped(&[(None, Some("P182D"))]), Cap::Over { text: "P182D".into(), least: 182 });
        assert_eq!(capped(&[(None, Some("P6M"))]), Cap::Ambiguous { text: "P6M".into(), most: 186 });
        assert_eq!(capped(&[(None, Some("P1M"))]), Cap::Within);
        assert_eq!(capped(&[(None, Some("P5Y"))]), Cap::Over { text: "P5Y".into(), least: 1825 });
    }

    #[test]
    fn what_is_absent_disabled_or_without_a_length_caps_nothing() {
        assert_eq!(capped(&[]), Cap::Missing);
        assert_eq!(capped(&[(Some("disabled"), Some("P1D"))]), Cap::Missing);
        assert_eq!(capped(&[(Some("enabled"), None)]), Cap::Missing);
        assert_eq!(capped(&[(Some("enabled"), Some("half a year"))]), Cap::Unreadable { text: "half a year".into() });
    }

    #[test]
    fn of_several_entries_the_strictest_decides_in_any_order() {
        let (short, long) = ((None, Some("P90D")), (None, Some("P900D")));
        assert_eq!(capped(&[long, short]), Cap::Within);
        assert_eq!(capped(&[short, long]), Cap::Within);
        assert_eq!(capped(&[(Some("disabled"), Some("P90D")), long]), Cap::Over { text: "P900D".into(), least: 900 });
    }
}
