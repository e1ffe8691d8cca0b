//! What a certificate must be before kvops lets an application trust it.
//!
//! The same judgement serves before creation (the plan), after it (the reading back) and for a
//! certificate that somebody else made.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use super::audited::{self, Made};
use super::lifetime::add_months;
use super::spec::{CLIENT_AUTH, CertificateSpec, MAX_VALIDITY_MONTHS};
use crate::domain::{CertificatePolicy, KeyUsage, VaultKey};
use crate::inventory::{self, BackingKey, Digest, Word, X509};
use crate::pki::{Certificate, PublicKey};

/// The service dates certificates back by this.
const BACKDATING: Duration = Duration::minutes(10);

/// One way in which a certificate is weaker than it must be.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Gap {
    /// Which rule: that of an audit, such as `KVO201`, or one that only kvops itself keeps.
    pub rule: &'static str,
    /// The fact, with what it should be.
    pub fact: String,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fact)
    }
}

fn gap(rule: &'static str, fact: impl Into<String>) -> Gap {
    Gap { rule, fact: fact.into() }
}

/// A moment at which what is yet to be made is judged: no rule knows the calendar.
const BIRTH: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

/// Judges the policy that makes the next version, by the version that it would make. What the
/// service did not say counts as a gap.
pub fn judge_policy(policy: &CertificatePolicy) -> Vec<Gap> {
    let mut gaps = stated(policy);
    let record = inventory::Policy { updated: Some(BIRTH), created: Some(BIRTH), ..inventory::Policy::from(policy) };
    let x = X509 {
        sha1: Digest::default(),
        sha256: Digest::default(),
        spki: Digest::default(),
        subject: "".into(),
        issuer: "".into(),
        self_signed: true,
        not_before: BIRTH - BACKDATING,
        not_after: add_months(BIRTH - BACKDATING, policy.validity_months.unwrap_or(MAX_VALIDITY_MONTHS)),
        alg: "RSA".into(),
        bits: policy.key_size.unwrap_or(u32::MAX),
        curve: policy.curve.as_deref().map(Into::into),
        exponent: Some(65_537),
        sig: "sha256WithRSAEncryption".into(),
        ku: Some(record.key_usage.clone()),
        eku: record.extended_key_usage.clone(),
        ca: false,
        is_roca: false,
    };
    let key = BackingKey {
        kty: record.key_type.clone(),
        key_ops: operations(&policy.key_usage),
        expires: Some(x.not_after),
        ..BackingKey::default()
    };
    add(&mut gaps, audited::gaps(x, Some(Made { policy: record, key, created: BIRTH })));
    gaps
}

/// Judges a version by its certificate and its key as they are, and by the policy in force.
pub fn judge_version(
    certificate: &Certificate,
    key: &VaultKey,
    policy: &CertificatePolicy,
    created: Option<OffsetDateTime>,
) -> Vec<Gap> {
    let mut gaps = stated(policy);
    let created = created.unwrap_or_else(|| certificate.not_before());
    let made = Made { policy: policy.into(), key: key.into(), created };
    add(&mut gaps, audited::gaps(X509::of(certificate), Some(made)));
    add(&mut gaps, unsuited(certificate));
    let is_same = matches!(certificate.public_key(), PublicKey::Rsa { modulus, exponent, .. }
        if key.modulus.as_ref() == Some(modulus) && key.exponent.as_ref() == Some(exponent));
    if !is_same {
        gaps.push(gap("foreign-key", "the key in the vault is not the one in the certificate"));
    }
    gaps
}

/// Judges a public certificate alone, which says nothing about where its key is.
pub fn judge_certificate(certificate: &Certificate) -> Vec<Gap> {
    let mut gaps = audited::gaps(X509::of(certificate), None);
    add(&mut gaps, unsuited(certificate));
    gaps
}

