//! Starts new versions: by request, and by themselves when a lifetime action comes due.

use serde::Deserialize;

use super::Kind;
use super::call::{Call, body};
use super::certificates::{AttributesInput, check_tags};
use super::error::{Answer, Refusal};
use super::life::Phase;
use super::model::{Attributes, Certificate, Placeholder, Tags};
use super::pending::{Pending, Status};
use super::policy::{Policy, PolicyInput};
use super::x509::{self, Lifetime, Profile};
use crate::lab::exchange::Request;
use crate::lab::keys::PrivateKey;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Body {
    policy: Option<PolicyInput>,
    attributes: Option<AttributesInput>,
    tags: Option<Tags>,
    preserve_cert_order: Option<bool>,
}

/// POST `/certificates/{name}/create`: 202 with the operation.
pub(super) fn create(call: &mut Call<'_>, name: &str, request: &Request) -> Answer {
    let sent: Body = body(request)?;
    check_tags(sent.tags.as_ref())?;
    call.check_name_is_free(Kind::Certificate, name)?;
    let stored = call.live_certificate(name).ok().map(|certificate| certificate.policy.clone());
    let policy = match (sent.policy, stored) {
        (Some(input), stored) => {
            let mut policy = Policy::create(input, call.now)?;
            if let Some(stored) = stored {
                policy.attributes.created = stored.attributes.created;
            }
            policy
        }
        (None, Some(stored)) => stored,
        (None, None) => return Err(Refusal::invalid_property("", "")),
    };
    call.check_issuer(&policy)?;
    let pending = Draft {
        policy: policy.clone(),
        enabled: sent.attributes.and_then(|attributes| attributes.enabled).unwrap_or(true),
        tags: sent.tags,
        preserve_order: sent.preserve_cert_order,
        started_at: call.now,
    }
    .start(call, name)?;
    let reply = pending.accepted(call, name);
    call.put_pending(name, policy, pending);
    Ok(reply)
}

/// What a new version is made from.
pub(super) struct Draft {
    pub(super) policy: Policy,
    pub(super) enabled: bool,
    pub(super) tags: Option<Tags>,
    pub(super) preserve_order: Option<bool>,
    pub(super) started_at: i64,
}

impl Draft {
    /// Makes key and request.
    pub(super) fn start(self, call: &mut Call<'_>, name: &str) -> Result<Pending, Refusal> {
        let profile = Profile::of(&self.policy);
        let profile = profile.ok_or_else(|| Refusal::invalid_property("policy.x509_props", ""))?;
        let key = self.key(call, name)?;
        let csr = x509::request(&profile, &key).map_err(|_| Refusal::invalid_property("policy.x509_props", ""))?;
        let delay = i64::from(call.settings.issue_delay);
        Ok(Pending {
            request_id: call.fresh_id(),
            version: call.fresh_id(),
            key,
            csr,
            enabled: self.enabled,
            tags: self.tags,
            preserve_order: self.preserve_order,
            status: Status::InProgress,
            cancellation_requested: false,
            due_at: (!self.policy.issuer.is_unknown()).then_some(self.started_at + delay),
            error: None,
            policy: self.policy,
        })
    }

    /// The key of the current version if the policy keeps it and it still fits; a new one otherwise.
    fn key(&self, call: &Call<'_>, name: &str) -> Result<PrivateKey, Refusal> {
        let props = &self.policy.key_props;
        let kind = props.kind().ok_or_else(|| Refusal::invalid_property("policy.key_props", ""))?;
        let current = call.vault.certificates.get(&name.to_ascii_lowercase()).and_then(Certificate::current);
        match current {
            Some(current) if props.reuse_key && current.key.kind() == kind && !current.key.is_absent() => {
                Ok(current.key.clone())
            }
            _ => Ok(call.keys.take(kind)),
        }
    }
}

impl Call<'_> {
    /// A name can be used if no deleted or half-deleted object holds it, nothing else has it, and
    /// no operation is under way.
    pub(super) fn check_name_is_free(&self, kind: Kind, name: &str) -> Result<(), Refusal> {
        let key = name.to_ascii_lowercase();
        let (certificate, other_key, other_secret) =
            (self.vault.certificates.get(&key), self.vault.keys.get(&key), self.vault.secrets.get(&key));
        let same = match kind {
            Kind::Certificate => certificate.map(|each| each.life),
            Kind::Key => other_key.map(|each| each.life),
            Kind::Secret => other_secret.map(|each| each.life),
        };
        match same.map(|life| self.phase(&life)) {
            Some(Phase::Deleting) => return Err(Refusal::being_deleted_not_recreated(kind, name)),
            Some(Phase::Deleted) => return Err(Refusal::deleted_but_recoverable(kind, name)),
            Some(Phase::Recovering) => return Err(Refusal::being_recovered(kind, name)),
            Some(Phase::Live) | None => {}
        }
        let is_taken = match kind {
            Kind::Certificate => other_key.is_some() || other_secret.is_some(),
            Kind::Key | Kind::Secret => certificate.is_some(),
        };
        if is_taken {
            return Err(Refusal::conflict(format!("The name {name} is already in use by another kind of object.")));
        }
        if certificate.and_then(|each| each.pending.as_ref()).is_some_and(Pending::is_in_progress) {
            let message = "A new key vault certificate can not be created or imported while a pending key vault \
                           certificate's status is inProgress.";
            return Err(Refusal::new(http::StatusCode::CONFLICT, "Forbidden", message));
        }
        Ok(())
    }

    /// The issuer of a policy is one of the built-in ones or one that the vault knows.
    fn check_issuer(&self, policy: &Policy) -> Result<(), Refusal> {
        let issuer = &policy.issuer;
        let is_known = issuer.is_self()
            || issuer.is_unknown()
            || policy.platform_managed.is_some()
            || self.vault.issuers.contains_key(&issuer.name.to_ascii_lowercase());
        if is_known { Ok(()) } else { Err(Refusal::no_issuer(&issuer.name)) }
    }

    fn put_pending(&mut self, name: &str, policy: Policy, pending: Pending) {
        let now = self.now;
        let certificate = self.vault.certificates.entry(name.to_ascii_lowercase()).or_insert_with(|| Certificate {
            name: name.to_owned(),
            life: super::life::Life::default(),
            policy: policy.clone(),
            placeholder: None,
            versions: Vec::new(),
            pending: None,
        });
        if certificate.versions.is_empty() {
            let lifetime = Lifetime::of_months(now, policy.x509_props.validity_months);
            certificate.placeholder = Some(Placeholder {
                version: pending.version.clone(),
                attributes: Attributes {
                    enabled: false,
                    not_before: Some(lifetime.not_before),
                    expires: Some(lifetime.not_after),
                    ..Attributes::new(now)
                },
                tags: pending.tags.clone(),
                preserve_order: pending.preserve_order,
            });
        }
        certificate.policy = policy;
        certificate.pending = Some(pending);
    }
}
