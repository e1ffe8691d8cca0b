//! Durations as ISO 8601 writes them (`P180D`, `P6M`, `PT4320H`), as far as they can be told in days.
//!
//! A month has 28 to 31 days and a year 365 or 366, so a duration is between two numbers of days.
//! Whoever compares it with a limit has to say what holds when the limit lies between them.

use std::str::FromStr;

/// The fewest and the most days that a duration can last; parts of days count as a day.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DayRange {
    /// Fewest days.
    pub least: u64,
    /// Most days.
    pub most: u64,
}

/// Text that is no duration.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not an ISO 8601 duration")]
pub struct InvalidDuration;

/// Units before the `T`: designator, fewest and most days.
const DATE_UNITS: [(char, u64, u64); 4] = [('Y', 365, 366), ('M', 28, 31), ('W', 7, 7), ('D', 1, 1)];
/// Units after the `T`: designator and seconds.
const TIME_UNITS: [(char, u64); 3] = [('H', 3600), ('M', 60), ('S', 1)];
const DAY: u64 = 86_400;

impl FromStr for DayRange {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let text = text.strip_prefix('P').ok_or(InvalidDuration)?;
        let (date, time) = match text.split_once('T') {
            Some((_, "")) => return Err(InvalidDuration),
            Some((date, time)) => (date, time),
            None if text.is_empty() => return Err(InvalidDuration),
            None => (text, ""),
        };
        let (mut least, mut most, mut seconds) = (0_u64, 0_u64, 0_u64);
        for (number, position) in elements(date, &DATE_UNITS.map(|unit| unit.0))? {
            let (_, fewest, longest) = DATE_UNITS[position];
            least = least.saturating_add(number.saturating_mul(fewest));
            most = most.saturating_add(number.saturating_mul(longest));
        }
        for (number, position) in elements(time, &TIME_UNITS.map(|unit| unit.0))? {
            seconds = seconds.saturating_add(number.saturating_mul(TIME_UNITS[position].1));
        }
        // Graph writes fractions of seconds where it writes seconds at all; a limit in days sees none of it.
        let days = seconds.div_ceil(DAY);
        Ok(Self { least: least.saturating_add(days), most: most.saturating_add(days) })
    }
}

/// Numbers with the positions of their units, which come in order and at most once.
fn elements(mut text: &str, units: &[char]) -> Result<Vec<(u64, usize)>, InvalidDuration> {
    let mut found: Vec<(u64, usize)> = Vec::new();
    while !text.is_empty() {
        let end = text.find(|c: char| !c.is_ascii_digit()).ok_or(InvalidDuration)?;
        let (digits, rest) = text.split_at(end);
        let rest = fraction_removed(rest)?;
        let mut rest_chars = rest.chars();
        let unit = rest_chars.next().ok_or(InvalidDuration)?;
        let position = units.iter().position(|known| *known == unit).ok_or(InvalidDuration)?;
        if found.last().is_some_and(|(_, last)| *last >= position) {
            return Err(InvalidDuration);
        }
        found.push((digits.parse().map_err(|_| InvalidDuration)?, position));
        text = rest_chars.as_str();
    }
    Ok(found)
}

/// Only seconds may have a fraction: of any other unit it could be days.
fn fraction_removed(text: &str) -> Result<&str, InvalidDuration> {
    let Some(fraction) = text.strip_prefix(['.', ',']) else { return Ok(text) };
    let rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    if rest == "S" && rest.len() < fraction.len() { Ok(rest) } else { Err(InvalidDuration) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn days(text: &str) -> (u64, u64) {
        let range: DayRange = text.parse().unwrap_or_else(|_| panic!("{text}"));
        (range.least, range.most)
    }

    #[test]
    fn months_and_years_are_between_two_numbers_of_days_and_the_rest_is_exact() {
        let cases = [
            ("P180D", (180, 180)),
            ("P1M", (28, 31)),
            ("P6M", (168, 186)),
            ("P1Y", (365, 366)),
            ("P2Y", (730, 732)),
            ("P5Y", (1825, 1830)),
            ("P26W", (182, 182)),
            ("P1Y2M3DT4H5M6S", (365 + 56 + 3 + 1, 366 + 62 + 3 + 1)),
            ("PT4320H", (180, 180)),
            ("PT4321H", (181, 181)),
            ("PT0.5S", (0, 0)),
            ("P4DT12H30M5S", (5, 5)),
            ("P0D", (0, 0)),
        ];
        for (text, expected) in cases {
            assert_eq!(days(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_not_taken_for_one() {
        let texts = [
            "",
            "P",
            "PT",
            "P1DT",
            "180",
            "180D",
            "P180",
            "PD",
            "p180d",
            "-P1D",
            "P-1D",
            "P+1D",
            "P1D2Y",
            "P1D1D",
            "P1H",
            "PT1D",
            "P1.5Y",
            "P1,5D",
            "PT1.S",
            "PT1.5H",
            "P1D ",
            " P1D",
            "P99999999999999999999D",
            "P1DT1HT1M",
            "P１D",
        ];
        for text in texts {
            assert_eq!(text.parse::<DayRange>(), Err(InvalidDuration), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_least_is_never_more_than_the_most_and_days_are_what_they_say(
            years in 0_u64..100, months in 0_u64..100, weeks in 0_u64..100, days in 0_u64..100_000,
        ) {
            let range: DayRange = format!("P{years}Y{months}M{weeks}W{days}D").parse().unwrap();
            prop_assert!(range.least <= range.most);
            prop_assert_eq!(range.least, years * 365 + months * 28 + weeks * 7 + days);
            prop_assert_eq!(range.most, years * 366 + months * 31 + weeks * 7 + days);
        }

        #[test]
        fn whatever_a_service_writes_there_is_no_panic_and_no_overflow(text in "P?[0-9YMWDTHS.,]{0,40}") {
            if let Ok(range) = text.parse::<DayRange>() {
                prop_assert!(range.least <= range.most);
            }
        }

        #[test]
        fn a_part_of_a_day_counts_as_a_day(hours in 1_u64..10_000) {
            let range: DayRange = format!("PT{hours}H").parse().unwrap();
            prop_assert!(range.least * 24 >= hours && (range.least - 1) * 24 < hours);
        }
    }
}
