//! Whether what was read bears a notice out. A pure function: no claim gets further than this unless the
//! vault says the same.

use std::fmt;

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{Kind, Notice};
use crate::domain::{ObjectId, Thumbprint, Version};

/// Event Grid is not this much ahead of its time.
const SLACK: Duration = Duration::days(2);
/// A vault writes about a renewal some days before it.
const MAIL_SLACK: Duration = Duration::days(14);
/// Event Grid writes so long before the end, and that cannot be changed.
const NEAR: Duration = Duration::days(30);

/// What was read of the certificate that a notice names.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its versions; none where there is no such certificate.
    pub versions: Vec<SeenVersion>,
    /// The vault's subscription, where it may be read.
    pub subscription: Option<Uuid>,
    /// The vault's tenant, where it may be read.
    pub tenant: Option<Uuid>,
    /// From when on the vault writes about the current version, by its policy.
    pub mails_from: Option<OffsetDateTime>,
    /// The time of the services.
    pub now: OffsetDateTime,
}

/// One version, and who trusts it.
#[derive(Clone, Debug)]
pub struct SeenVersion {
    /// Its name.
    pub version: Version,
    /// SHA-1 of its certificate.
    pub thumbprint: Option<Thumbprint>,
    /// When it was made.
    pub created: Option<OffsetDateTime>,
    /// When it ends.
    pub not_after: Option<OffsetDateTime>,
    /// Whether it may be used.
    pub is_enabled: bool,
    /// Applications that have it among their certificates.
    pub trusted_by: Vec<ObjectId>,
}

/// A notice that is borne out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Confirmed {
    /// The version it is about.
    pub version: Version,
    /// The applications that need a new one: those that trust that version, or the one before it.
    pub applications: Vec<ObjectId>,
    /// What the notice says and nobody here may look up.
    pub unconfirmed: Vec<&'static str>,
}

/// How the world disagrees with a notice.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Contradiction {
    /// No such certificate.
    #[error("vault {vault} has no certificate {certificate}")]
    NoSuchCertificate {
        /// Where it was looked for.
        vault: String,
        /// What was looked for.
        certificate: String,
    },
    /// The certificate has no such version.
    #[error("certificate {certificate} has no version with {what}")]
    NoSuchVersion {
        /// The certificate.
        certificate: String,
        /// The thumbprint or version that was looked for.
        what: String,
    },
    /// A fact is another one.
    #[error("it says that {what} is {claimed}, and it is {actual}")]
    Differs {
        /// Of what.
        what: &'static str,
        /// In the notice.
        claimed: String,
        /// In the world.
        actual: String,
    },
    /// A stranger's vault.
    #[error("vault {vault} belongs to tenant {tenant}, which is not that of this identity")]
    ForeignVault {
        /// The vault.
        vault: String,
        /// Whose it is.
        tenant: String,
    },
    /// Nobody would have written yet.
    #[error("{who} does not write before {}, and it is {}", Day(*from), Day(*now))]
    NotYet {
        /// Who would have written.
        who: &'static str,
        /// When they begin to.
        from: OffsetDateTime,
        /// The time of the services.
        now: OffsetDateTime,
    },
    /// The work is done.
    #[error("version {version} has been replaced by {by}, which {} trust{}", applications(*trusted_by), if *trusted_by == 1 { "s" } else { "" })]
    Replaced {
        /// The version that the notice is about.
        version: Version,
        /// The version that is trusted now.
        by: Version,
        /// By so many applications.
        trusted_by: usize,
    },
    /// A new version, in use already.
    #[error("version {version} is trusted already")]
    InUse {
        /// The version.
        version: Version,
    },
    /// No application signs in with it.
    #[error("no application trusts any version of certificate {certificate}")]
    NobodysKey {
        /// The certificate.
        certificate: String,
    },
}

impl Contradiction {
    /// Whether the notice was right and has been dealt with since: no reason for alarm.
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Replaced { .. } | Self::InUse { .. })
    }
}

/// Compares a notice with what was read.
pub fn confirm(notice: &Notice, seen: &Seen) -> Result<Confirmed, Contradiction> {
    let named = identify(notice, &seen.versions)?;
    let unconfirmed = place(notice, seen.subscription, seen.tenant)?;
    let applications = in_need(notice, named, seen)?;
    Ok(Confirmed { version: named.version.clone(), applications, unconfirmed })
}

