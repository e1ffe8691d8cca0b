//! Identities against the lab's token endpoint.

use std::sync::Arc;

use kvops::domain::{Chain, Environment};
use kvops::entra::credential::credential;
use kvops::entra::{self, Choice, Credential, Error, Identity, Retry};
use kvops::http::TokenRequest;

use super::bench::{Bench, setup, variable};

fn with(bench: &Bench, choice: &str, change: &[(&str, &str)]) -> Result<Arc<dyn Credential>, Error> {
    let mut setup = setup(&bench.lab, &bench.http);
    setup.environment.extend(change.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    credential(choice.parse().unwrap(), &setup)
}

fn request(bench: &Bench) -> TokenRequest {
    TokenRequest::for_resource(bench.http.cloud().vault_resource())
}

#[tokio::test]
async fn a_secret_gives_a_token_of_that_application() {
    let bench = Bench::new();
    let token = with(&bench, "env", &[]).unwrap().token(&request(&bench)).await.unwrap();
    let identity = Identity::of(&token);
    assert_eq!(identity.app_id, Some(variable(&bench.lab, "LAB_CLIENT_ID")));
    assert!(identity.is_app);
    assert_eq!(identity.tenant, Some(variable(&bench.lab, "LAB_TENANT")));
}

#[tokio::test]
async fn a_wrong_secret_ends_the_search_with_its_code() {
    let bench = Bench::new();
    let error =
        with(&bench, "auto", &[("AZURE_CLIENT_SECRET", "wrong")]).unwrap().token(&request(&bench)).await.unwrap_err();
    assert_eq!(error.aadsts(), Some(7_000_215), "{}", Chain(&error));
    assert_eq!(error.meaning().unwrap().retry, Retry::Never);
    assert!(error.hint().unwrap().starts_with("check AZURE_CLIENT_SECRET"));
    assert!(!Chain(&error).to_string().contains("wrong,"), "{}", Chain(&error));
}

#[tokio::test]
async fn an_unknown_tenant_and_an_unknown_application_have_their_codes() {
    let bench = Bench::new();
    let nobody = "11111111-2222-3333-4444-555555555555";
    for (change, code) in [(("AZURE_TENANT_ID", nobody), 90_002), (("AZURE_CLIENT_ID", nobody), 700_016)] {
        let error = with(&bench, "env", &[change]).unwrap().token(&request(&bench)).await.unwrap_err();
        assert_eq!(error.aadsts(), Some(code), "{}", Chain(&error));
    }
}

#[tokio::test]
async fn an_empty_federated_token_file_is_no_identity() {
    let bench = Bench::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let chosen = with(&bench, "wif", &[("AZURE_FEDERATED_TOKEN_FILE", path)]).unwrap();
    let error = chosen.token(&request(&bench)).await.unwrap_err();
    assert!(matches!(error, Error::Setting { credential: "wif", .. }), "{}", Chain(&error));
}

#[tokio::test]
async fn metadata_and_keys_of_the_tenant_are_read() {
    let bench = Bench::new();
    let configuration = entra::openid_configuration(&bench.http, &bench.tenant()).await.unwrap();
    assert!(configuration.issuer.contains(&variable(&bench.lab, "LAB_TENANT")));
    let token = with(&bench, "env", &[]).unwrap().token(&request(&bench)).await.unwrap();
    let verified = entra::verify(&bench.http, &bench.tenant(), &token.access_token).await.unwrap();
    assert_eq!(verified.text("appid"), Some(variable(&bench.lab, "LAB_CLIENT_ID")));
}

#[tokio::test]
async fn a_machine_without_an_identity_says_so_and_an_explicit_choice_stays_with_it() {
    let bench = Bench::new();
    let mut setup = setup(&bench.lab, &bench.http);
    setup.environment = [("AZURE_POD_IDENTITY_AUTHORITY_HOST".to_owned(), bench.lab.identity_url())]
        .into_iter()
        .collect::<Environment>();
    let chosen = credential(Choice::Only(entra::Source::ManagedIdentity), &setup).unwrap();
    let error = chosen.token(&request(&bench)).await.unwrap_err();
    assert!(error.is_unavailable(), "{}", Chain(&error));
    let asked = bench.lab.requests_since(0);
    assert!(asked.iter().any(|entry| entry.path.starts_with("/metadata/identity")), "{asked:?}");
}
