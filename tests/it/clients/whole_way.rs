//! From an empty vault to a token that no secret was needed for.

use kvops::domain::{KeyUrl, Secret, Vault};
use kvops::entra::{self, MintOptions};
use kvops::graph::NewKey;
use kvops::http::{Options, TokenRequest, TokenSource};
use kvops::keyvault::VaultSigner;
use kvops::lab::LabClock;
use kvops::pki::{Certificate, DecodedToken, PossessionProof, ProofRequest, SignerIdentity};
use serde_json::json;

use super::bench::{Bench, hardened};

/// A token that somebody was given: the application's own, for rolling its own key.
#[derive(Debug)]
struct Own(Secret<String>);

#[async_trait::async_trait]
impl TokenSource for Own {
    async fn token(&self, _request: &TokenRequest) -> Result<Secret<String>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.clone())
    }
}

#[tokio::test]
async fn a_certificate_is_made_attached_used_and_rolled_by_its_own_proof() {
    let bench = Bench::new();
    let name = "billing".parse().unwrap();
    let version = bench.certificate(&name).await;
    assert_eq!(version.policy.as_ref().unwrap().exportable, hardened().exportable);
    let key = bench.vault.key(&name, Some(version.key.version())).await.unwrap();
    assert_eq!((key.operations.as_slice(), key.is_managed), (&["sign".to_owned(), "verify".to_owned()][..], true));
    let certificate = Certificate::from_der(version.der.as_deref().unwrap()).unwrap();
    assert_eq!(version.thumbprint, Some(certificate.sha1()));

    let app = bench.graph.register_application("billing").await.unwrap().application;
    bench.graph.create_service_principal(app.app_id).await.unwrap();
    let new = NewKey { der: certificate.der().to_vec(), key_id: None, display_name: None, start: None, end: None };
    bench.graph.replace_key_credentials(app.id, &[], &[new]).await.unwrap();
    let attached = bench.graph.key_credentials(app.id).await.unwrap();
    assert_eq!(attached[0].thumbprint(), Some(certificate.sha1()));

    let identity = SignerIdentity::Certificate(Box::new(certificate));
    let signer = VaultSigner::new(&bench.vault, version.key.clone(), identity);
    let (tenant, scope) = (bench.tenant(), format!("{}.default", bench.http.cloud().graph()));
    let scope = scope.replace("//.default", "/.default");
    let options = MintOptions::default();
    let minted = entra::mint(&bench.http, &tenant, app.app_id, &scope, &signer, &options).await.unwrap();
    let claims = DecodedToken::decode(&minted.token.access_token).unwrap();
    assert_eq!(claims.client_authentication().as_deref(), Some("2"), "a certificate, not a secret");

    let own: std::sync::Arc<dyn TokenSource> = std::sync::Arc::new(Own(minted.token.access_token));
    let second = bench.certificate(&name).await;
    let proof = ProofRequest { object: app.id, now: bench.http.service_now(), backdate: time::Duration::seconds(30) };
    let proof = PossessionProof::sign(proof, &signer).await.unwrap();
    let der = second.der.as_deref().unwrap();
    let added = bench.graph.with_tokens(&own).add_key(app.id, der, &proof).await.unwrap();
    let both = bench.graph.key_credentials(app.id).await.unwrap();
    assert_eq!(both.len(), 2);

    bench.graph.with_tokens(&own).remove_key(app.id, added.key_id, &proof).await.unwrap();
    assert_eq!(bench.graph.key_credentials(app.id).await.unwrap().len(), 1);
    assert_eq!(bench.lab.counts().secrets, 0, "nothing asked for a secret of the vault");
}

#[tokio::test]
async fn what_is_kept_is_not_changed_by_writing_it_back() {
    let bench = Bench::new();
    let app = bench.graph.register_application("keeper").await.unwrap().application;
    let mut ders = Vec::new();
    for name in ["one", "two"] {
        let version = bench.certificate(&name.parse().unwrap()).await;
        ders.push(NewKey { der: version.der.unwrap(), key_id: None, display_name: None, start: None, end: None });
    }
    bench.graph.replace_key_credentials(app.id, &[], &ders[..1]).await.unwrap();
    let before = bench.graph.key_credentials(app.id).await.unwrap();
    bench.graph.replace_key_credentials(app.id, &before, &ders[1..]).await.unwrap();
    let after = bench.graph.key_credentials(app.id).await.unwrap();
    let kept = after.iter().find(|entry| entry.key_id == before[0].key_id).unwrap();
    assert_eq!(kept, &before[0]);
    assert_eq!(after.len(), 2);
}

