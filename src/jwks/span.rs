//! Lengths of time as people write them: `14d`, `36h`, `1d12h`, `90m`, `30s`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::Duration;

/// A length of time that is not negative.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(Duration);

/// Text that is no length of time.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not a length of time such as 14d, 36h, 90m, 30s or 1d12h")]
pub struct InvalidSpan(String);

/// Units, the longest first.
const UNITS: [(char, i64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// So long nothing here lasts: ten years.
const LONGEST: i64 = 3_650 * 86_400;

impl Span {
    /// So many days.
    pub const fn days(days: u32) -> Self {
        Self(Duration::days(days as i64))
    }

    /// So many hours.
    pub const fn hours(hours: u32) -> Self {
        Self(Duration::hours(hours as i64))
    }

    /// So many minutes.
    pub const fn minutes(minutes: u32) -> Self {
        Self(Duration::minutes(minutes as i64))
    }

    /// So many seconds.
    pub const fn seconds(seconds: u32) -> Self {
        Self(Duration::seconds(seconds as i64))
    }

    /// For arithmetic with moments.
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// One after the other.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left without `other`; nothing rather than less than nothing.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(Duration::ZERO))
    }

    /// Whole seconds.
    pub const fn whole_seconds(self) -> i64 {
        self.0.whole_seconds()
    }
}

impl From<Duration> for Span {
    /// Less than nothing is nothing.
    fn from(duration: Duration) -> Self {
        Self(duration.max(Duration::ZERO))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.whole_seconds();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, seconds) in UNITS {
            // Up to three days, hours say more: 36h, 49h.
            if unit == 'd' && rest < 3 * 86_400 && rest % 86_400 != 0 {
                continue;
            }
            if rest >= seconds {
                write!(f, "{}{unit}", rest / seconds)?;
                rest %= seconds;
            }
        }
        Ok(())
    }
}

impl FromStr for Span {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, InvalidSpan> {
        let invalid = || InvalidSpan(text.to_owned());
        let (mut total, mut digits, mut units) = (0_i64, String::new(), UNITS.iter().copied());
        for letter in text.trim().chars() {
            if letter.is_ascii_digit() && digits.len() < 10 {
                digits.push(letter);
                continue;
            }
            // Each unit once, the longer before the shorter.
            let (_, seconds) = units.find(|(unit, _)| *unit == letter).ok_or_else(invalid)?;
            let number: i64 = digits.parse().map_err(|_| invalid())?;
            total = number.checked_mul(seconds).and_then(|part| total.checked_add(part)).ok_or_else(invalid)?;
            digits.clear();
        }
        if !digits.is_empty() || text.trim().is_empty() || total > LONGEST {
            return Err(invalid());
        }
        Ok(Self(Duration::seconds(total)))
    }
}

impl TryFrom<String> for Span {
    type Error = InvalidSpan;

    fn try_from(text: String) -> Result<Self, InvalidSpan> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for (text, seconds, written) in [
            ("14d", 14 * 86_400, "14d"),
            ("36h", 36 * 3_600, "36h"),
            ("1d12h", 36 * 3_600, "36h"),
            ("49h", 49 * 3_600, "49h"),
            ("100h", 100 * 3_600, "4d4h"),
            ("90m", 5_400, "1h30m"),
            ("30s", 30, "30s"),
            ("0s", 0, "0s"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.whole_seconds(), span.to_string().as_str()), (seconds, written), "{text}");
            assert_eq!(span.to_string().parse(), Ok(span));
        }
        for bad in ["", "5", "-1h", "1h1h", "1m1h", "h", "1w", "1.5h", "99999999999d", "4000d"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }
}
