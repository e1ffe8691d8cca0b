//! Which rules run, with which limits, and what of their findings is accepted for now.

mod file;
mod identity;
mod limit;
mod profile;
mod team;

use std::collections::BTreeMap;

use time::Date;

pub use file::{File, Problem, Problems};
pub(crate) use file::{Reader, Table, Value, meant};
pub use limit::{LIMITS, Limit};
pub use profile::Profile;

use self::team::Team;
use super::data::Data;
use super::params::Params;
use super::rule::Rule;
use super::rules::RULES;
use super::severity::Severity;
use super::waiver::Waivers;
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
    /// What is accepted for now.
    pub waivers: Waivers,
    /// What of the files no longer holds.
    pub warnings: Vec<String>,
    /// Rules of the team's own, as they stand in their files.
    pub own: Vec<File>,
}

/// What a policy is made of.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// The profile by name; the team's file, else the default one, says otherwise.
    pub profile: Option<&'a str>,
    /// The team's file: profile, limits, severities.
    pub team: Option<&'a File>,
    /// The waivers.
    pub waivers: Option<&'a File>,
    /// Rules of the team's own.
    pub own: Own<'a>,
    /// The day of the audit: what ended before it no longer holds.
    pub today: Date,
}

/// Rules of a team's own, as far as a policy has to know of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Own<'a> {
    /// Their ids: waivers may name them.
    pub ids: &'a [&'a str],
    /// Their files, which are part of what is judged by.
    pub files: &'a [File],
}

/// A policy that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A profile that is none.
    #[error("there is no profile `{name}`{}", meant(name, &Profile::names()))]
    UnknownProfile {
        /// What was asked for.
        name: String,
    },
    /// A team's file that cannot be used.
    #[error("the policy cannot be used\n{0}")]
    Team(Problems),
    /// Waivers that cannot be used (KVO903).
    #[error("the waivers cannot be used (KVO903)\n{0}")]
    Waivers(Problems),
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
            waivers: Waivers::default(),
            warnings: Vec::new(),
            own: Vec::new(),
        }
    }
}

impl Policy {
    /// Makes a policy of a profile and of files.
    pub fn load(choice: &Choice<'_>) -> Result<Self, Error> {
        let unknown = |name: &str| Error::UnknownProfile { name: name.to_owned() };
        let named = choice.profile.map(|name| Profile::named(name).ok_or_else(|| unknown(name))).transpose()?;
        let nothing = File::default();
        let team = Team::read(choice.team.unwrap_or(&nothing), named, choice.today).map_err(Error::Team)?;
        let known: Vec<&str> = RULES.iter().map(|rule| rule.id).chain(choice.own.ids.iter().copied()).collect();
        let waivers = choice.waivers.map(|file| Waivers::read(file, &team.params, &known, choice.today));
        Ok(Self {
            profile: team.profile.name.to_owned(),
            rules: team.profile.rules,
            params: team.params,
            overrides: team.overrides,
            severities: team.severities,
            data: Data::shipped(),
            waivers: waivers.transpose().map_err(Error::Waivers)?.unwrap_or_default(),
            warnings: team.warnings,
            own: choice.own.files.to_vec(),
        })
    }

    /// The limits that hold for an application.
    pub fn params_for(&self, app: Option<AppId>) -> &Params {
        app.and_then(|app| self.overrides.get(&app)).unwrap_or(&self.params)
    }

    /// How bad a rule's findings are, before adjustments.
    pub fn severity_of(&self, rule: &Rule) -> Severity {
        self.severities.get(rule.id).copied().unwrap_or(rule.severity)
    }
}
