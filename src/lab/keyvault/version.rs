//! The api-version of a request.

use super::error::Refusal;

/// Versions with a date for a name, oldest first.
const DATED: [&str; 7] =
    ["2015-06-01", "2016-10-01", "2025-06-01-preview", "2025-07-01", "2026-02-01", "2026-03-01-preview", "2026-04-01"];

/// A known api-version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ApiVersion {
    text: String,
    /// The part after `7.`; versions with a date are before or after all of them.
    minor: u32,
}

impl ApiVersion {
    /// Reads the query parameter.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, Refusal> {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return Err(Refusal::bad_parameter("api-version must be specified"));
        };
        let minor = minor(text).ok_or_else(|| {
            Refusal::bad_parameter(format!(
                "The specified version ({text}) is not recognized. Consider using the latest supported version \
                 (2025-07-01)."
            ))
        })?;
        Ok(Self { text: text.to_owned(), minor })
    }

    /// As the client wrote it, for links.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// `recoverableDays` came with 7.1.
    pub(super) const fn has_recoverable_days(&self) -> bool {
        self.minor >= 1
    }

    /// `preserveCertOrder` came with 7.6.
    pub(super) const fn has_preserve_order(&self) -> bool {
        self.minor >= 6
    }
}

fn minor(text: &str) -> Option<u32> {
    if DATED.contains(&text) {
        return Some(if text < "2020" { 0 } else { 100 });
    }
    let rest = text.strip_prefix("7.")?;
    let (minor, preview) = rest.split_once('-').map_or((rest, None), |(minor, preview)| (minor, Some(preview)));
    let is_preview = |preview: &str| {
        preview.strip_prefix("preview").is_some_and(|rest| {
            rest.is_empty() || rest.strip_prefix('.').is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
        })
    };
    let minor: u32 = minor.parse().ok()?;
    (minor <= 6 && preview.is_none_or(is_preview)).then_some(minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_versions_are_accepted_and_others_are_not() {
        for good in
            ["7.0", "7.4", "7.6-preview.2", "7.4-preview.1", "7.3-preview", "2025-07-01", "2026-04-01", "2016-10-01"]
        {
            assert!(ApiVersion::parse(Some(good)).is_ok(), "{good}");
        }
        for bad in [None, Some(""), Some("7.9"), Some("8.0"), Some("2024-01-01"), Some("7.4-beta"), Some("latest")] {
            assert!(ApiVersion::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn members_come_with_their_version() {
        let version = |text| ApiVersion::parse(Some(text)).unwrap();
        assert!(!version("7.0").has_recoverable_days() && version("7.1").has_recoverable_days());
        assert!(!version("7.5").has_preserve_order() && version("7.6-preview.2").has_preserve_order());
        assert!(version("2025-07-01").has_preserve_order());
    }
}
