//! Calendar arithmetic, and the validity that a tenant's policies allow.

use time::util::days_in_month;
use time::{Duration, OffsetDateTime};

use crate::domain::{AppManagementPolicy, LifetimeTrigger, RestrictionKind};

/// What is known of the longest validity allowed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Limit {
    /// No policy limits it.
    None,
    /// It may be no longer than this, from its own beginning.
    Longest {
        /// The policy's name.
        policy: String,
        /// The ISO 8601 duration as it was written, such as `P180D`. It has been read once.
        longest: String,
    },
    /// The policies may not be read, or are not understood.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl Limit {
    /// The strictest lifetime restriction of `policies` that applies to an application registered
    /// at `registered_at`. Months have different lengths, so durations are compared from `now`.
    pub fn of(policies: &[AppManagementPolicy], registered_at: Option<OffsetDateTime>, now: OffsetDateTime) -> Self {
        let mut strictest: Option<(OffsetDateTime, Self)> = None;
        for policy in policies {
            for restriction in &policy.key_credentials {
                if !restriction.is_enabled || restriction.kind != RestrictionKind::AsymmetricKeyLifetime {
                    continue;
                }
                let applies = match (restriction.applies_to_apps_created_after, registered_at) {
                    (Some(after), Some(registered)) => registered >= after,
                    // Not knowing when it was registered, the safe answer is that it applies.
                    (None, _) | (Some(_), None) => true,
                };
                let Some(longest) = restriction.max_lifetime.as_ref().filter(|_| applies) else {
                    continue;
                };
                let Some(latest) = add_iso(now, longest) else {
                    return Self::Unknown {
                        reason: format!(
                            "policy {} limits it to `{longest}`, which is not an ISO 8601 duration",
                            policy.name
                        ),
                    };
                };
                if strictest.as_ref().is_none_or(|(known, _)| latest < *known) {
                    let limit = Self::Longest { policy: policy.name.clone(), longest: longest.clone() };
                    strictest = Some((latest, limit));
                }
            }
        }
        strictest.map_or(Self::None, |(_, limit)| limit)
    }
}

/// `from` plus calendar months, to the second; the day is cut to the length of the month, as Key
/// Vault does.
pub fn add_months(from: OffsetDateTime, months: u32) -> OffsetDateTime {
    let index = i64::from(from.year()) * 12 + i64::from(u8::from(from.month())) - 1 + i64::from(months);
    let (Ok(year), Ok(month)) = (i32::try_from(index.div_euclid(12)), u8::try_from(index.rem_euclid(12) + 1)) else {
        return from;
    };
    let Ok(month) = time::Month::try_from(month) else {
        return from;
    };
    let day = from.day().min(days_in_month(month, year));
    time::Date::from_calendar_date(year, month, day).map_or(from, |date| from.replace_date(date))
}

/// How many whole calendar months fit between `from` and `until`.
pub fn whole_months(from: OffsetDateTime, until: OffsetDateTime) -> u32 {
    (1..=120).take_while(|months| add_months(from, *months) <= until).last().unwrap_or(0)
}

/// `from` plus an ISO 8601 duration such as `P90D`, `P1Y6M` or `P4DT12H30M5S`.
pub fn add_iso(from: OffsetDateTime, text: &str) -> Option<OffsetDateTime> {
    let (date, time) = text.strip_prefix('P')?.split_once('T').map_or((text.strip_prefix('P')?, ""), |parts| parts);
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let mut months = 0_u32;
    let mut rest = Duration::ZERO;
    for (part, in_time) in [(date, false), (time, true)] {
        let mut digits = String::new();
        for c in part.chars() {
            if c.is_ascii_digit() {
                digits.push(c);
                continue;
            }
            let number: u32 = std::mem::take(&mut digits).parse().ok()?;
            match (c, in_time) {
                ('Y', false) => months = months.checked_add(number.checked_mul(12)?)?,
                ('M', false) => months = months.checked_add(number)?,
                ('W', false) => rest = rest.checked_add(Duration::weeks(number.into()))?,
                ('D', false) => rest = rest.checked_add(Duration::days(number.into()))?,
                ('H', true) => rest = rest.checked_add(Duration::hours(number.into()))?,
                ('M', true) => rest = rest.checked_add(Duration::minutes(number.into()))?,
                ('S', true) => rest = rest.checked_add(Duration::seconds(number.into()))?,
                _ => return None,
            }
        }
        if !digits.is_empty() {
            return None;
        }
    }
    (months <= 12_000).then(|| add_months(from, months))?.checked_add(rest)
}

