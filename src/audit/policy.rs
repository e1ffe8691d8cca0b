//! Which rules run, with which limits, and what of their findings is accepted for now.

use std::collections::BTreeMap;

use super::data::Data;
use super::params::Params;
use super::rule::Rule;
use super::rules::RULES;
use super::severity::Severity;
use crate::domain::AppId;

/// What an inventory is judged by.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Name of the profile.
    pub profile: String,
    /// The rules that run.
    pub rules: Vec<&'static Rule>,
    /// Limits.
    pub params: Params,
    /// Other limits for single applications.
    pub overrides: BTreeMap<AppId, Params>,
    /// Other severities for single rules.
    pub severities: BTreeMap<&'static str, Severity>,
    /// Facts about the world.
    pub data: Data,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            profile: "default".to_owned(),
            rules: RULES.to_vec(),
            params: Params::default(),
            overrides: BTreeMap::new(),
            severities: BTreeMap::new(),
            data: Data::shipped(),
        }
    }
}

impl Policy {
    /// The limits that hold for an application.
    pub fn params_for(&self, app: Option<AppId>) -> &Params {
        app.and_then(|app| self.overrides.get(&app)).unwrap_or(&self.params)
    }

    /// How bad a rule's findings are, before adjustments.
    pub fn severity_of(&self, rule: &Rule) -> Severity {
        self.severities.get(rule.id).copied().unwrap_or(rule.severity)
    }
}
