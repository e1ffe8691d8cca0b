//! How long things last in a rollover, and the two inequalities without which it goes wrong.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::span::Span;

/// The lengths of time that an issuer chooses.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WindowSettings {
    /// From the creation of a version until it signs. All this time it is published.
    pub rollover: Span,
    /// How old the published set may be when it is handed out.
    pub cache: Span,
    /// How long a verifier may keep the set: `max-age` of what is served.
    pub client_cache: Span,
    /// Room for slow deployments and for verifiers that are late.
    pub margin: Span,
    /// The longest life of a token.
    pub token_life: Span,
    /// How far the clocks of verifiers may be behind.
    pub skew: Span,
    /// How long an expired key stays published [default: token life + skew].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retain: Option<Span>,
}

impl Default for WindowSettings {
    fn default() -> Self {
        Self {
            rollover: Span::days(14),
            cache: Span::days(1),
            client_cache: Span::days(1),
            margin: Span::hours(1),
            token_life: Span::hours(1),
            skew: Span::minutes(5),
            retain: None,
        }
    }
}

/// Settings with which no verifier meets an unknown key.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Windows(WindowSettings);

/// Settings that cannot work, with the user's own numbers.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Impossible {
    /// A cached set would not know the key yet.
    #[error(
        "a key would sign before every verifier can know it: rollover ≥ cache + client cache + margin does not hold, \
         {rollover} < {cache} + {client_cache} + {margin} = {needed}"
    )]
    SignsTooEarly {
        /// What was chosen.
        rollover: Span,
        /// How old the published set may be.
        cache: Span,
        /// How long verifiers keep it.
        client_cache: Span,
        /// Room.
        margin: Span,
        /// Their sum.
        needed: Span,
    },
    /// Tokens would live longer than the key that verifies them.
    #[error(
        "a key would leave while tokens that it signed are valid: retain ≥ token life + skew does not hold, \
         {retain} < {token_life} + {skew} = {needed}"
    )]
    LeavesTooEarly {
        /// What was chosen.
        retain: Span,
        /// Longest life of a token.
        token_life: Span,
        /// How far clocks may be behind.
        skew: Span,
        /// Their sum.
        needed: Span,
    },
    /// No token can be made at all, or one that lives too long.
    #[error("the longest life of a token must be between 1s and 1d, and is {0}")]
    TokenLife(Span),
}

impl Windows {
    /// Refuses settings that cannot work.
    pub fn new(settings: WindowSettings) -> Result<Self, Impossible> {
        let windows = Self::forced(settings)?;
        let WindowSettings { rollover, cache, client_cache, margin, token_life, skew, .. } = settings;
        let needed = windows.needed();
        if rollover < needed {
            return Err(Impossible::SignsTooEarly { rollover, cache, client_cache, margin, needed });
        }
        let (retain, needed) = (windows.retain(), token_life.and(skew));
        if retain < needed {
            return Err(Impossible::LeavesTooEarly { retain, token_life, skew, needed });
        }
        Ok(windows)
    }

    /// Takes settings with which verifiers will meet unknown keys. For demonstrations, and for whoever
    /// knows all the verifiers.
    pub fn forced(settings: WindowSettings) -> Result<Self, Impossible> {
        if settings.token_life < Span::seconds(1) || settings.token_life > Span::days(1) {
            return Err(Impossible::TokenLife(settings.token_life));
        }
        Ok(Self(settings))
    }

    /// What was chosen.
    pub const fn settings(&self) -> &WindowSettings {
        &self.0
    }

    /// From the creation of a version until every verifier knows it: the least that a rollover can take.
    pub fn needed(&self) -> Span {
        self.0.cache.and(self.0.client_cache).and(self.0.margin)
    }

    /// How long an expired key stays published.
    pub fn retain(&self) -> Span {
        self.0.retain.unwrap_or_else(|| self.0.token_life.and(self.0.skew))
    }

    /// How long the last set that was read may be handed out while the vault cannot be read: a version
    /// that was made right after the reading does not sign before that.
    pub fn last_good(&self) -> Span {
        self.0.rollover.without(self.0.client_cache).without(self.0.margin).max(self.0.cache)
    }

    /// Until when verifiers may hold a set that was current at `moment`.
    pub fn forgotten_at(&self, moment: OffsetDateTime) -> OffsetDateTime {
        moment.saturating_add(self.0.cache.and(self.0.client_cache).duration())
    }

    /// Until when tokens that are signed up to `moment` may be valid somewhere.
    pub fn spent_at(&self, moment: OffsetDateTime) -> OffsetDateTime {
        moment.saturating_add(self.0.token_life.and(self.0.skew).duration())
    }

    pub(super) fn rollover(&self) -> Duration {
        self.0.rollover.duration()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_hold() {
        assert_eq!(Windows::new(WindowSettings::default()), Ok(Windows::default()));
        assert_eq!(Windows::default().needed(), Span::hours(49));
        assert_eq!(Windows::default().last_good(), Span::hours(14 * 24 - 25));
    }

    #[test]
    fn a_day_of_rollover_behind_a_day_of_cache_is_refused_with_its_numbers() {
        let settings = WindowSettings { rollover: Span::days(1), client_cache: Span::hours(0), ..Default::default() };
        assert_eq!(
            Windows::new(settings).unwrap_err().to_string(),
            "a key would sign before every verifier can know it: rollover ≥ cache + client cache + margin does not hold, \
             1d < 1d + 0s + 1h = 25h"
        );
        assert!(Windows::forced(settings).is_ok());
        let exact = WindowSettings { rollover: Span::hours(49), ..Default::default() };
        assert!(Windows::new(exact).is_ok(), "exactly enough is enough");
        let short = WindowSettings { rollover: "48h59m59s".parse().unwrap(), ..Default::default() };
        assert!(Windows::new(short).is_err());
    }

    #[test]
    fn a_key_is_not_let_go_while_its_tokens_live() {
        let settings = WindowSettings { retain: Some(Span::hours(1)), ..Default::default() };
        assert_eq!(
            Windows::new(settings).unwrap_err().to_string(),
            "a key would leave while tokens that it signed are valid: retain ≥ token life + skew does not hold, \
             1h < 1h + 5m = 1h5m"
        );
        for token_life in [Span::seconds(0), Span::hours(25)] {
            let settings = WindowSettings { token_life, ..Default::default() };
            assert_eq!(Windows::forced(settings), Err(Impossible::TokenLife(token_life)));
        }
    }
}
