//! When a certificate is due without anybody having been told: a pure rule, the same on every machine.

use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};

use crate::domain::{CertificateName, VaultName};

/// When the version that is valid between two moments is due.
///
/// With `within` that is so long before its end. Otherwise it is after two thirds of its life and up to
/// a twentieth more: the part depends on the name alone, so that a fleet made in one hour is not renewed
/// in one hour, and a run an hour later comes to the same result.
pub fn due_at(
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    within: Option<Duration>,
    vault: &VaultName,
    name: &CertificateName,
) -> OffsetDateTime {
    if let Some(within) = within {
        return not_after.checked_sub(within).unwrap_or(not_before);
    }
    let life = (not_after - not_before).max(Duration::ZERO);
    not_before + life * 2 / 3 + part_of(life / 20, vault, name)
}

/// A part of `span`, from none of it to almost all, by a hash of the name.
fn part_of(span: Duration, vault: &VaultName, name: &CertificateName) -> Duration {
    let digest = Sha256::digest(format!("{vault}/{}", name.as_str().to_ascii_lowercase()));
    let share = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    let seconds = i128::from(span.whole_seconds()) * i128::from(share) / (i128::from(u32::MAX) + 1);
    Duration::seconds(i64::try_from(seconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const MADE: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

    fn due(life_days: i64, within: Option<Duration>, name: &str) -> OffsetDateTime {
        let name = name.parse().unwrap();
        due_at(MADE, MADE + Duration::days(life_days), within, &"contoso-kv".parse().unwrap(), &name)
    }

    #[test]
    fn a_window_that_was_named_counts_from_the_end() {
        assert_eq!(due(365, Some(Duration::days(30)), "billing"), MADE + Duration::days(335));
        // One that is longer than the life: due from the first day on, and not before time began.
        assert!(due(20, Some(Duration::days(30)), "billing") < MADE);
        assert_eq!(due(20, Some(Duration::MAX), "billing"), MADE);
    }

    #[test]
    fn a_year_begins_to_be_due_after_eight_months_and_the_same_name_on_the_same_day() {
        let day = due(360, None, "billing");
        assert!((MADE + Duration::days(240)..MADE + Duration::days(258)).contains(&day), "{day}");
        assert_eq!(due(360, None, "Billing"), day);
    }

    #[test]
    fn a_fleet_that_was_made_in_one_hour_is_spread_over_the_whole_twentieth() {
        let days: Vec<i64> = (0..200).map(|n| (due(360, None, &format!("app-{n}")) - MADE).whole_days()).collect();
        for third in [240..246, 246..252, 252..258] {
            let count = days.iter().filter(|day| third.contains(*day)).count();
            assert!(count > 40, "{third:?}: {count}");
        }
    }

    proptest! {
        // Killed by: another fraction, a jitter that is subtracted, one longer than a twentieth.
        #[test]
        fn it_lies_between_two_thirds_and_a_twentieth_more(life in 1_i64..40_000_000, name in "[a-z][a-z0-9]{0,20}") {
            let life = Duration::seconds(life);
            let name: CertificateName = name.parse().unwrap();
            let due = due_at(MADE, MADE + life, None, &"contoso-kv".parse().unwrap(), &name);
            prop_assert!(due >= MADE + life * 2 / 3);
            prop_assert!(due <= MADE + life * 2 / 3 + life / 20);
        }
    }
}