/// What an audit lets pass, and what kvops does not attach: a certificate that is not for clients,
/// or whose key Entra does not document for assertions.
fn unsuited(certificate: &Certificate) -> Vec<Gap> {
    let mut gaps = Vec::new();
    if !certificate.extended_key_usage().iter().any(|usage| usage == CLIENT_AUTH) {
        let usage = certificate.extended_key_usage().join(", ");
        gaps.push(gap(
            "extended-key-usage",
            format!("the certificate's extended key usage is [{usage}], without client authentication ({CLIENT_AUTH})"),
        ));
    }
    if !matches!(certificate.public_key(), PublicKey::Rsa { .. }) {
        let key = certificate.public_key().description();
        gaps.push(gap("key-type", format!("the certificate's key is {key}, not RSA")));
    }
    gaps
}

/// Adds what is not known yet: policy, certificate and key often say the same.
fn add(gaps: &mut Vec<Gap>, more: Vec<Gap>) {
    for gap in more {
        if gaps.iter().all(|known| known.rule != gap.rule) {
            gaps.push(gap);
        }
    }
}

/// What the vault lets a key do, by the usages of its certificate.
fn operations(usages: &[KeyUsage]) -> Box<[Word]> {
    let of = |usage: &KeyUsage| match usage.0.to_ascii_lowercase().as_str() {
        "digitalsignature" | "nonrepudiation" | "keycertsign" | "crlsign" => ["sign", "verify"],
        "keyencipherment" => ["wrapKey", "unwrapKey"],
        _ => ["encrypt", "decrypt"],
    };
    let all: BTreeSet<&str> = usages.iter().flat_map(of).collect();
    all.into_iter().map(Into::into).collect()
}

/// What a policy leaves open, and what is narrower here than in an audit.
fn stated(policy: &CertificatePolicy) -> Vec<Gap> {
    let mut gaps = Vec::new();
    if policy.reuse_key.is_none() {
        gaps.push(gap("KVO206", "the policy does not say whether the next version has a new key (reuse_key)"));
    }
    match &policy.key_type {
        Some(kind) if kind.is_rsa() => {}
        kind => gaps.push(gap("key-type", format!("the policy's key type is {}, not RSA", shown(kind.as_ref())))),
    }
    if policy.key_size.is_none() {
        gaps.push(gap("KVO210", "the policy does not say how long the key is"));
    }
    if policy.key_usage.is_empty() {
        gaps.push(gap("KVO204", "the policy's key usage is empty, which permits all"));
    }
    if policy.extended_key_usage != [CLIENT_AUTH] {
        let usage = policy.extended_key_usage.join(", ");
        gaps.push(gap(
            "extended-key-usage",
            format!("the policy's extended key usage is [{usage}], not [{CLIENT_AUTH}]"),
        ));
    }
    if policy.validity_months.is_none_or(|months| months == 0) {
        gaps.push(gap("KVO207", "the policy does not say for how many months a certificate is valid"));
    }
    gaps
}

/// How a policy differs from what is wanted. Whether it is hardened is for [`judge_policy`] to say.
pub fn differences(wanted: &CertificateSpec, made: &CertificatePolicy) -> Vec<Gap> {
    let asked = wanted.policy();
    let issuer = |policy: &CertificatePolicy| policy.issuer.as_ref().map(|issuer| issuer.0.to_ascii_lowercase());
    let subject = |policy: &CertificatePolicy| policy.subject.as_deref().map(normal_subject);
    let rows = [
        ("key-type", shown(asked.key_type.as_ref()), shown(made.key_type.as_ref())),
        ("key-size", shown(asked.key_size), shown(made.key_size)),
        ("validity", shown(asked.validity_months), shown(made.validity_months)),
        ("issuer", shown(issuer(&asked)), shown(issuer(made))),
        ("subject", shown(subject(&asked)), shown(subject(made))),
    ];
    let different = rows.into_iter().filter(|(_, asked, made)| asked != made);
    different
        .map(|(what, asked, made)| gap(what, format!("asked for {what} {asked}, and the policy says {made}")))
        .collect()
}

