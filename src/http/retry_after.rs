//! How long a service asked us to wait, in the three ways in which it says so.

use std::time::Duration;

use http::HeaderMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// Reads `retry-after-ms`, `x-ms-retry-after-ms` and `Retry-After` (seconds or a date, RFC 9110
/// 10.2.3). A date is taken against the answer's own `Date`, so that our clock does not matter.
pub(super) fn retry_after(headers: &HeaderMap, now: OffsetDateTime) -> Option<Duration> {
    for name in ["retry-after-ms", "x-ms-retry-after-ms"] {
        if let Some(milliseconds) = text(headers, name).and_then(|value| value.parse().ok()) {
            return Some(Duration::from_millis(milliseconds));
        }
    }
    let value = text(headers, "retry-after")?;
    if let Some(seconds) = seconds(value) {
        return Some(seconds);
    }
    let until = http_date(value)? - date(headers).unwrap_or(now);
    Some(until.try_into().unwrap_or(Duration::ZERO))
}

/// Digits, with a fraction where Graph sends one (`2.128`), although RFC 9110 knows whole seconds only.
fn seconds(text: &str) -> Option<Duration> {
    let is_decimal = text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !is_decimal {
        return None;
    }
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

/// The answer's `Date`.
pub(super) fn date(headers: &HeaderMap) -> Option<OffsetDateTime> {
    http_date(text(headers, "date")?)
}

fn http_date(text: &str) -> Option<OffsetDateTime> {
    // An HTTP date is an RFC 2822 date whose zone is written `GMT`, which RFC 2822 knows as obsolete.
    OffsetDateTime::parse(text, &Rfc2822).ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn asked(pairs: &[(&'static str, &str)]) -> Option<u128> {
        let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        retry_after(&headers, datetime!(2026-11-21 12:00 UTC)).map(|wait| wait.as_millis())
    }

    #[test]
    fn each_form_is_understood() {
        assert_eq!(asked(&[("retry-after", "7")]), Some(7_000));
        assert_eq!(asked(&[("retry-after", "2.128")]), Some(2_128));
        assert_eq!(asked(&[("retry-after", "7"), ("retry-after-ms", "1500")]), Some(1_500));
        assert_eq!(asked(&[("x-ms-retry-after-ms", "20")]), Some(20));
        assert_eq!(asked(&[("retry-after", "Sat, 21 Nov 2026 12:00:09 GMT")]), Some(9_000));
        assert_eq!(asked(&[]), None);
    }

    #[test]
    fn a_date_is_taken_against_the_services_clock() {
        let pairs = [("retry-after", "Sat, 21 Nov 2026 18:00:09 GMT"), ("date", "Sat, 21 Nov 2026 18:00:00 GMT")];
        assert_eq!(asked(&pairs), Some(9_000));
        assert_eq!(asked(&[("retry-after", "Sat, 21 Nov 2026 11:00:00 GMT")]), Some(0));
    }

    #[test]
    fn nonsense_is_as_good_as_nothing() {
        for text in ["", "soon", "-1", "1e9", "1.2.3", ".5", "99999999999999999999999"] {
            assert_eq!(asked(&[("retry-after", text)]), None, "{text}");
        }
    }
}
