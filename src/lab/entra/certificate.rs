//! Client assertions that a certificate of the application signs (RFC 7523 with `x5t`).

use jsonwebtoken::Algorithm;
use time::Duration;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use uuid::Uuid;

use super::client::Client;
use super::jws;
use super::jws::Jws;
use super::refusal::Refusal;
use crate::domain::Thumbprint;
use crate::lab::directory::Application;
use crate::lab::directory::KeyCredential;
use crate::lab::directory::Object;
use crate::lab::directory::ServicePrincipal;
use crate::lab::directory::View;
use crate::lab::world::World;

/// What clocks may differ by. Assertions of MSAL for Node begin up to half a second from now.
pub(super) const SKEW: Duration = Duration::minutes(5);

/// How `Found key 'Start=…, End=…'` writes times.
const FOUND: &[BorrowedFormatItem<'_>] = format_description!("[month]/[day]/[year] [hour]:[minute]:[second]");

/// .NET's round-trip format, as in AADSTS700024.
const ROUND_TRIP: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:7]Z");

/// Checks an assertion whose issuer is the client itself; gives the `keyId` that signed it.
pub(super) fn verify(world: &World, client: &Client<'_>, assertion: &Jws<'_>) -> Result<Uuid, Refusal> {
    let app_id = client.app_id.to_string();
    if !assertion.claim("sub").is_some_and(|subject| subject.eq_ignore_ascii_case(&app_id)) {
        return Err(Refusal::client(
            700_021,
            "Client assertion application identifier doesn't match 'client_id' parameter. Review the documentation at \
             https://learn.microsoft.com/entra/identity-platform/certificate-credentials .",
        ));
    }
    let wanted = thumbprint(assertion)?;
    let key =
        find(world, client, wanted).ok_or_else(|| not_registered(&app_id, wanted, "The key was not found.", None))?;
    let now = world.now();
    if !key.is_valid_at(now) {
        return Err(not_registered(&app_id, wanted, "The key used is expired.", Some(&key)));
    }
    within_validity(&key, now)?;
    let public = jws::rsa_key_of(&key.key);
    let is_genuine =
        public.is_some_and(|public| assertion.is_signed_by(&public, &[Algorithm::RS256, Algorithm::PS256]));
    if !is_genuine {
        let reason = "The provided signature value did not match the expected signature value.";
        return Err(not_registered(&app_id, wanted, reason, Some(&key)));
    }
    if !assertion.audiences().iter().any(|audience| is_ours(world, audience)) {
        return Err(Refusal::client(
            700_023,
            "Client assertion audience claim does not match Realm issuer. Review the documentation at \
             https://learn.microsoft.com/entra/identity-platform/certificate-credentials .",
        ));
    }
    within_time(assertion, now)?;
    Ok(key.key_id)
}

/// AADSTS700024 for an assertion outside its `nbf` and `exp`. A missing `nbf` is 1970.
pub(super) fn within_time(assertion: &Jws<'_>, now: OffsetDateTime) -> Result<(), Refusal> {
    let starts = assertion.date("nbf").unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let expires = assertion.date("exp").unwrap_or(OffsetDateTime::UNIX_EPOCH);
    if starts <= now + SKEW && now - SKEW < expires {
        return Ok(());
    }
    let text = |at: OffsetDateTime| at.to_offset(time::UtcOffset::UTC).format(ROUND_TRIP).unwrap_or_default();
    Err(Refusal::client(
        700_024,
        format!(
            "Client assertion is not within its valid time range. Current time: {}, assertion valid from {}, expiry \
             time of assertion {}. Review the documentation at \
             https://learn.microsoft.com/entra/identity-platform/certificate-credentials .",
            text(now),
            text(starts),
            text(expires)
        ),
    ))
}

/// The thumbprint in the header: `x5t#S256`, `x5t`, or a `kid` that is one. Clients write it in
/// base64url or base64, padded or not, and `kid` in hex.
fn thumbprint(assertion: &Jws<'_>) -> Result<Thumbprint, Refusal> {
    ["x5t#S256", "x5t", "kid"]
        .iter()
        .find_map(|name| assertion.header(name)?.parse().ok())
        .ok_or_else(|| Refusal::client(50_027, "JWT token is invalid or malformed."))
}

