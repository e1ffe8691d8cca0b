//! What a policy is known by: two audits with the same hash were judged alike.

use serde::Serialize;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use super::Policy;

impl Policy {
    /// SHA-256, in hex, over everything that decides: the version of kvops, whose rules are code, the
    /// rules that run with their severities, the limits, the exceptions and the waivers.
    pub fn hash(&self) -> String {
        let rules: Vec<_> = self.rules.iter().map(|rule| (rule.id, self.severity_of(rule))).collect();
        let overrides: Vec<_> = self.overrides.iter().map(|(app, params)| (app, json(params))).collect();
        let all = json(&(
            "kvops policy 1",
            env!("CARGO_PKG_VERSION"),
            rules,
            json(&self.params),
            overrides,
            self.waivers.canonical(),
            json(&self.data),
            // Where a file lies is no part of what it says.
            self.own.iter().map(|file| file.text.as_str()).collect::<Vec<_>>(),
        ));
        let digest = Sha256::digest(all.to_string().as_bytes());
        crate::domain::hex(&digest)
    }
}

/// As JSON with the members of every object sorted.
fn json(value: &impl Serialize) -> Json {
    let mut value = serde_json::to_value(value).unwrap_or_default();
    value.sort_all_objects();
    value
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::super::{Choice, File, Own};
    use super::*;

    fn hash(team: &str, waivers: &str) -> String {
        let (team, waivers) = (File::new("params.toml", team), File::new("waivers.toml", waivers));
        let choice = Choice {
            profile: None,
            team: Some(&team),
            waivers: Some(&waivers),
            own: Own::default(),
            today: date!(2026 - 11 - 21),
        };
        Policy::load(&choice).unwrap().hash()
    }

    const ONE: &str = "[[waiver]]\nrule = \"KVO101\"\nsubject = { app = \"7b0f0000-0000-4000-8000-000000000001\" }\nowner = \"jane\"\nreason = \"vendor\"\nexpires = 2027-02-28\n";
    const TWO: &str = "[[waiver]]\nrule = \"KVO201\"\nsubject = { app = \"7b0f0000-0000-4000-8000-000000000001\", key = \"*\" }\nowner = \"jane\"\nreason = \"vendor\"\nexpires = 2027-02-28\n";

    #[test]
    fn every_change_of_what_is_judged_by_changes_it_and_order_does_not() {
        let plain = hash("", "");
        assert_eq!(plain.len(), 64);
        assert_eq!(plain, hash("[params]\nwarn_days = 30\n", ""), "a default that is written down is no change");
        assert_ne!(plain, hash("[params]\nwarn_days = 31\n", ""));
        assert_ne!(plain, hash("[severity]\nKVO101 = \"critical\"\n", ""));
        assert_ne!(plain, hash("profile = \"strict\"\n", ""));
        assert_ne!(plain, hash("", ONE));
        assert_eq!(hash("", &format!("{ONE}{TWO}")), hash("", &format!("# sorted\n{TWO}{ONE}")));
    }
}
