//! What an audit would say of a certificate: the same rules judge what is made and what is found.

use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::rules::Gap;
use crate::audit::{CertificateScope, Finding, Manifest, Params, Policy, Severity, judge, rules};
use crate::domain::{AppId, CertificateName, CredentialId, ObjectId, TenantId, VaultName, Version};
use crate::inventory;
use crate::inventory::{
    Application, BackingKey, Certificate, Coverage, Evidence, Header, Implicit, Inventory, KeyCredential, RedirectUris,
    SCHEMA_VERSION, Seen, Vault, VersionRecord, X509,
};

/// The rules that a certificate must pass before kvops lets an application trust it. What is left
/// out is about the vault, the application or the tenant, and not about the certificate.
const RULES: [&str; 17] = [
    "KVO106", "KVO111", "KVO112", "KVO113", "KVO114", "KVO201", "KVO202", "KVO203", "KVO204", "KVO206", "KVO207",
    "KVO208", "KVO209", "KVO210", "KVO211", "KVO212", "KVO213",
];

/// A version of a certificate, as a vault has it or would have it.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) policy: inventory::Policy,
    pub(super) key: BackingKey,
    pub(super) created: OffsetDateTime,
}

/// Judges a certificate that one application trusts: with what its vault says of it, or by its
/// public half alone. What cannot be decided is a gap like what is wrong.
pub(super) fn gaps(x: X509, made: Option<Made>) -> Vec<Gap> {
    let now = made.as_ref().map_or(x.not_before, |made| made.created) + Duration::minutes(1);
    let is_external = made.as_ref().is_some_and(|made| made.policy.issuer.as_deref().is_some_and(is_unknown));
    let mut inventory = Inventory { applications: vec![application(&x)].into(), ..Inventory::empty(header(now)) };
    inventory.coverage = Coverage::default();
    inventory.coverage.read(Evidence::Vaults, 1);
    inventory.vaults.extend(made.map(|made| vault(x, made)));
    let policy = Policy {
        rules: RULES.iter().filter_map(|id| rules::rule(id)).collect(),
        params: Params { certificate_scope: CertificateScope::All, strict_eku: true, ..Params::default() },
        ..Policy::default()
    };
    let report = judge(&inventory, &policy, &Manifest::default(), &Seen::default());
    let is_alone = inventory.vaults.is_empty();
    let decided = report
        .findings
        .iter()
        .filter(|finding| counts(finding, is_external))
        .map(|finding| Gap { rule: known(finding.rule), fact: with_evidence(&finding) });
    let open = report
        .unknowns
        .iter()
        .filter(|_| !is_alone)
        .map(|unknown| Gap { rule: known(&unknown.rule), fact: format!("it is not known: {}", unknown.why) });
    decided.chain(open).collect()
}

/// Information is no reason to refuse. And of a certificate that an own CA made for a request the
/// vault cannot tell that it was no import, while its owner knows when it ends.
fn counts(finding: &Finding, is_external: bool) -> bool {
    finding.severity > Severity::Info && !(is_external && ["KVO203", "KVO208"].contains(&finding.rule))
}

fn with_evidence(finding: &Finding) -> String {
    // The credential is made up: of its fields only the last part means anything.
    let field = |field: &str| field.rsplit("].").next().unwrap_or_default().to_owned();
    let said = |fact: &crate::audit::Fact| format!("{} is {}", field(&fact.field), fact.value);
    let details = &finding.details;
    let facts: Vec<String> = details.evidence.iter().map(said).collect();
    if facts.is_empty() { details.message.to_string() } else { format!("{} ({})", details.message, facts.join("; ")) }
}

fn known(id: &str) -> &'static str {
    rules::rule(id).map_or("unknown", |rule| rule.id)
}

fn is_unknown(issuer: &str) -> bool {
    issuer.eq_ignore_ascii_case("Unknown")
}

fn header(now: OffsetDateTime) -> Header {
    #[expect(clippy::expect_used, reason = "the nil GUID parses as a tenant")]
    let tenant: TenantId = Uuid::nil().to_string().parse().expect("a GUID");
    Header {
        schema_version: SCHEMA_VERSION.to_owned(),
        tenant,
        tenant_created_at: None,
        cloud: String::new(),
        collected_at: now,
        is_narrowed_to_applications: true,
        is_narrowed_to_vaults: true,
    }
}

fn application(x: &X509) -> Application {
    let key = KeyCredential {
        key_id: CredentialId::new(Uuid::nil()),
        kind: Some("AsymmetricX509Cert".into()),
        usage: Some("Verify".into()),
        label: Some(x.sha1.as_str().into()),
        display_name: None,
        start: Some(x.not_before),
        end: Some(x.not_after),
        x: Seen::Read(Box::new(x.clone())),
        last_used: Seen::default(),
    };
    Application {
        id: ObjectId::new(Uuid::nil()),
        app_id: AppId::new(Uuid::nil()),
        display_name: "".into(),
        created_at: None,
        sign_in_audience: None,
        tags: Box::default(),
        has_notes: false,
        service_management_reference: None,
        is_fallback_public_client: None,
        redirect_uris: RedirectUris::default(),
        implicit: Implicit::default(),
        required: Box::default(),
        lock: Seen::default(),
        exposes_scopes: false,
        has_verified_publisher: false,
        passwords: Box::default(),
        keys: [key].into(),
        federated: Seen::default(),
        owners: Seen::default(),
    }
}

fn vault(x: X509, made: Made) -> Vault {
    #[expect(clippy::expect_used, reason = "these texts are names and a version")]
    let (vault, name, version): (VaultName, CertificateName, Version) = (
        "judged".parse().expect("a name"),
        "judged".parse().expect("a name"),
        "0".repeat(32).parse().expect("a version"),
    );
    let record = VersionRecord {
        version,
        x5t: Some(x.sha1.clone()),
        enabled: Some(true),
        created: Some(made.created),
        updated: Some(made.created),
        expires: Some(x.not_after),
        tags: BTreeMap::new(),
        x: Seen::Read(Box::new(x)),
        key: Seen::Read(Box::new(made.key)),
    };
    let certificate = Certificate {
        name,
        x5t: record.x5t.clone(),
        enabled: record.enabled,
        created: record.created,
        expires: record.expires,
        tags: BTreeMap::new(),
        policy: Seen::Read(Box::new(made.policy)),
        versions: Seen::Read(vec![record]),
    };
    Vault {
        name: vault,
        url: "".into(),
        resource_id: "".into(),
        properties: Seen::default(),
        is_logged: Seen::default(),
        is_defended: Seen::default(),
        contacts: Seen::Read(1),
        certificates: Seen::Read(vec![certificate].into()),
        deleted: Seen::Read(Vec::new()),
    }
}
