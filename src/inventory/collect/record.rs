//! What the directory answers, made into records.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use super::gathered::{ByKey, Gathered};
use crate::domain::{CredentialId, ObjectId};
use crate::graph;
use crate::inventory::{
    AppManagementPolicy, Application, CustomAppManagementPolicy, DeletedApplication, FederatedCredential, Implicit,
    KeyCredential, Lock, Owner, OwnerKind, PasswordCredential, Reason, Records, RedirectUris, RequiredAccess,
    RequiredKind, Restriction, Restrictions, Seen, ServicePrincipal, Word, X509,
};
use crate::pki::Certificate;

/// What the bytes of credentials said, by object and credential: neither ever changes.
pub(super) type Facts = Gathered<(ObjectId, CredentialId), Seen<Box<X509>>>;

/// The same, to be looked up.
pub(super) type KnownFacts = ByKey<(ObjectId, CredentialId), Seen<Box<X509>>>;

/// What an earlier run has seen.
pub(super) fn known(applications: &Records<Application>, principals: &Records<ServicePrincipal>) -> KnownFacts {
    let of_applications = applications.iter().map(|application| (application.id, application.keys));
    let of_principals = principals.iter().map(|principal| (principal.id, principal.keys));
    let mut known = Facts::new();
    for (id, keys) in of_applications.chain(of_principals) {
        let is_seen = |key: &&KeyCredential| matches!(key.x, Seen::Read(_) | Seen::Unread { unread: Reason::Parse });
        keys.iter().filter(is_seen).for_each(|key| known.push((id, key.key_id), &key.x));
    }
    known.by_key()
}

/// An application; its relations come later.
pub(super) fn application(read: graph::Registration) -> Application {
    let lock = read.service_principal_lock_configuration;
    Application {
        id: read.id,
        app_id: read.app_id,
        display_name: read.display_name.unwrap_or_default(),
        created_at: read.created_date_time,
        sign_in_audience: read.sign_in_audience.map(Word::from),
        tags: read.tags.into(),
        has_notes: read.notes.is_some_and(|notes| !notes.trim().is_empty()),
        service_management_reference: read.service_management_reference,
        is_fallback_public_client: read.is_fallback_public_client,
        implicit: Implicit {
            access_token: read.web.implicit_grant_settings.enable_access_token_issuance == Some(true),
            id_token: read.web.implicit_grant_settings.enable_id_token_issuance == Some(true),
        },
        redirect_uris: RedirectUris {
            web: read.web.redirect_uris.into(),
            spa: read.spa.redirect_uris.into(),
            public_client: read.public_client.redirect_uris.into(),
        },
        required: read.required_resource_access.iter().flat_map(required).collect(),
        lock: Seen::Read(lock.map(|lock| Lock {
            is_enabled: lock.is_enabled == Some(true),
            all_properties: lock.all_properties == Some(true),
            credentials_with_usage_sign: lock.credentials_with_usage_sign == Some(true),
            credentials_with_usage_verify: lock.credentials_with_usage_verify == Some(true),
        })),
        exposes_scopes: !read.api.oauth2_permission_scopes.is_empty(),
        has_verified_publisher: has_publisher(&read.verified_publisher),
        passwords: passwords(read.password_credentials),
        keys: keys(read.key_credentials),
        federated: Seen::default(),
        owners: Seen::default(),
    }
}

/// A service principal; its relations come later.
pub(super) fn principal(read: graph::Principal) -> ServicePrincipal {
    ServicePrincipal {
        id: read.id,
        app_id: read.app_id,
        display_name: read.display_name.unwrap_or_default(),
        account_enabled: read.account_enabled,
        kind: read.service_principal_type.map(Word::from),
        owner_tenant: read.app_owner_organization_id.and_then(|id| Uuid::try_parse(&id).ok()),
        single_sign_on_mode: read.preferred_single_sign_on_mode.map(Word::from),
        template: read.application_template_id.and_then(|id| Uuid::try_parse(&id).ok()),
        preferred_signing_key: read.preferred_token_signing_key_thumbprint,
        reply_urls: read.reply_urls.into(),
        has_verified_publisher: has_publisher(&read.verified_publisher),
        passwords: passwords(read.password_credentials),
        keys: keys(read.key_credentials),
        app_roles: Seen::default(),
        delegated: Seen::default(),
        owners: Seen::default(),
        last_sign_in: Seen::default(),
        last_user_sign_in: Seen::default(),
    }
}

/// An application in the recycle bin.
pub(super) fn deleted(read: graph::Registration) -> DeletedApplication {
    DeletedApplication {
        id: read.id,
        app_id: read.app_id,
        display_name: read.display_name.unwrap_or_default(),
        deleted_at: read.deleted_date_time,
        passwords: passwords(read.password_credentials),
        keys: keys(read.key_credentials),
    }
}

/// What the bytes of the keys of one object say, where there are bytes and it is not known already.
pub(super) fn facts_of<'a>(
    read: &'a graph::Keys,
    known: &'a KnownFacts,
) -> impl Iterator<Item = ((ObjectId, CredentialId), Seen<Box<X509>>)> + 'a {
    read.key_credentials.iter().filter_map(|key| {
        let which = (read.id, key.key_id);
        let bytes = key.key.as_deref().filter(|text| !text.is_empty() && !known.has(&which))?;
        Some((which, parsed(bytes)))
    })
}