/// A distinguished name whose order and whose spelling of a state do not matter: the service prints
/// them in its own way.
fn normal_subject(subject: &str) -> String {
    let mut parts: Vec<String> = subject
        .split(',')
        .map(|part| part.trim().to_owned())
        .map(|part| part.strip_prefix("S=").map_or(part.clone(), |state| format!("ST={state}")))
        .collect();
    parts.sort();
    parts.join(", ")
}

fn shown<T: fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::spec::KeySpec;
    use super::*;
    use crate::domain::{IssuerName, KeyType, LifetimeAction, LifetimeTrigger};

    fn spec() -> CertificateSpec {
        CertificateSpec {
            key: KeySpec::default(),
            subject: "CN=a".to_owned(),
            validity_months: 12,
            issuer: IssuerName("Self".to_owned()),
        }
    }

    fn hardened() -> CertificatePolicy {
        spec().policy()
    }

    #[test]
    fn what_kvops_asks_for_passes() {
        assert_eq!(judge_policy(&hardened()), []);
        assert_eq!(differences(&spec(), &hardened()), []);
    }

    /// A change that weakens a policy.
    type Fault = Box<dyn Fn(&mut CertificatePolicy)>;

    #[test]
    fn each_weakness_is_found_and_named() {
        let faults: Vec<(&str, Fault)> = vec![
            ("KVO201", Box::new(|p| p.exportable = Some(true))),
            ("KVO202", Box::new(|p| p.exportable = None)),
            ("KVO206", Box::new(|p| p.reuse_key = Some(true))),
            ("key-type", Box::new(|p| p.key_type = Some(KeyType::Ec))),
            ("KVO210", Box::new(|p| p.key_size = Some(1024))),
            ("KVO211", Box::new(|p| p.key_usage.push(KeyUsage("keyEncipherment".to_owned())))),
            ("KVO204", Box::new(|p| p.key_usage.clear())),
            ("extended-key-usage", Box::new(|p| p.extended_key_usage.push("1.3.6.1.5.5.7.3.1".to_owned()))),
            ("KVO207", Box::new(|p| p.validity_months = Some(24))),
            ("KVO207", Box::new(|p| p.validity_months = None)),
            ("KVO208", Box::new(|p| p.lifetime_actions.clear())),
        ];
        for (rule, weaken) in faults {
            let mut policy = hardened();
            weaken(&mut policy);
            let rules: Vec<_> = judge_policy(&policy).iter().map(|gap| gap.rule).collect();
            // Some weaknesses show in the policy and in the version that it would make.
            assert!(rules.contains(&rule) && rules.len() <= 2, "{rule}: {rules:?}");
        }
    }

    #[test]
    fn automatic_renewal_is_refused_beside_mail() {
        let mut policy = hardened();
        policy
            .lifetime_actions
            .push(LifetimeAction { action: "AutoRenew".to_owned(), trigger: LifetimeTrigger::LifetimePercentage(80) });
        assert_eq!(judge_policy(&policy)[0].rule, "KVO209");
    }

    #[test]
    fn the_services_own_order_of_a_subject_is_no_difference() {
        let wanted = CertificateSpec { subject: "CN=a, ST=WA, C=US".to_owned(), ..spec() };
        let made = CertificatePolicy { subject: Some("C=US, S=WA, CN=a".to_owned()), ..wanted.policy() };
        assert_eq!(differences(&wanted, &made), []);
        let other = CertificatePolicy { subject: Some("CN=b".to_owned()), ..wanted.policy() };
        assert_eq!(differences(&wanted, &other)[0].rule, "subject");
    }

    #[test]
    fn a_shorter_key_than_asked_is_a_difference() {
        let mut made = hardened();
        made.key_size = Some(2048);
        let gaps = differences(&spec(), &made);
        assert_eq!(gaps[0].fact, "asked for key-size 3072, and the policy says 2048");
    }
}