/// The version that a notice is about, if all that it says of versions is so. Who trusts them need not
/// be known yet: where this fails, nobody has to be asked.
pub fn identify<'a>(notice: &Notice, versions: &'a [SeenVersion]) -> Result<&'a SeenVersion, Contradiction> {
    if versions.is_empty() {
        return Err(Contradiction::NoSuchCertificate {
            vault: notice.vault.to_string(),
            certificate: notice.certificate.to_string(),
        });
    }
    let named = named(notice, versions)?;
    same_moment(notice.not_after, named.not_after)?;
    Ok(named)
}

/// Compares where a notice says that the vault is; gives what nobody here may look up.
pub fn place(
    notice: &Notice,
    subscription: Option<Uuid>,
    tenant: Option<Uuid>,
) -> Result<Vec<&'static str>, Contradiction> {
    let mut unconfirmed = Vec::new();
    for (what, claimed, actual) in
        [("the subscription", notice.subscription, subscription), ("the tenant", notice.tenant, tenant)]
    {
        match (claimed, actual) {
            (Some(claimed), Some(actual)) if claimed != actual => return Err(differs(what, claimed, actual)),
            (Some(_), None) => unconfirmed.push(what),
            _ => {}
        }
    }
    Ok(unconfirmed)
}

/// The version that a notice is about. Every version that it names has to exist; of two, the older one
/// is the one in need.
fn named<'a>(notice: &Notice, versions: &'a [SeenVersion]) -> Result<&'a SeenVersion, Contradiction> {
    let missing = |what| Contradiction::NoSuchVersion { certificate: notice.certificate.to_string(), what };
    let mut found: Vec<&SeenVersion> = Vec::new();
    for thumbprint in &notice.thumbprints {
        let version = versions.iter().find(|version| version.thumbprint == Some(*thumbprint));
        found.push(version.ok_or_else(|| missing(format!("thumbprint {thumbprint}")))?);
    }
    if let Some(id) = &notice.version {
        let version = versions.iter().find(|version| version.version == *id);
        let version = version.ok_or_else(|| missing(format!("the name {id}")))?;
        if !found.is_empty() && found.iter().all(|known| known.version != version.version) {
            return Err(differs("the version of its thumbprint", id, &found[0].version));
        }
        found = vec![version];
    }
    found.into_iter().min_by_key(|version| version.created).ok_or_else(|| missing("any name".to_owned()))
}

/// The applications that need a new version, unless there is nothing to be done.
fn in_need(notice: &Notice, named: &SeenVersion, seen: &Seen) -> Result<Vec<ObjectId>, Contradiction> {
    let newer = |version: &&SeenVersion| version.is_enabled && version.created > named.created;
    let newest = seen.versions.iter().filter(newer).max_by_key(|version| version.created);
    if !named.trusted_by.is_empty() {
        if notice.kind == Kind::NewVersion {
            return Err(Contradiction::InUse { version: named.version.clone() });
        }
        // With a newer version a replacement is under way: to go on with it is never too early.
        if newest.is_none() {
            not_too_early(notice.kind, named, seen)?;
        }
        return Ok(named.trusted_by.clone());
    }
    let heirs = seen.versions.iter().filter(newer).filter(|version| !version.trusted_by.is_empty());
    if let Some(heir) = heirs.max_by_key(|version| version.created) {
        return Err(Contradiction::Replaced {
            version: named.version.clone(),
            by: heir.version.clone(),
            trusted_by: heir.trusted_by.len(),
        });
    }
    // The vault made it, and nobody has told the directory: those who trust the one before are in need.
    let older = seen.versions.iter().filter(|version| version.created < named.created);
    let trusted = older.filter(|version| !version.trusted_by.is_empty()).max_by_key(|version| version.created);
    let before = trusted.ok_or_else(|| Contradiction::NobodysKey { certificate: notice.certificate.to_string() })?;
    Ok(before.trusted_by.clone())
}

