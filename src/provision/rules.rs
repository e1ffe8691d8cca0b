//! What a certificate must be before kvops lets an application trust it.
//!
//! The same judgement serves before creation (the plan), after it (the reading back) and for a
//! certificate that somebody else made.

use std::fmt;

use serde::Serialize;
use time::Duration;

use super::lifetime::add_months;
use super::spec::{CLIENT_AUTH, CertificateSpec, MAX_VALIDITY_MONTHS};
use crate::domain::{CertificatePolicy, IssuerName, LifetimeAction, VaultKey};
use crate::pki::{Certificate, PublicKey};

/// The smallest RSA key that passes.
const MIN_RSA_BITS: usize = 2048;

/// One way in which a certificate is weaker than it must be.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Gap {
    /// Which rule: `exportable`, `key-usage` …
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

/// Judges the policy that makes the next version. What the service did not say counts as a gap.
pub fn judge_policy(policy: &CertificatePolicy) -> Vec<Gap> {
    let mut gaps = Vec::new();
    if policy.exportable != Some(false) {
        gaps.push(gap("exportable", format!("the policy says exportable {}, not false", shown(policy.exportable))));
    }
    if policy.reuse_key != Some(false) {
        gaps.push(gap("reuse-key", format!("the policy says reuse_key {}, not false", shown(policy.reuse_key))));
    }
    match &policy.key_type {
        Some(kind) if kind.is_rsa() => {}
        kind => gaps.push(gap("key-type", format!("the policy's key type is {}, not RSA", shown(kind.as_ref())))),
    }
    if policy.key_size.is_none_or(|bits| (bits as usize) < MIN_RSA_BITS) {
        gaps.push(gap("key-size", format!("the policy's key has {} bits, fewer than 2048", shown(policy.key_size))));
    }
    let is_signature_only = policy.key_usage.len() == 1 && policy.key_usage[0].is_digital_signature();
    if !is_signature_only {
        let usage: Vec<_> = policy.key_usage.iter().map(ToString::to_string).collect();
        gaps.push(gap(
            "key-usage",
            format!("the policy's key usage is [{}], not [digitalSignature]", usage.join(", ")),
        ));
    }
    if policy.extended_key_usage != [CLIENT_AUTH] {
        let usage = policy.extended_key_usage.join(", ");
        gaps.push(gap(
            "extended-key-usage",
            format!("the policy's extended key usage is [{usage}], not [{CLIENT_AUTH}]"),
        ));
    }
    if policy.validity_months.is_none_or(|months| months == 0 || months > MAX_VALIDITY_MONTHS) {
        let months = shown(policy.validity_months);
        gaps.push(gap(
            "validity",
            format!("the policy's validity is {months} months, more than {MAX_VALIDITY_MONTHS}"),
        ));
    }
    if policy.lifetime_actions.iter().any(LifetimeAction::is_auto_renew) {
        gaps.push(gap("auto-renew", "the policy renews on its own, which makes a version that no application trusts"));
    }
    let is_external = policy.issuer.as_ref().is_some_and(IssuerName::is_unknown);
    if !policy.lifetime_actions.iter().any(LifetimeAction::is_email_contacts) && !is_external {
        gaps.push(gap("no-mail", "the policy sends no mail before expiry"));
    }
    gaps
}

/// Judges a certificate and its key as they are, whatever the policy says now.
pub fn judge_version(certificate: &Certificate, key: &VaultKey) -> Vec<Gap> {
    let mut gaps = judge_certificate(certificate);
    let mut operations = key.operations.clone();
    operations.sort();
    if operations != ["sign", "verify"] {
        gaps.push(gap("key-operations", format!("the key may [{}], not only sign and verify", operations.join(", "))));
    }
    if key.exportable == Some(true) {
        gaps.push(gap("exportable", "the key of this version is exportable"));
    }
    let is_same = matches!(certificate.public_key(), PublicKey::Rsa { modulus, exponent, .. }
        if key.modulus.as_ref() == Some(modulus) && key.exponent.as_ref() == Some(exponent));
    if !is_same {
        gaps.push(gap("foreign-key", "the key in the vault is not the one in the certificate"));
    }
    gaps
}

/// The service makes validity from calendar months and dates it ten minutes back; a day covers both.
const VALIDITY_SLACK: Duration = Duration::days(1);

/// Judges a public certificate alone, which says nothing about where its key is.
pub fn judge_certificate(certificate: &Certificate) -> Vec<Gap> {
    let mut gaps = Vec::new();
    if !certificate.is_digital_signature_only() {
        let usage = certificate
            .key_usage()
            .map_or("absent, which permits all".to_owned(), |usage| format!("[{}]", usage.join(", ")));
        gaps.push(gap("key-usage", format!("the certificate's key usage is {usage}, not [digitalSignature]")));
    }
    if certificate.is_ca() {
        gaps.push(gap("ca", "the certificate may sign other certificates"));
    }
    if !certificate.extended_key_usage().iter().any(|usage| usage == CLIENT_AUTH) {
        let usage = certificate.extended_key_usage().join(", ");
        gaps.push(gap(
            "extended-key-usage",
            format!("the certificate's extended key usage is [{usage}], without client authentication ({CLIENT_AUTH})"),
        ));
    }
    if certificate.not_after() > add_months(certificate.not_before(), MAX_VALIDITY_MONTHS) + VALIDITY_SLACK {
        let (start, end) = (certificate.not_before().date(), certificate.not_after().date());
        gaps.push(gap(
            "validity",
            format!("the certificate is valid from {start} to {end}, more than {MAX_VALIDITY_MONTHS} months"),
        ));
    }
    match certificate.public_key() {
        PublicKey::Rsa { .. } if certificate.public_key().bits() >= MIN_RSA_BITS => {}
        key => gaps.push(gap(
            "key-size",
            format!("the certificate's key is {}, not RSA of 2048 bits or more", key.description()),
        )),
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
    use crate::domain::{KeyType, KeyUsage, LifetimeTrigger};

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
            ("exportable", Box::new(|p| p.exportable = Some(true))),
            ("exportable", Box::new(|p| p.exportable = None)),
            ("reuse-key", Box::new(|p| p.reuse_key = Some(true))),
            ("key-type", Box::new(|p| p.key_type = Some(KeyType::Ec))),
            ("key-size", Box::new(|p| p.key_size = Some(1024))),
            ("key-usage", Box::new(|p| p.key_usage.push(KeyUsage("keyEncipherment".to_owned())))),
            ("key-usage", Box::new(|p| p.key_usage.clear())),
            ("extended-key-usage", Box::new(|p| p.extended_key_usage.push("1.3.6.1.5.5.7.3.1".to_owned()))),
            ("validity", Box::new(|p| p.validity_months = Some(24))),
            ("validity", Box::new(|p| p.validity_months = None)),
            ("no-mail", Box::new(|p| p.lifetime_actions.clear())),
        ];
        for (rule, weaken) in faults {
            let mut policy = hardened();
            weaken(&mut policy);
            let rules: Vec<_> = judge_policy(&policy).iter().map(|gap| gap.rule).collect();
            assert_eq!(rules, [rule]);
        }
    }

    #[test]
    fn automatic_renewal_is_refused_beside_mail() {
        let mut policy = hardened();
        policy
            .lifetime_actions
            .push(LifetimeAction { action: "AutoRenew".to_owned(), trigger: LifetimeTrigger::LifetimePercentage(80) });
        assert_eq!(judge_policy(&policy)[0].rule, "auto-renew");
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
