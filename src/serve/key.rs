//! The key of one run.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::Secret;

/// What callers show. It is drawn at each start and kept nowhere.
#[derive(Clone)]
pub struct RunKey {
    text: Secret<String>,
    address: Secret<String>,
}

impl RunKey {
    /// A key from the operating system's randomness; `None` where that fails.
    pub fn draw() -> Option<Self> {
        let mut bytes = [0; 32];
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        Some(Self::from_bytes(bytes))
    }

    /// The key of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let address = crate::domain::hex(&bytes);
        Self { text: Secret::new(URL_SAFE_NO_PAD.encode(bytes)), address: Secret::new(address) }
    }

    /// As callers write it.
    pub fn text(&self) -> &Secret<String> {
        &self.text
    }

    /// As it stands in an address: in hex, because MSAL writes addresses in lower case.
    pub fn in_address(&self) -> &Secret<String> {
        &self.address
    }

    /// Whether `shown` is the key. How long this takes says nothing about where it differs.
    pub fn matches(&self, shown: &[u8]) -> bool {
        verify_slices_are_equal(self.text.expose().as_bytes(), shown).is_ok()
    }

    /// The same for what an address shows, which may be either form.
    pub fn matches_in_address(&self, shown: &[u8]) -> bool {
        verify_slices_are_equal(self.address.expose().as_bytes(), shown).is_ok() | self.matches(shown)
    }
}

impl fmt::Debug for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_itself_and_nothing_else() {
        let key = RunKey::from_bytes([7; 32]);
        let text = key.text().expose().clone();
        assert_eq!(text.len(), 43);
        let address = key.in_address().expose();
        assert_eq!(*address, "07".repeat(32));
        assert!(key.matches_in_address(address.as_bytes()) && key.matches_in_address(text.as_bytes()));
        assert!(!key.matches(address.as_bytes()) && !key.matches_in_address(b"07"));
        assert!(key.matches(text.as_bytes()));
        assert!(!key.matches(&text.as_bytes()[1..]));
        assert!(!key.matches(b""));
        assert!(!key.matches(RunKey::from_bytes([8; 32]).text().expose().as_bytes()));
    }

    #[test]
    fn each_start_has_another_key_and_debug_shows_none() {
        let (one, other) = (RunKey::draw().unwrap(), RunKey::draw().unwrap());
        assert_ne!(one.text(), other.text());
        assert_eq!(format!("{one:?}"), "RunKey(…)");
    }
}