/// The moment of a lifetime action. Policies are other people's: a number that leads to no date leads to
/// none here either.
pub fn moment_of(
    trigger: &LifetimeTrigger,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
) -> Option<OffsetDateTime> {
    match *trigger {
        LifetimeTrigger::DaysBeforeExpiry(days) => not_after.checked_sub(Duration::days(days.into())),
        LifetimeTrigger::LifetimePercentage(percent) => {
            let share = (not_after - not_before).checked_mul(i32::try_from(percent).ok()?)? / 100;
            not_before.checked_add(share)
        }
        LifetimeTrigger::Unspecified => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;
    use crate::domain::CredentialRestriction;

    const NOW: OffsetDateTime = datetime!(2026-01-31 12:00 UTC);

    #[test]
    fn months_are_calendar_months() {
        assert_eq!(add_months(NOW, 1), datetime!(2026-02-28 12:00 UTC));
        assert_eq!(add_months(NOW, 12), datetime!(2027-01-31 12:00 UTC));
        assert_eq!(add_months(datetime!(2024-02-29 0:00 UTC), 12), datetime!(2025-02-28 0:00 UTC));
    }

    #[test]
    fn durations_are_read_as_iso_8601_has_them() {
        assert_eq!(add_iso(NOW, "P90D"), Some(NOW + Duration::days(90)));
        assert_eq!(add_iso(NOW, "P1Y"), Some(datetime!(2027-01-31 12:00 UTC)));
        assert_eq!(add_iso(NOW, "P1M1DT2H"), Some(datetime!(2026-03-01 14:00 UTC)));
        for bad in ["", "P", "90D", "PD", "P90", "P-1D", "PT5D", "P99999999999D", "P4294967295Y", "P1H"] {
            assert_eq!(add_iso(NOW, bad), None, "{bad}");
        }
    }

    #[test]
    fn a_trigger_that_leads_to_no_date_is_none() {
        let (start, end) = (datetime!(2026-01-01 0:00 UTC), datetime!(2027-01-01 0:00 UTC));
        let moment = |trigger| moment_of(&trigger, start, end);
        assert_eq!(moment(LifetimeTrigger::DaysBeforeExpiry(30)), Some(datetime!(2026-12-02 0:00 UTC)));
        assert_eq!(moment(LifetimeTrigger::LifetimePercentage(80)), Some(datetime!(2026-10-20 0:00 UTC)));
        for far in [10_000_000, u32::MAX] {
            assert_eq!(moment(LifetimeTrigger::DaysBeforeExpiry(far)), None);
            assert_eq!(moment(LifetimeTrigger::LifetimePercentage(far)), None);
        }
    }

    fn policy(max_lifetime: &str, after: Option<OffsetDateTime>, is_enabled: bool) -> AppManagementPolicy {
        AppManagementPolicy {
            name: "default".to_owned(),
            key_credentials: vec![CredentialRestriction {
                kind: RestrictionKind::AsymmetricKeyLifetime,
                is_enabled,
                max_lifetime: Some(max_lifetime.to_owned()),
                applies_to_apps_created_after: after,
            }],
            password_credentials: Vec::new(),
        }
    }

    #[test]
    fn the_strictest_restriction_that_applies_wins() {
        let old = Some(datetime!(2020-01-01 0:00 UTC));
        let limit = Limit::of(&[policy("P1Y", None, true), policy("P90D", None, true)], old, NOW);
        assert!(matches!(limit, Limit::Longest { longest, .. } if longest == "P90D"));
        let since = Some(datetime!(2021-01-01 0:00 UTC));
        assert_eq!(Limit::of(&[policy("P90D", since, true)], old, NOW), Limit::None);
        assert!(matches!(Limit::of(&[policy("P90D", since, true)], None, NOW), Limit::Longest { .. }));
        assert_eq!(Limit::of(&[policy("P90D", None, false)], old, NOW), Limit::None);
        assert!(matches!(Limit::of(&[policy("soon", None, true)], old, NOW), Limit::Unknown { .. }));
    }

    proptest! {
        #[test]
        fn whole_months_is_the_most_that_fits(months in 0_u32..=60, seconds in 0_i64..2_000_000) {
            let until = add_months(NOW, months) + Duration::seconds(seconds);
            let fits = whole_months(NOW, until);
            prop_assert!(fits == 0 || add_months(NOW, fits) <= until);
            prop_assert!(add_months(NOW, fits + 1) > until);
        }
    }
}