/// What is written long before its time was not written by the service.
fn not_too_early(kind: Kind, named: &SeenVersion, seen: &Seen) -> Result<(), Contradiction> {
    let (who, from, slack) = match kind {
        Kind::Mail => ("the vault", seen.mails_from, MAIL_SLACK),
        Kind::NearExpiry => ("Event Grid", named.not_after.map(|end| end - NEAR), SLACK),
        Kind::Expired => ("Event Grid", named.not_after, SLACK),
        Kind::NewVersion => return Ok(()),
    };
    match from {
        Some(from) if seen.now + slack < from => Err(Contradiction::NotYet { who, from, now: seen.now }),
        _ => Ok(()),
    }
}

fn same_moment(claimed: Option<OffsetDateTime>, actual: Option<OffsetDateTime>) -> Result<(), Contradiction> {
    match (claimed, actual) {
        (Some(claimed), Some(actual)) if (claimed - actual).abs() > Duration::MINUTE => {
            Err(differs("the end of that version", claimed, actual))
        }
        _ => Ok(()),
    }
}

fn differs(what: &'static str, claimed: impl ToString, actual: impl ToString) -> Contradiction {
    Contradiction::Differs { what, claimed: claimed.to_string(), actual: actual.to_string() }
}

fn applications(count: usize) -> String {
    if count == 1 { "1 application".to_owned() } else { format!("{count} applications") }
}

