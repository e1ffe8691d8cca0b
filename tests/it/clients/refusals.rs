//! Each way in which a vault or the directory says no becomes its own error, by code alone.

use kvops::domain::{CertificateName, Chain};
use kvops::graph::{self, NewKey};
use kvops::keyvault::{self, AccessMode};
use serde_json::{Value, json};

use super::bench::Bench;

fn name() -> CertificateName {
    "billing".parse().unwrap()
}

fn refusal(status: u16, code: &str, inner: Option<&str>) -> Value {
    let error =
        json!({ "code": code, "message": "somehow worded", "innererror": inner.map(|code| json!({ "code": code })) });
    json!({ "status": status, "content_type": "application/json", "body": { "error": error } })
}

async fn reading(bench: &Bench, status: u16, code: &str, inner: Option<&str>) -> keyvault::Error {
    bench.fault(json!({ "service": "keyvault" }), refusal(status, code, inner), 1);
    bench.vault.certificate(&name(), None).await.unwrap_err()
}

#[tokio::test]
async fn a_missing_right_is_named_in_the_language_of_the_vault() {
    let bench = Bench::new();
    let rbac = reading(&bench, 403, "Forbidden", Some("ForbiddenByRbac")).await;
    let said = rbac.to_string();
    assert!(
        said.contains("Microsoft.KeyVault/vaults/certificates/read") && said.contains("Key Vault Reader"),
        "{said}"
    );
    let policy = reading(&bench, 403, "Forbidden", Some("ForbiddenByPolicy")).await;
    let keyvault::Error::MissingPermission { missing, .. } = &policy else { panic!("{policy}") };
    assert_eq!((missing.mode, missing.right.policy), (AccessMode::AccessPolicy, "certificates get"));
    assert!(!policy.to_string().contains("role"), "{policy}");
}

#[tokio::test]
async fn refusals_of_a_vault_are_told_apart() {
    let bench = Bench::new();
    let firewall = reading(&bench, 403, "Forbidden", Some("ForbiddenByFirewall")).await;
    assert!(matches!(firewall, keyvault::Error::Firewall { private_only: false, .. }));
    let private = reading(&bench, 403, "Forbidden", Some("ForbiddenByConnection")).await;
    assert!(matches!(private, keyvault::Error::Firewall { private_only: true, .. }));
    let disabled = reading(&bench, 403, "Forbidden", Some("KeyDisabled")).await;
    assert!(matches!(disabled, keyvault::Error::Disabled { .. }));
    let deleted = reading(&bench, 409, "Conflict", Some("ObjectIsDeletedButRecoverable")).await;
    assert!(matches!(deleted, keyvault::Error::DeletedButRecoverable { .. }));
    let going = reading(&bench, 409, "Conflict", Some("ObjectIsBeingDeleted")).await;
    assert!(matches!(going, keyvault::Error::BeingDeleted { .. }) && going.is_transient());
    let pending = reading(&bench, 409, "Forbidden", None).await;
    assert!(matches!(pending, keyvault::Error::PendingExists { .. }));
    let other = reading(&bench, 400, "BadParameter", None).await;
    assert!(matches!(other, keyvault::Error::Call { .. }));
}

#[tokio::test]
async fn what_is_missing_is_named_and_a_list_of_its_versions_is_empty() {
    let bench = Bench::new();
    let error = bench.vault.certificate(&name(), None).await.unwrap_err();
    let said = Chain(&error).to_string();
    assert!(error.is_not_found() && said.contains("there is no certificate billing in https://contoso-kv"), "{said}");
    assert!(said.contains("CertificateNotFound"), "{said}");
    assert!(bench.vault.operation(&name()).await.unwrap_err().is_not_found());
    assert_eq!(bench.vault.versions(&name()).await.unwrap(), []);
    assert_eq!(bench.vault.contacts().await.unwrap(), []);
    assert!(bench.vault.deleted(&name()).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn an_application_that_does_not_exist_or_has_a_namesake_is_not_guessed() {
    let bench = Bench::new();
    for nobody in ["nobody", "", "11111111-2222-3333-4444-555555555555", "x' or displayName ne 'x"] {
        let error = bench.graph.find_application(nobody).await.unwrap_err();
        assert!(matches!(error, graph::Error::NoSuchApplication { .. }), "{nobody}: {}", Chain(&error));
    }
    let one = bench.graph.register_application("O'Brien & Söhne").await.unwrap().application;
    for reference in [one.id.to_string(), one.app_id.to_string(), "O'Brien & Söhne".to_owned()] {
        assert_eq!(bench.graph.find_application(&reference).await.unwrap().application.id, one.id, "{reference}");
    }
    bench.graph.register_application("O'Brien & Söhne").await.unwrap();
    let error = bench.graph.find_application("O'Brien & Söhne").await.unwrap_err();
    let graph::Error::Ambiguous { candidates, .. } = &error else { panic!("{}", Chain(&error)) };
    assert_eq!(candidates.len(), 2);
}

#[tokio::test]
async fn refusals_of_the_directory_are_told_apart() {
    let bench = Bench::new();
    let app = bench.graph.register_application("billing").await.unwrap().application;
    let writing = async |status, code, detail: Value| {
        let error = json!({ "code": code, "message": "m", "details": detail, "innerError": { "request-id": "r" } });
        let result = json!({ "status": status, "content_type": "application/json", "body": { "error": error } });
        bench.fault(json!({ "service": "graph", "method": "PATCH" }), result, 1);
        bench.graph.replace_key_credentials(app.id, &[], &[]).await.unwrap_err()
    };
    let denied = writing(403, "Authorization_RequestDenied", Value::Null).await;
    assert_eq!(
        denied.to_string(),
        "writing the application's certificates needs the Graph permission Application.ReadWrite.OwnedBy"
    );
    for status in [409, 503] {
        let collision = writing(status, "Directory_ConcurrencyViolation", Value::Null).await;
        assert!(matches!(collision, graph::Error::Concurrency { .. }) && collision.is_transient());
    }
    let detail = json!([{ "code": "InvalidKeyEndDate", "target": "EndDate", "message": "m" }]);
    let policy = writing(400, "CredentialInvalidLifetimeAsPerAppPolicy", detail).await;
    let graph::Error::PolicyRefusal { target, .. } = &policy else { panic!("{}", Chain(&policy)) };
    assert_eq!(target.as_deref(), Some("EndDate"));
    let dates = writing(400, "KeyCredentialsInvalidEndDate", Value::Null).await;
    assert!(matches!(dates, graph::Error::InvalidDates { .. }));
    let gone = writing(404, "Request_ResourceNotFound", Value::Null).await;
    assert!(gone.is_not_found());
}

#[tokio::test]
async fn an_end_after_the_certificates_own_is_refused_by_the_directory() {
    let bench = Bench::new();
    let version = bench.certificate(&name()).await;
    let app = bench.graph.register_application("billing").await.unwrap().application;
    let end = version.attributes.not_after.map(|end| end + time::Duration::days(1));
    let new = NewKey { der: version.der.unwrap(), key_id: None, display_name: None, start: None, end };
    let error = bench.graph.replace_key_credentials(app.id, &[], &[new]).await.unwrap_err();
    assert!(matches!(error, graph::Error::InvalidDates { .. }), "{}", Chain(&error));
}
