//! A service that signs tokens of its own with a key in a vault, and publishes the keys.
//!
//! ```text
//! cargo run --example token_service -- contoso-kv signer https://tokens.contoso.example
//! ```
//!
//! The identity is found as `kvops --credential auto` finds it; it needs to read the certificate, to list its
//! versions and to sign with its key.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;

use kvops::config::process_environment;
use kvops::domain::{Cloud, Environment, Vault};
use kvops::entra::credential::{ToolExecutor, credential};
use kvops::entra::{Choice, Setup, Tokens};
use kvops::http::{self, TokenSource};
use kvops::jwks::{Order, SetOptions, SigningKeySet};
use kvops::keyvault;
use kvops::pki::{Audience, Claims, Issuer, TokenType};
use time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [vault, certificate, issuer] = &arguments[..] else {
        return Err("usage: token_service VAULT CERTIFICATE ISSUER".into());
    };
    let keys = open(&Cloud::public(), process_environment(), vault, certificate, issuer)?;
    serve(&keys, &mut std::io::stdout()).await
}

/// What a service does with the keys: it hands them to verifiers, and has tokens signed.
pub(crate) async fn serve(keys: &SigningKeySet, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    // What verifiers read below the issuer's URL. It stays the same when another key takes over.
    let set = keys.current().await?;
    out.write_all(set.documents().jwks.bytes())?;

    // The claims that are the service's own; issuer, times and identifier are set here.
    let audience = Audience::parse("orders", keys.vault().http().cloud())?;
    let claims = Claims::from_json(br#"{"sub":"worker","role":"reader"}"#)?;
    let order = Order { audience: &audience, claims: &claims, lifetime: Duration::minutes(5), kind: TokenType::Jwt };
    let issued = keys.sign(order).await?;
    writeln!(out, "{}", issued.token.compact().text().expose())?;
    Ok(())
}

/// The keys, with the usual windows: those refuse to be ones with which a verifier meets an unknown key.
pub(crate) fn open(
    cloud: &Cloud,
    environment: Environment,
    vault: &str,
    certificate: &str,
    issuer: &str,
) -> Result<SigningKeySet, Box<dyn Error>> {
    let http = http::Client::new(cloud, http::Options::default())?;
    let setup = Setup {
        http: http.clone(),
        environment,
        tenant: None,
        managed_identity: None,
        executor: Arc::new(ToolExecutor),
    };
    let tokens: Arc<dyn TokenSource> = Tokens::new(credential(Choice::Auto, &setup)?, Arc::clone(http.clock()));
    let vault = keyvault::Client::new(&http, &tokens, Vault::parse(vault, cloud)?);
    Ok(SigningKeySet::new(&vault, certificate.parse()?, Issuer::parse(issuer)?, SetOptions::default()))
}