#[tokio::test]
async fn with_key_and_thumbprint_known_a_token_costs_one_signature_and_one_exchange() {
    let bench = Bench::new();
    let version = bench.certificate(&"billing".parse().unwrap()).await;
    let app = bench.graph.register_application("billing").await.unwrap().application;
    bench.graph.create_service_principal(app.app_id).await.unwrap();
    let der = version.der.unwrap();
    let identity = SignerIdentity::Thumbprint(kvops::domain::Thumbprint::sha256(&der));
    let new = NewKey { der, key_id: None, display_name: None, start: None, end: None };
    bench.graph.replace_key_credentials(app.id, &[], &[new]).await.unwrap();

    bench.lab.control("DELETE", "/requests", &serde_json::Value::Null).unwrap();
    let signer = VaultSigner::new(&bench.vault, version.key, identity);
    let scope = format!("https://localhost:{}/.default", bench.lab.port());
    let options = MintOptions::default();
    entra::mint(&bench.http, &bench.tenant(), app.app_id, &scope, &signer, &options).await.unwrap();
    let counts = bench.lab.counts();
    assert_eq!((counts.sign, counts.total), (1, 2), "{:?}", counts.routes);
}

#[tokio::test]
async fn a_wrong_clock_that_nobody_told_us_of_costs_one_more_assertion() {
    let bench = Bench::new();
    let version = bench.certificate(&"billing".parse().unwrap()).await;
    let app = bench.graph.register_application("billing").await.unwrap().application;
    bench.graph.create_service_principal(app.app_id).await.unwrap();
    let der = version.der.unwrap();
    let identity = SignerIdentity::Thumbprint(kvops::domain::Thumbprint::sha256(&der));
    let new = NewKey { der, key_id: None, display_name: None, start: None, end: None };
    bench.graph.replace_key_credentials(app.id, &[], &[new]).await.unwrap();

    let slow = LabClock::default();
    slow.advance(time::Duration::minutes(-20));
    let options = Options { clock: std::sync::Arc::new(slow), ..Options::default() };
    let http = kvops::http::Client::new(bench.http.cloud(), options).unwrap();
    let resource = bench.http.cloud().vault_resource();
    let token = bench.tokens.token(&TokenRequest::for_resource(resource)).await.unwrap();
    let given: std::sync::Arc<dyn TokenSource> = std::sync::Arc::new(Own(token));
    let vault = kvops::keyvault::Client::new(&http, &given, bench.vault.vault().clone());
    let signer = VaultSigner::new(&vault, version.key, identity);
    let scope = format!("https://localhost:{}/.default", bench.lab.port());
    bench.lab.control("DELETE", "/requests", &serde_json::Value::Null).unwrap();
    entra::mint(&http, &bench.tenant(), app.app_id, &scope, &signer, &MintOptions::default()).await.unwrap();
    assert_eq!(bench.lab.counts().sign, 2, "{:?}", bench.lab.counts().routes);
}

#[tokio::test]
async fn a_signature_of_another_version_is_not_believed() {
    let bench = Bench::new();
    let name = "billing".parse().unwrap();
    let (first, second) = (bench.certificate(&name).await, bench.certificate(&name).await);
    let body = json!({ "kid": second.key.to_string(), "value": "AAAA" });
    bench.fault(
        json!({ "path": "/sign" }),
        json!({ "body": body, "status": 200, "content_type": "application/json" }),
        1,
    );
    let identity = SignerIdentity::Thumbprint(kvops::domain::Thumbprint::sha256(&first.der.unwrap()));
    let signer = VaultSigner::new(&bench.vault, first.key.clone(), identity);
    let app = "11111111-2222-3333-4444-555555555555".parse().unwrap();
    let error =
        entra::assertion(&bench.http, &bench.tenant(), app, &signer, &MintOptions::default()).await.unwrap_err();
    let said = kvops::domain::Chain(&error).to_string();
    assert!(said.contains(&first.key.to_string()) && said.contains(&second.key.to_string()), "{said}");
}

#[tokio::test]
async fn a_key_of_another_vault_is_not_looked_up_here() {
    let bench = Bench::new();
    let version = bench.certificate(&"billing".parse().unwrap()).await;
    let other = Vault::parse("other-kv", bench.http.cloud()).unwrap();
    let key = KeyUrl::new(other, version.key.name().clone(), version.key.version().clone());
    let identity = SignerIdentity::Thumbprint(kvops::domain::Thumbprint::sha256(&version.der.unwrap()));
    let signer = VaultSigner::new(&bench.vault, key, identity);
    let app = "11111111-2222-3333-4444-555555555555".parse().unwrap();
    let tenant = bench.tenant();
    entra::assertion(&bench.http, &tenant, app, &signer, &MintOptions::default()).await.unwrap_err();
    let asked = bench.lab.requests_since(0);
    let signs: Vec<_> = asked.iter().filter(|entry| entry.path.ends_with("/sign")).collect();
    assert!(signs.iter().all(|entry| entry.host.starts_with("other-kv.")), "{signs:?}");
}
