//! What happens by itself: operations end, certificates renew, deleted objects are purged. Worked
//! out when somebody looks, for the moment at which each thing was due.

use rand::Rng as _;

use super::call::Call;
use super::create::Draft;
use super::life::Life;
use super::model::{Attributes, Certificate, CertificateVersion, Chained};
use super::pending::{Pending, Status};
use super::policy::{LifetimeAction, key_ops};
use super::x509::{self, Lifetime, Profile};

/// A clock moved by many years renews a certificate of one month often; more than this is a mistake.
const MOST_RENEWALS: usize = 400;

/// Brings the vault up to the present.
pub(super) fn settle(call: &mut Call<'_>) {
    purge_expired(call);
    let now = call.now;
    let due = call.vault.certificates.iter().filter(|(_, each)| is_due(each, now)).map(|(name, _)| name.clone());
    for name in due.collect::<Vec<_>>() {
        end_operation(call, &name);
        for _ in 0..MOST_RENEWALS {
            if !renew(call, &name) {
                break;
            }
            end_operation(call, &name);
        }
    }
}

/// Retention is over: the object is gone and its name is free.
fn purge_expired(call: &mut Call<'_>) {
    let oldest = call.now - call.vault.retention.seconds();
    let is_kept = |life: &Life| life.deleted_at().is_none_or(|at| at > oldest);
    let expired = call.vault.certificates.values().filter(|each| !is_kept(&each.life)).map(|each| each.name.clone());
    for name in expired.collect::<Vec<_>>() {
        call.vault.certificates.remove(&name.to_ascii_lowercase());
        call.vault.forget(&name);
    }
    call.vault.keys.retain(|_, each| is_kept(&each.life));
    call.vault.secrets.retain(|_, each| is_kept(&each.life));
    let lag = call.lag();
    let now = call.now;
    call.vault.purged.retain(|_, at| *at + lag > now);
}

fn is_due(certificate: &Certificate, now: i64) -> bool {
    certificate.pending.as_ref().is_some_and(|each| each.is_due(now)) || renewal(certificate, now).is_some()
}

/// Ends an operation whose time has come.
fn end_operation(call: &mut Call<'_>, name: &str) {
    let pending = call.vault.certificates.get(name).and_then(|each| each.pending.as_ref());
    let Some(pending) = pending.filter(|each| each.is_due(call.now)).cloned() else { return };
    let due_at = pending.due_at.unwrap_or(call.now);
    let outcome = if pending.cancellation_requested { Ok(None) } else { issue(call, &pending, due_at) };
    let Some(certificate) = call.vault.certificates.get_mut(name) else { return };
    let Some(record) = certificate.pending.as_mut() else { return };
    match outcome {
        Ok(None) => record.status = Status::Cancelled,
        Ok(Some(version)) => {
            record.status = Status::Completed;
            certificate.placeholder = None;
            certificate.versions.push(version);
        }
        Err(error) => {
            record.status = Status::Failed;
            record.error = Some(error);
        }
    }
}

type Issued = Result<Option<CertificateVersion>, (String, String)>;

fn issue(call: &mut Call<'_>, pending: &Pending, created: i64) -> Issued {
    let rejected = |message: String| ("Request rejected".to_owned(), message);
    let policy = &pending.policy;
    let profile = Profile::of(policy).ok_or_else(|| rejected("The request has no valid subject.".to_owned()))?;
    let lifetime = Lifetime::of_months(created, policy.x509_props.validity_months);
    let serial = call.random.random();
    let (issuer, chain) = if policy.issuer.is_self() || policy.platform_managed.is_some() {
        (None, Vec::new())
    } else {
        let authority = call.authority(&policy.issuer.name).map_err(rejected)?;
        (Some((authority.name, authority.key)), vec![Chained(authority.der)])
    };
    let issuer = issuer.as_ref().map(|(name, key)| (name, key));
    let der = x509::certificate(&profile, &pending.key, lifetime, serial, issuer)
        .map_err(|error| rejected(format!("The certificate cannot be encoded: {error}.")))?;
    Ok(Some(version(pending, der, chain, lifetime, created)))
}

/// The version that an operation ends with.
pub(super) fn version(
    pending: &Pending,
    der: Vec<u8>,
    chain: Vec<Chained>,
    lifetime: Lifetime,
    created: i64,
) -> CertificateVersion {
    let policy = &pending.policy;
    CertificateVersion {
        version: pending.version.clone(),
        der,
        chain,
        leaf_index: 0,
        key: pending.key.clone(),
        kty: policy.key_props.kty.clone(),
        key_ops: key_ops(&policy.x509_props.key_usage),
        exportable: policy.key_props.exportable && !policy.key_props.kty.ends_with("-HSM"),
        content_type: policy.secret_props.content_type.clone(),
        attributes: Attributes {
            enabled: pending.enabled,
            not_before: Some(lifetime.not_before),
            expires: Some(lifetime.not_after),
            ..Attributes::new(created)
        },
        tags: pending.tags.clone(),
        preserve_order: pending.preserve_order,
    }
}

/// Starts the renewal of a certificate if its policy says that it is time. Tells whether it did.
fn renew(call: &mut Call<'_>, name: &str) -> bool {
    let Some(certificate) = call.vault.certificates.get(name) else { return false };
    let Some((due_at, tags)) = renewal(certificate, call.now) else { return false };
    let policy = certificate.policy.clone();
    let preserve_order = certificate.current().and_then(|current| current.preserve_order);
    let draft = Draft { policy, enabled: true, tags, preserve_order, started_at: due_at };
    // A PATCH may have left a policy that makes no key. The service fails at this point too; the
    // version that is there stays.
    let Ok(pending) = draft.start(call, name) else { return false };
    if let Some(certificate) = call.vault.certificates.get_mut(name) {
        certificate.pending = Some(pending);
    }
    true
}

/// When the current version is to be renewed, if that is past, and the tags that it hands on.
fn renewal(certificate: &Certificate, now: i64) -> Option<(i64, Option<super::model::Tags>)> {
    let current = certificate.current()?;
    let is_busy = certificate.pending.as_ref().is_some_and(Pending::is_in_progress);
    // One attempt: the service tells the contacts, and the owner decides.
    let was_given_up =
        certificate.pending.as_ref().is_some_and(|each| matches!(each.status, Status::Failed | Status::Cancelled));
    let cannot = certificate.life.deleted_at().is_some() || certificate.policy.issuer.is_unknown();
    if is_busy || was_given_up || cannot || !certificate.policy.attributes.enabled || !current.attributes.enabled {
        return None;
    }
    let action = certificate.policy.lifetime_actions.iter().find(|action| LifetimeAction::is_auto_renew(action))?;
    let due_at = action.due_at(current.attributes.not_before?, current.attributes.expires?)?;
    // Imported certificates may be past it already: they renew at once, not in the past.
    let due_at = due_at.max(current.attributes.created);
    (due_at <= now).then(|| (due_at, current.tags.clone()))
}
