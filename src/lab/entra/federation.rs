//! Assertions of other issuers, by the federated credentials of an application.

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::Jwk;
use uuid::Uuid;

use super::certificate::within_time;
use super::client::Client;
use super::jws::Jws;
use super::refusal::Refusal;
use super::resource::EXCHANGE;
use super::resource::EXCHANGE_APP_ID;
use super::token;
use crate::lab::directory::FederatedCredential;
use crate::lab::world::World;

const ADVICE: &str = "Check your federated identity credential Subject, Audience and Issuer against the presented \
                      assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation";

/// Algorithms that an external issuer may use.
const ALGORITHMS: [jsonwebtoken::Algorithm; 1] = [jsonwebtoken::Algorithm::RS256];

/// Matches an assertion with the application's federated credentials, case and all, and verifies
/// it with its issuer's keys. Gives the id of the credential that matched.
pub(super) fn verify(world: &World, client: &Client<'_>, assertion: &Jws<'_>) -> Result<Uuid, Refusal> {
    let credential = find(trusted(client), assertion)?;
    let is_own = credential.issuer == token::issuer(world, 2);
    if is_own {
        let is_genuine = world.entra.signing(&world.keys, world.clock.clone()).has_signed(assertion);
        is_genuine.then_some(()).ok_or_else(|| not_genuine(assertion))?;
    } else {
        let keys = world
            .entra
            .issuer_keys(&credential.issuer)
            .ok_or_else(|| Refusal::request(50_166, "Request to External OIDC endpoint failed."))?;
        genuine(assertion, keys, &credential.issuer)?;
    }
    within_time(assertion, world.now())?;
    if is_own && !is_managed_identity(world, assertion) {
        return Err(Refusal::client(
            700_236,
            format!(
                "Entra ID tokens issued by issuer '{}' may not be used for federated identity credential flows for \
                 applications or managed identities registered in this tenant.",
                credential.issuer
            ),
        ));
    }
    Ok(credential.id)
}

/// The issuer outside the tenant that the assertion is from, if the client trusts it for that.
pub(super) fn foreign_issuer(world: &World, client: &Client<'_>, assertion: &Jws<'_>) -> Option<String> {
    let credential = find(trusted(client), assertion).ok()?;
    (credential.issuer != token::issuer(world, 2)).then(|| credential.issuer.clone())
}

fn trusted<'a>(client: &'a Client<'_>) -> &'a [FederatedCredential] {
    client.application.as_ref().map_or(&[], |application| &application.federated)
}

/// Verifies with the published key that the assertion names: without a name there is none.
fn genuine(assertion: &Jws<'_>, keys: &[Jwk], issuer: &str) -> Result<(), Refusal> {
    let kid = assertion.header("kid").unwrap_or_default();
    let mut named = keys.iter().filter(|key| key.common.key_id.as_deref() == Some(kid)).peekable();
    if named.peek().is_none() {
        return Err(Refusal::client(
            7_000_272,
            format!(
                "The certificate with identifier {kid} used to sign the federated credential could not be found in \
                 the metadata of identity provider {issuer}. Please validate that your Identity Provider's metadata \
                 exposes the key used to sign the incoming token."
            ),
        ));
    }
    named.any(|key| is_signed(assertion, key)).then_some(()).ok_or_else(|| not_genuine(assertion))
}

fn not_genuine(assertion: &Jws<'_>) -> Refusal {
    let kid = assertion.header("kid").unwrap_or_default();
    Refusal::client(
        50_013,
        format!(
            "Assertion failed signature validation. [Reason - The key was not found., Thumbprint of key used by client: '{kid}'.]"
        ),
    )
}

fn find<'a>(known: &'a [FederatedCredential], assertion: &Jws<'_>) -> Result<&'a FederatedCredential, Refusal> {
    let issuer = assertion.claim("iss").unwrap_or_default();
    let subject = assertion.claim("sub").unwrap_or_default();
    let audiences = assertion.audiences();
    let no_match = |code, what: &str, value: &str| {
        Refusal::client(
            code,
            format!("No matching federated identity record found for presented assertion {what} '{value}'. {ADVICE}"),
        )
    };
    if known.is_empty() {
        let text = format!(
            "No matching federated identity record found for presented assertion. Assertion Issuer: '{issuer}'. \
             Assertion Subject: '{subject}'. Assertion Audience: '{}'. {ADVICE}",
            audiences.join(", ")
        );
        return Err(Refusal::client(70_021, text));
    }
    let of_issuer: Vec<_> = known.iter().filter(|credential| credential.issuer == issuer).collect();
    if of_issuer.is_empty() {
        let is_other_case = known.iter().any(|credential| credential.issuer.eq_ignore_ascii_case(issuer));
        return Err(no_match(if is_other_case { 7_002_137 } else { 700_211 }, "issuer", issuer));
    }
    let of_subject: Vec<_> = of_issuer.iter().filter(|credential| credential.subject == subject).collect();
    if of_subject.is_empty() {
        let is_other_case = of_issuer.iter().any(|credential| credential.subject.eq_ignore_ascii_case(subject));
        return Err(no_match(if is_other_case { 7_002_138 } else { 700_213 }, "subject", subject));
    }
    let accepts = |credential: &FederatedCredential| {
        audiences.iter().any(|audience| {
            // The tenant's own tokens name the exchange by its id.
            let name = if *audience == EXCHANGE_APP_ID.to_string() { EXCHANGE } else { audience };
            credential.audiences.iter().any(|wanted| wanted == name)
        })
    };
    let matching = of_subject.into_iter().find(|credential| accepts(credential));
    matching.copied().ok_or_else(|| no_match(700_212, "audience", &audiences.join(", ")))
}

fn is_signed(assertion: &Jws<'_>, key: &Jwk) -> bool {
    DecodingKey::from_jwk(key).is_ok_and(|key| assertion.is_signed_by(&key, &ALGORITHMS))
}

fn is_managed_identity(world: &World, assertion: &Jws<'_>) -> bool {
    let object_id = assertion.claim("oid").and_then(|oid| oid.parse::<Uuid>().ok());
    object_id.is_some_and(|object_id| world.entra.identities.iter().any(|identity| identity.object_id == object_id))
}
