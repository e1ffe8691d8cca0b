//! How much an application's credentials are worth to a thief, and how easily they are had.
//!
//! The model is that of `ScubaGear`'s risky applications (CISA, public domain): what the identity may
//! do, and how it signs in. One thing differs. There every key counts half; here it counts by whose
//! hands it is in, from a tenth for a key in an HSM to seven tenths for one that nobody can place.

use std::collections::HashMap;

use serde::Serialize;

use super::Identity;
use crate::audit::data::Data;
use crate::audit::facts::{Custody, Tier};
use crate::domain::ObjectId;
use crate::inventory::DirectoryRole;

/// A part of a score.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Points {
    /// What for.
    pub why: String,
    /// How many.
    pub points: u32,
}

/// What identities may do in the directory.
#[derive(Debug)]
pub(super) struct Privileges<'a> {
    pub(super) roles: HashMap<ObjectId, Vec<&'a DirectoryRole>>,
    pub(super) data: &'a Data,
}

/// The highest permission that an identity has.
#[derive(Clone, Copy)]
enum Highest {
    /// It leads to the whole tenant.
    Critical,
    /// An application permission on Microsoft Graph; or nobody could see which.
    High,
    /// One on another resource, or a delegated one for every user.
    Medium,
    /// Less.
    Low,
}

impl Privileges<'_> {
    /// The points of an identity and their sum; none when it has no credential and no right.
    pub(super) fn score(&self, identity: &Identity<'_, '_>) -> (u32, Vec<Points>) {
        let mut points = Vec::new();
        let mut add = |worth: f64, why: String| {
            let worth = worth.round() as u32;
            if worth > 0 {
                points.push(Points { why, points: worth });
            }
        };
        let (highest, why) = self.highest(identity);
        if let Some(credential) = best_credential(identity) {
            add(highest.credential() * credential.ease, credential.why);
            if credential.bonus > 0 {
                add(f64::from(credential.bonus), credential.bonus_why);
            }
            if credential.others > 0 {
                let work = if credential.others == 1 { "works" } else { "work" };
                add(f64::from(credential.others) * 5.0, format!("{} more {work} beside it", credential.others));
            }
        }
        add(highest.permission(), why);
        let granted = identity.principal.and_then(|principal| principal.app_roles.read()).map_or(0, Vec::len);
        add((granted / 10) as f64, format!("{granted} application permissions"));
        let roles = identity.principal.map_or(0, |principal| self.privileged_roles(principal.id));
        add(roles as f64 * 8.0, format!("{roles} privileged roles in the directory"));
        if identity.application.is_some_and(crate::inventory::Application::is_multi_tenant) {
            add(10.0, "other tenants can use it".to_owned());
        }
        if identity.is_third_party {
            add(20.0, "it is registered in another tenant".to_owned());
        }
        if identity.principal.is_some_and(|principal| principal.account_enabled == Some(false)) {
            points.iter_mut().for_each(|points| points.points /= 2);
        }
        points.sort_by_key(|points| std::cmp::Reverse(points.points));
        (points.iter().map(|points| points.points).sum(), points)
    }

    fn privileged_roles(&self, principal: ObjectId) -> usize {
        let roles = self.roles.get(&principal).map(Vec::as_slice).unwrap_or_default();
        roles.iter().filter(|role| self.data.tiers.tier0_directory_roles.contains_key(&role.role)).count()
    }

    fn highest(&self, identity: &Identity<'_, '_>) -> (Highest, String) {
        match identity.tier {
            Tier::Zero { by } => return (Highest::Critical, format!("it can take the whole tenant by {by}")),
            Tier::Unknown { reason } => return (Highest::High, format!("its permissions were not read ({reason})")),
            Tier::Other => {}
        }
        let Some(principal) = identity.principal else {
            return (Highest::Low, "it has no service principal in this tenant".to_owned());
        };
        let granted = principal.app_roles.read().map(Vec::as_slice).unwrap_or_default();
        if granted.iter().any(|grant| grant.resource == self.data.tiers.graph) {
            return (Highest::High, "it holds application permissions on Microsoft Graph".to_owned());
        }
        if !granted.is_empty() {
            return (Highest::Medium, "it holds application permissions".to_owned());
        }
        let delegated = principal.delegated.read().map(Vec::as_slice).unwrap_or_default();
        if delegated.iter().any(|grant| grant.is_for_all) {
            return (Highest::Medium, "it may act for every user".to_owned());
        }
        (Highest::Low, "it holds no application permission".to_owned())
    }
}

struct BestCredential {
    /// From 0 to 1: how easily a thief has it.
    ease: f64,
    why: String,
    bonus: u32,
    bonus_why: String,
    /// Further ones that work now.
    others: u32,
}

/// The credential that a thief would take, and how many more there are.
fn best_credential(identity: &Identity<'_, '_>) -> Option<BestCredential> {
    let mut found: Vec<(f64, String, Option<i64>, bool)> = Vec::new();
    for password in identity.passwords.iter().filter(|password| password.is_active && !password.is_saml) {
        found.push((1.0, "it signs in with a secret".to_owned(), password.lifetime_days, true));
    }
    for key in identity.keys.iter().filter(|key| key.is_active && !key.is_saml) {
        if key.key.is_symmetric() {
            found.push((1.0, "it signs in with a symmetric key".to_owned(), key.lifetime_days, true));
        } else if key.is_sign_in() {
            let why = format!("it signs in with a key that is {}", meaning(key.custody));
            found.push((ease(key.custody), why, key.lifetime_days, false));
        }
    }
    if identity.application.and_then(|app| app.federated.read()).is_some_and(|federated| !federated.is_empty()) {
        found.push((0.25, "it signs in with tokens of another issuer".to_owned(), None, false));
    }
    let others = u32::try_from(found.len().saturating_sub(1)).unwrap_or(u32::MAX);
    let (ease, why, lifetime, is_secret) = found.into_iter().reduce(|a, b| if b.0 > a.0 { b } else { a })?;
    let days = lifetime.unwrap_or(0);
    let limits = if is_secret { [730, 365, 180] } else { [1095, 730, 365] };
    let bonus = limits.iter().zip([5, 3, 2]).find(|(limit, _)| days > **limit).map_or(0, |(_, bonus)| bonus);
    Some(BestCredential { ease, why, bonus, bonus_why: format!("that lives {days} days"), others })
}

const fn ease(custody: Custody) -> f64 {
    match custody {
        Custody::Hsm => 0.1,
        Custody::Nonexportable => 0.2,
        Custody::Exportable => 0.5,
        Custody::Indeterminate | Custody::Imported | Custody::Foreign | Custody::Unverified => 0.7,
    }
}

const fn meaning(custody: Custody) -> &'static str {
    match custody {
        Custody::Hsm => "in an HSM",
        Custody::Nonexportable => "in a vault and cannot leave it",
        Custody::Indeterminate => "in a vault that may let it go",
        Custody::Exportable => "in a vault from which it can be read",
        Custody::Imported => "in a vault and was elsewhere before",
        Custody::Foreign => "in no vault",
        Custody::Unverified => "nobody knows where",
    }
}

impl Highest {
    const fn permission(self) -> f64 {
        match self {
            Self::Critical => 50.0,
            Self::High => 15.0,
            Self::Medium => 5.0,
            Self::Low => 2.0,
        }
    }

    const fn credential(self) -> f64 {
        match self {
            Self::Critical => 50.0,
            Self::High => 35.0,
            Self::Medium => 15.0,
            Self::Low => 5.0,
        }
    }
}
