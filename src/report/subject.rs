//! How an object is called: for machines, for people, and in the portal.

use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use crate::audit::{Fact, ObjectKind, Subject};
use crate::domain::{TenantId, printable};
use crate::inventory::Header;

/// Longest name that is shown; names of ten megabytes exist.
const MAX_NAME: usize = 120;

/// The full name of an object: `entra/TENANT/applications/APP/keyCredentials/KEYID`.
pub(super) fn qualified(tenant: &TenantId, subject: &Subject, evidence: &[Fact]) -> String {
    let id = &subject.id;
    let app = || subject.app_id.map_or_else(|| id.to_string(), |app| app.to_string());
    let mut name = match subject.kind {
        ObjectKind::Application => format!("entra/{tenant}/applications/{}", app()),
        ObjectKind::ServicePrincipal => format!("entra/{tenant}/servicePrincipals/{id}"),
        ObjectKind::Certificate => {
            let (vault, certificate) = id.split_once('/').unwrap_or((id, ""));
            format!("keyvault/{vault}/certificates/{certificate}")
        }
        ObjectKind::Vault => format!("keyvault/{id}"),
        ObjectKind::Tenant => format!("entra/{tenant}"),
        ObjectKind::Audit => format!("kvops/{tenant}/audit/{id}"),
    };
    if let Some(part) = &subject.part {
        if let Some(collection) = collection(part, evidence) {
            name = format!("{name}/{collection}");
        }
        name = format!("{name}/{part}");
    }
    printable(&name)
}

/// Which collection a part is in, if the evidence says so: `keyCredentials[PART].endDateTime`.
fn collection<'a>(part: &str, evidence: &'a [Fact]) -> Option<&'a str> {
    evidence.iter().find_map(|fact| {
        let (collection, rest) = fact.field.split_once('[')?;
        let is_word = collection.chars().all(|c| c.is_ascii_alphanumeric());
        (rest.starts_with(part) && is_word).then_some(collection)
    })
}

/// What people call it, safe for a terminal, with its id: `Billing (7b0f…)`.
pub(super) fn label(subject: &Subject) -> String {
    let id = subject.app_id.map_or_else(|| subject.id.to_string(), |app| app.to_string());
    let (name, id) = (name(subject), printable(&id));
    if name.is_empty() || name == id { id } else { format!("{name} ({id})") }
}

/// The name alone, cut and safe for a terminal.
pub(super) fn name(subject: &Subject) -> String {
    short(&subject.name)
}

/// Text that others wrote, made printable and cut where nobody reads on.
pub(super) fn short(text: &str) -> String {
    match text.char_indices().nth(MAX_NAME) {
        Some((end, _)) => format!("{}…", printable(text.get(..end).unwrap_or_default())),
        None => printable(text),
    }
}

/// The kind, as in a sentence.
pub(super) const fn kind(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Application => "application",
        ObjectKind::ServicePrincipal => "service principal",
        ObjectKind::Certificate => "certificate",
        ObjectKind::Vault => "vault",
        ObjectKind::Tenant => "tenant",
        ObjectKind::Audit => "audit",
    }
}

/// The kind, as in files.
pub(super) const fn kind_id(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Application => "application",
        ObjectKind::ServicePrincipal => "service-principal",
        ObjectKind::Certificate => "certificate",
        ObjectKind::Vault => "vault",
        ObjectKind::Tenant => "tenant",
        ObjectKind::Audit => "audit",
    }
}

/// The page of an application or service principal in the portal, where the cloud has a known one.
pub(super) fn portal(header: &Header, subject: &Subject) -> Option<String> {
    let host = match header.cloud.as_str() {
        "public" => "entra.microsoft.com",
        "usgov" => "entra.microsoft.us",
        _ => return None,
    };
    let app = subject.app_id?;
    match subject.kind {
        ObjectKind::Application => Some(format!(
            "https://{host}/#view/Microsoft_AAD_RegisteredApps/ApplicationMenuBlade/~/Credentials/appId/{app}"
        )),
        ObjectKind::ServicePrincipal => Some(format!(
            "https://{host}/#view/Microsoft_AAD_IAM/ManagedAppMenuBlade/~/Overview/objectId/{}/appId/{app}",
            subject.id.parse::<crate::domain::ObjectId>().ok()?
        )),
        _ => None,
    }
}

/// `2026-11-21 12:00`, in UTC.
pub(super) fn minute(at: OffsetDateTime) -> String {
    at.to_offset(UtcOffset::UTC)
        .format(format_description!("[year]-[month]-[day] [hour]:[minute]"))
        .unwrap_or_else(|_| at.to_string())
}