/// A day, as people write it.
struct Day(OffsetDateTime);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.date().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-22 06:00 UTC);
    const APP: ObjectId = ObjectId::new(Uuid::from_u128(7));

    fn version(number: u8, days_left: i64, trusted: bool) -> SeenVersion {
        let not_after = NOW + Duration::days(days_left);
        SeenVersion {
            version: format!("{number:032x}").parse().unwrap(),
            thumbprint: Some(Thumbprint::Sha1([number; 20])),
            created: Some(not_after - Duration::days(365)),
            not_after: Some(not_after),
            is_enabled: true,
            trusted_by: if trusted { vec![APP] } else { Vec::new() },
        }
    }

    fn seen(versions: Vec<SeenVersion>) -> Seen {
        Seen { versions, subscription: None, tenant: None, mails_from: Some(NOW - Duration::days(1)), now: NOW }
    }

    fn mail(thumbprints: &[u8]) -> Notice {
        Notice {
            kind: Kind::Mail,
            vault: "contoso-kv".parse().unwrap(),
            certificate: "billing".parse().unwrap(),
            thumbprints: thumbprints.iter().map(|number| Thumbprint::Sha1([*number; 20])).collect(),
            version: None,
            not_after: None,
            subscription: None,
            tenant: None,
            id: None,
        }
    }

    fn event(kind: Kind, about: &SeenVersion) -> Notice {
        Notice { kind, version: Some(about.version.clone()), not_after: about.not_after, ..mail(&[]) }
    }

    #[test]
    fn a_version_that_is_trusted_and_ends_soon_is_confirmed_for_who_trusts_it() {
        let seen = seen(vec![version(1, 29, true)]);
        let confirmed = confirm(&mail(&[1]), &seen).unwrap();
        assert_eq!(confirmed.applications, [APP]);
        assert_eq!(confirmed.version, seen.versions[0].version);
        confirm(&event(Kind::NearExpiry, &seen.versions[0]), &seen).unwrap();
    }

    #[test]
    fn what_the_vault_does_not_say_is_refused() {
        let world = seen(vec![version(1, 29, true)]);
        let refused = |notice: &Notice, seen: &Seen| confirm(notice, seen).unwrap_err();
        assert!(matches!(refused(&mail(&[1]), &seen(vec![])), Contradiction::NoSuchCertificate { .. }));
        assert!(matches!(refused(&mail(&[9]), &world), Contradiction::NoSuchVersion { .. }));
        assert!(matches!(refused(&mail(&[1, 9]), &world), Contradiction::NoSuchVersion { .. }));
        assert!(matches!(refused(&mail(&[]), &world), Contradiction::NoSuchVersion { .. }));
        let other_end = Notice { not_after: Some(NOW), ..event(Kind::NearExpiry, &world.versions[0]) };
        assert!(matches!(refused(&other_end, &world), Contradiction::Differs { .. }));
        let two = seen(vec![version(1, 29, true), version(2, 300, false)]);
        let mixed = Notice { version: Some(two.versions[1].version.clone()), ..mail(&[1]) };
        assert!(matches!(refused(&mixed, &two), Contradiction::Differs { .. }));
    }

    #[test]
    fn subscription_and_tenant_are_compared_where_they_can_be_and_named_where_not() {
        let claim = Uuid::from_u128(1);
        let notice = Notice { subscription: Some(claim), tenant: Some(claim), ..mail(&[1]) };
        let mut seen = seen(vec![version(1, 29, true)]);
        assert_eq!(confirm(&notice, &seen).unwrap().unconfirmed, ["the subscription", "the tenant"]);
        (seen.subscription, seen.tenant) = (Some(claim), Some(claim));
        assert!(confirm(&notice, &seen).unwrap().unconfirmed.is_empty());
        seen.subscription = Some(Uuid::from_u128(2));
        assert!(matches!(confirm(&notice, &seen), Err(Contradiction::Differs { what: "the subscription", .. })));
        (seen.subscription, seen.tenant) = (None, Some(Uuid::from_u128(2)));
        assert!(matches!(confirm(&notice, &seen), Err(Contradiction::Differs { what: "the tenant", .. })));
    }

    #[test]
    fn nobody_writes_months_ahead() {
        let mut world = seen(vec![version(1, 200, true)]);
        world.mails_from = Some(NOW + Duration::days(170));
        assert!(matches!(confirm(&mail(&[1]), &world), Err(Contradiction::NotYet { .. })));
        for kind in [Kind::NearExpiry, Kind::Expired] {
            assert!(matches!(confirm(&event(kind, &world.versions[0]), &world), Err(Contradiction::NotYet { .. })));
        }
        // The end of the slack, and one second before it.
        for (days, seconds, is_early) in [(32, 0, false), (32, 1, true)] {
            let mut near = version(1, days, true);
            near.not_after = near.not_after.map(|end| end + Duration::seconds(seconds));
            let outcome = confirm(&event(Kind::NearExpiry, &near), &seen(vec![near.clone()]));
            assert_eq!(outcome.is_err(), is_early, "{days} d {seconds} s");
        }
    }

    #[test]
    fn a_replacement_that_is_under_way_is_gone_on_with_at_any_time() {
        let mut seen = seen(vec![version(1, 200, true), version(2, 360, true)]);
        seen.mails_from = Some(NOW + Duration::days(300));
        assert_eq!(confirm(&mail(&[1]), &seen).unwrap().version, seen.versions[0].version);
    }

    #[test]
    fn an_old_version_that_nobody_trusts_any_more_has_been_replaced() {
        let seen = seen(vec![version(1, 29, false), version(2, 360, true)]);
        let error = confirm(&mail(&[1]), &seen).unwrap_err();
        assert!(matches!(&error, Contradiction::Replaced { by, .. } if *by == seen.versions[1].version));
        assert!(error.is_settled());
        assert!(error.to_string().ends_with("which 1 application trusts"), "{error}");
    }

    #[test]
    fn a_version_that_the_vault_made_and_nobody_trusts_is_for_those_who_trust_the_one_before() {
        let seen = seen(vec![version(1, 29, true), version(2, 364, false)]);
        assert_eq!(confirm(&event(Kind::NewVersion, &seen.versions[1]), &seen).unwrap().applications, [APP]);
        // The mail about a renewal names both, or the new one twice.
        assert_eq!(confirm(&mail(&[1, 2]), &seen).unwrap().version, seen.versions[0].version);
        assert_eq!(confirm(&mail(&[2]), &seen).unwrap().applications, [APP]);
    }

    #[test]
    fn a_new_version_in_use_and_a_certificate_of_nobody_need_nothing() {
        let world = seen(vec![version(1, 29, true), version(2, 364, true)]);
        let error = confirm(&event(Kind::NewVersion, &world.versions[1]), &world).unwrap_err();
        assert!(error.is_settled(), "{error}");
        let nobodys = seen(vec![version(1, 29, false)]);
        let error = confirm(&mail(&[1]), &nobodys).unwrap_err();
        assert!(matches!(error, Contradiction::NobodysKey { .. }) && !error.is_settled());
    }

    #[test]
    fn a_version_that_was_switched_off_replaces_nothing() {
        let mut seen = seen(vec![version(1, 29, false), version(2, 360, true)]);
        seen.versions[1].is_enabled = false;
        assert!(matches!(confirm(&mail(&[1]), &seen), Err(Contradiction::NobodysKey { .. })));
    }
}