/// The bytes of a credential as facts. Symmetric keys and nonsense are no certificates.
fn parsed(text: &str) -> Seen<Box<X509>> {
    let unreadable = || Seen::unread(Reason::Parse);
    let Ok(bytes) = STANDARD.decode(text.trim()) else { return unreadable() };
    // Some tools upload the base64 of a PEM file.
    let certificate = Certificate::from_file(&bytes);
    certificate.map_or_else(|_| unreadable(), |certificate| Seen::Read(Box::new(X509::of(&certificate))))
}

fn keys(read: Vec<graph::ListedKey>) -> Box<[KeyCredential]> {
    let mut keys: Vec<_> = read
        .into_iter()
        .map(|key| KeyCredential {
            x: key.key.as_deref().filter(|text| !text.is_empty()).map(parsed).unwrap_or_default(),
            key_id: key.key_id,
            kind: key.kind.map(Word::from),
            usage: key.usage.map(Word::from),
            label: key.custom_key_identifier,
            display_name: key.display_name,
            start: key.start_date_time,
            end: key.end_date_time,
            last_used: Seen::default(),
        })
        .collect();
    keys.sort_by_key(|key| key.key_id);
    keys.into()
}

fn passwords(read: Vec<graph::ListedPassword>) -> Box<[PasswordCredential]> {
    let mut passwords: Vec<_> = read
        .into_iter()
        .map(|password| PasswordCredential {
            key_id: password.key_id,
            display_name: password.display_name,
            label: password.custom_key_identifier,
            start: password.start_date_time,
            end: password.end_date_time,
            last_used: Seen::default(),
        })
        .collect();
    passwords.sort_by_key(|password| password.key_id);
    passwords.into()
}

fn required(of_one: &graph::RequiredAccess) -> Vec<RequiredAccess> {
    let Some(resource) = of_one.resource_app_id.as_deref().and_then(|id| id.parse().ok()) else { return Vec::new() };
    let one = |access: &graph::Access| {
        let kind = match access.kind.as_deref()? {
            kind if kind.eq_ignore_ascii_case("Role") => RequiredKind::Role,
            _ => RequiredKind::Scope,
        };
        Some(RequiredAccess { resource, id: Uuid::try_parse(access.id.as_deref()?).ok()?, kind })
    };
    of_one.resource_access.iter().filter_map(one).collect()
}

fn has_publisher(publisher: &graph::Publisher) -> bool {
    publisher.verified_publisher_id.as_deref().is_some_and(|id| !id.is_empty())
}

/// An owner. A guest is known by their type, a service principal of elsewhere only by its own record.
pub(super) fn owner(read: graph::Owner) -> Owner {
    let kind = match read.kind.as_deref().and_then(|kind| kind.rsplit('.').next()) {
        Some(kind) if kind.eq_ignore_ascii_case("user") => OwnerKind::User,
        Some(kind) if kind.eq_ignore_ascii_case("servicePrincipal") => OwnerKind::ServicePrincipal,
        // Without a type, only people have one of their own.
        None if read.user_type.is_some() => OwnerKind::User,
        _ => OwnerKind::Other,
    };
    Owner {
        id: read.id,
        kind,
        user_type: read.user_type.map(Word::from),
        account_enabled: read.account_enabled,
        is_external: None,
    }
}

/// A federated credential.
pub(super) fn federated(read: graph::Federated) -> FederatedCredential {
    FederatedCredential {
        id: read.id.to_string().into(),
        name: read.name.unwrap_or_default(),
        issuer: read.issuer.unwrap_or_default(),
        subject: read.subject,
        expression: read.claims_matching_expression.and_then(|expression| expression.value),
        audiences: read.audiences.into(),
    }
}

/// The default app management policy.
pub(super) fn default_policy(read: graph::DefaultPolicy) -> AppManagementPolicy {
    AppManagementPolicy {
        is_enabled: read.is_enabled == Some(true),
        applications: restrictions(read.application_restrictions),
        service_principals: restrictions(read.service_principal_restrictions),
    }
}

/// A custom one, with the objects that it applies to.
pub(super) fn custom_policy(read: graph::CustomPolicy, applies_to: Vec<ObjectId>) -> CustomAppManagementPolicy {
    CustomAppManagementPolicy {
        id: read.id,
        display_name: read.display_name.unwrap_or_default(),
        is_enabled: read.is_enabled == Some(true),
        restrictions: restrictions(read.restrictions),
        applies_to: applies_to.into(),
    }
}

fn restrictions(read: graph::Restricted) -> Restrictions {
    let all = |list: Vec<graph::Restriction>| list.into_iter().map(restriction).collect();
    Restrictions { passwords: all(read.password_credentials), keys: all(read.key_credentials) }
}

fn restriction(read: graph::Restriction) -> Restriction {
    Restriction {
        excluded_actors: read.excluded_actors().into(),
        kind: read.restriction_type.unwrap_or_default(),
        state: read.state,
        max_lifetime: read.max_lifetime,
        created_after: read.restrict_for_apps_created_after_date_time,
    }
}
