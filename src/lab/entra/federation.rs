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
    let known = client.application.as_ref().map_or(&[][..], |application| &application.federated);
    let credential = find(known, assertion)?;
    let is_own = credential.issuer == token::issuer(world, 2);
    let is_genuine = if is_own {
        world.entra.signing(&world.keys, world.clock.clone()).has_signed(assertion)
    } else {
        let kid = assertion.header("kid");
        world.entra.issuer_keys(&credential.issuer).is_some_and(|keys| {
            keys.iter()
                .filter(|key| kid.is_none() || key.common.key_id.as_deref() == kid)
                .any(|key| is_signed(assertion, key))
        })
    };
    if !is_genuine {
        let kid = assertion.header("kid").unwrap_or_default();
        return Err(Refusal::client(
            50_013,
            format!(
                "Assertion failed signature validation. [Reason - The key was not found., Thumbprint of key used by client: '{kid}'.]"
            ),
        ));
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
