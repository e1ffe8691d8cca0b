//! The policy that makes a certificate's next version.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::error::Error;
use super::undo;
use crate::domain::{CertificateName, CertificatePolicy, KeyType, KeyUsage, LifetimeAction, LifetimeTrigger};
use crate::keyvault;
use crate::ledger::{self, Object, Record};
use crate::provision::Journal;
use crate::provision::rules::judge_policy;
use crate::provision::spec::{CertificateSpec, KeySpec, MAX_VALIDITY_MONTHS};

/// The smallest modulus that stays as it is.
const SMALLEST_KEY: u32 = 2048;

/// One member that changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The rule of an audit that finds it.
    pub rule: &'static str,
    /// The member, as the vault names it.
    pub member: &'static str,
    /// Its value now.
    pub now: Value,
    /// The value that will be.
    pub then: Value,
}

/// What is to become of a policy.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Members that change.
    pub changes: Vec<Change>,
    /// The same as the vault takes it: what is not to change is left out.
    pub change: CertificatePolicy,
    /// Brings the old members back.
    pub undo: String,
}

/// Decides what has to change for the next version to be a hardened one. Issuer, subject and the kind
/// of an RSA key stay.
pub fn decide(policy: &CertificatePolicy, vault: &keyvault::Client, name: &CertificateName) -> Decided {
    let wanted = wanted(policy);
    let mut change = CertificatePolicy::default();
    let mut changes = Vec::new();
    let mut differs = |rule, member, now: Value, then: Value| {
        let is_different = now != then;
        if is_different {
            changes.push(Change { rule, member, now, then });
        }
        is_different
    };
    let kind = |policy: &CertificatePolicy| json!(policy.key_type.as_ref().map(KeyType::as_wire));
    if differs("KVO201", "key_props/exportable", json!(policy.exportable), json!(wanted.exportable)) {
        change.exportable = wanted.exportable;
    }
    if differs("KVO206", "key_props/reuse_key", json!(policy.reuse_key), json!(wanted.reuse_key)) {
        change.reuse_key = wanted.reuse_key;
    }
    if differs("KVO210", "key_props/kty", kind(policy), kind(&wanted)) {
        change.key_type.clone_from(&wanted.key_type);
    }
    if differs("KVO210", "key_props/key_size", json!(policy.key_size), json!(wanted.key_size)) {
        change.key_size = wanted.key_size;
    }
    if differs("KVO204", "x509_props/key_usage", json!(policy.key_usage), json!(wanted.key_usage)) {
        change.key_usage.clone_from(&wanted.key_usage);
    }
    let ekus = |policy: &CertificatePolicy| json!(policy.extended_key_usage);
    if differs("KVO213", "x509_props/ekus", ekus(policy), ekus(&wanted)) {
        change.extended_key_usage.clone_from(&wanted.extended_key_usage);
    }
    let months = |policy: &CertificatePolicy| json!(policy.validity_months);
    if differs("KVO207", "x509_props/validity_months", months(policy), months(&wanted)) {
        change.validity_months = wanted.validity_months;
    }
    if differs("KVO209", "lifetime_actions", actions(policy), actions(&wanted)) {
        change.lifetime_actions.clone_from(&wanted.lifetime_actions);
    }
    let undo = undo(vault, name, &changes);
    Decided { changes, change, undo }
}

fn wanted(policy: &CertificatePolicy) -> CertificatePolicy {
    let kind = policy.key_type.clone().filter(KeyType::is_rsa).unwrap_or(KeyType::Rsa);
    let bits = match (policy.key_type.as_ref().is_some_and(KeyType::is_rsa), policy.key_size) {
        (true, Some(bits)) if bits >= SMALLEST_KEY => bits,
        _ => KeySpec::default().bits,
    };
    let spec = CertificateSpec {
        key: KeySpec { kind, bits },
        subject: policy.subject.clone().unwrap_or_default(),
        validity_months: policy.validity_months.unwrap_or(MAX_VALIDITY_MONTHS).clamp(1, MAX_VALIDITY_MONTHS),
        issuer: policy.issuer.clone().unwrap_or(crate::domain::IssuerName("Self".to_owned())),
    };
    let mut wanted = spec.policy();
    // Whoever gets the mail earlier or later than usual has chosen so.
    if !policy.lifetime_actions.is_empty() && policy.lifetime_actions.iter().all(LifetimeAction::is_email_contacts) {
        wanted.lifetime_actions.clone_from(&policy.lifetime_actions);
    }
    if policy.key_usage.len() == 1 && policy.key_usage.iter().all(KeyUsage::is_digital_signature) {
        wanted.key_usage.clone_from(&policy.key_usage);
    }
    wanted
}

/// As the vault writes them.
fn actions(policy: &CertificatePolicy) -> Value {
    let trigger = |trigger: LifetimeTrigger| match trigger {
        LifetimeTrigger::DaysBeforeExpiry(days) => json!({ "days_before_expiry": days }),
        LifetimeTrigger::LifetimePercentage(percent) => json!({ "lifetime_percentage": percent }),
        LifetimeTrigger::Unspecified => json!({}),
    };
    policy
        .lifetime_actions
        .iter()
        .map(|action| json!({ "action": { "action_type": action.action }, "trigger": trigger(action.trigger) }))
        .collect()
}

fn undo(vault: &keyvault::Client, name: &CertificateName, changes: &[Change]) -> String {
    let mut body = Map::new();
    for change in changes {
        match change.member.split_once('/') {
            Some((part, member)) => {
                let part = body.entry(part).or_insert_with(|| json!({}));
                part[member] = change.now.clone();
            }
            None => _ = body.insert(change.member.to_owned(), change.now.clone()),
        }
    }
    let root = vault.vault().url();
    let address = format!("{}/certificates/{name}/policy?api-version=7.4", root.as_str().trim_end_matches('/'));
    undo::az_rest_at("PATCH", &address, Some(&vault.http().cloud().vault_resource()), &Value::Object(body))
}

/// Writes the change, and reads the policy back.
pub async fn apply(
    vault: &keyvault::Client,
    name: &CertificateName,
    decided: &Decided,
    journal: Journal<'_>,
) -> Result<CertificatePolicy, Error> {
    let object =
        Object { vault: Some(vault.vault().name().clone()), certificate: Some(name.clone()), ..Object::default() };
    let mut record = Record::of(object);
    for change in &decided.changes {
        record = record.fact(change.member, format!("{} -> {}", change.now, change.then));
    }
    let work = async {
        vault.update_policy(name, &decided.change).await?;
        let policy = vault.policy(name).await?;
        let gaps: Vec<_> = judge_policy(&policy).iter().map(ToString::to_string).collect();
        if !gaps.is_empty() {
            return Err(Error::PolicyNotAsWritten { name: name.clone(), gaps: gaps.join("; ") });
        }
        Ok(policy)
    };
    Ok(journal.step(ledger::Step::Harden, record, work, |_| Record::default()).await?.0)
}