/// The certificate with this thumbprint on the application or on its service principal, as far as
/// the token endpoint has heard: additions and removals reach it only after a while.
fn find(world: &World, client: &Client<'_>, wanted: Thumbprint) -> Option<KeyCredential> {
    let lag = Duration::seconds(world.settings.token_propagation.into());
    let (now, then) = (world.now(), View::AsOf(world.now() - lag));
    let current = client.keys().find(|key| bears(key, wanted));
    match current {
        Some(key) => (key.added_at + lag <= now).then(|| key.clone()),
        None if lag.is_zero() => None,
        None => {
            let application = client.application.as_ref().map(|application| application.id);
            removed::<Application>(world, application, then, wanted)
                .or_else(|| removed::<ServicePrincipal>(world, Some(client.principal.id), then, wanted))
        }
    }
}

fn removed<T: Object>(world: &World, id: Option<Uuid>, then: View, wanted: Thumbprint) -> Option<KeyCredential> {
    let object = world.directory.find::<T>(id?, then)?;
    object.credentials().keys.iter().find(|key| bears(key, wanted)).cloned()
}

fn bears(key: &KeyCredential, wanted: Thumbprint) -> bool {
    let own = match wanted {
        Thumbprint::Sha1(_) => Thumbprint::sha1(&key.key),
        Thumbprint::Sha256(_) => Thumbprint::sha256(&key.key),
    };
    key.verifies() && own == wanted
}

fn within_validity(key: &KeyCredential, now: OffsetDateTime) -> Result<(), Refusal> {
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(&key.key) else {
        return Ok(());
    };
    let validity = certificate.validity();
    if validity.not_before.to_datetime() <= now && now < validity.not_after.to_datetime() {
        return Ok(());
    }
    Err(Refusal::client(
        1_000_502,
        "The provided certificate is not within its specified validity window. Certificate used to sign the client \
         assertion is expired or not yet valid.",
    ))
}

/// AADSTS700027, whose brackets say why.
fn not_registered(app_id: &str, wanted: Thumbprint, reason: &str, found: Option<&KeyCredential>) -> Refusal {
    let text = |at: OffsetDateTime| at.to_offset(time::UtcOffset::UTC).format(FOUND).unwrap_or_default();
    let found =
        found.map_or_else(String::new, |key| format!("Found key 'Start={}, End={}', ", text(key.start), text(key.end)));
    Refusal::client(
        700_027,
        format!(
            "The certificate with identifier used to sign the client assertion is not registered on application. \
             [Reason - {reason}, Thumbprint of key used by client: '{wanted}', {found}Please visit the Azure Portal, \
             Graph Explorer or directly use MS Graph to see configured keys for app Id '{app_id}'. Review the \
             documentation at https://docs.microsoft.com/en-us/graph/deployments to determine the corresponding \
             service endpoint and https://docs.microsoft.com/en-us/graph/api/application-get?view=graph-rest-1.0&tabs=http \
             to build a query request URL, such as 'https://graph.microsoft.com/beta/applications/{app_id}']. \
             Alternatively, SNI may be configured on the app. Please ensure that client assertion is being sent with \
             the x5c claim in the JWT header using MSAL's WithSendX5C() method so that Azure Active Directory can \
             validate the certificate being used."
        ),
    )
}

/// The token endpoints of this tenant, v2 and v1, and the issuer value that older clients send.
fn is_ours(world: &World, audience: &str) -> bool {
    let origin = world.site.origin();
    let Some(rest) = audience.strip_prefix(&origin).and_then(|rest| rest.strip_prefix('/')) else {
        return false;
    };
    let Some((tenant, path)) = rest.split_once('/') else { return false };
    world.is_tenant(tenant) && matches!(path.trim_end_matches('/'), "oauth2/v2.0/token" | "oauth2/token" | "v2.0")
}
