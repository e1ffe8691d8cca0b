//! A lab and the clients of its operator. Waiting moves the lab's clock, so nothing waits.

use std::sync::Arc;

use kvops::domain::{
    CertificateName, CertificatePolicy, CertificateVersion, Cloud, Environment, IssuerName, KeyType, KeyUsage,
    LifetimeAction, LifetimeTrigger, OperationStatus, TenantId, Vault,
};
use kvops::entra::credential::{ToolExecutor, credential};
use kvops::entra::{Choice, Setup, Tokens};
use kvops::http::{Options, TokenSource};
use kvops::keyvault::NewCertificate;
use kvops::lab::{Lab, LabOptions, Seed};
use kvops::{graph, http, keyvault};
use serde_json::{Value, json};

pub(crate) struct Bench {
    pub(crate) lab: Lab,
    pub(crate) http: http::Client,
    pub(crate) tokens: Arc<dyn TokenSource>,
    pub(crate) graph: graph::Client,
    pub(crate) vault: keyvault::Client,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let keys = Some(concat!(env!("CARGO_TARGET_TMPDIR"), "/lab-keys").into());
        Self::with(LabOptions { seed: Seed::Empty, random: Some(7), keys, ..LabOptions::default() })
    }

    pub(crate) fn with(options: LabOptions) -> Self {
        let lab = Lab::start_blocking(options).unwrap();
        let cloud = lab.cloud();
        Self::over(lab, &cloud)
    }

    /// The clients of `cloud`, which may differ from the lab's own.
    pub(crate) fn over(lab: Lab, cloud: &Cloud) -> Self {
        let clock = Arc::new(lab.clock());
        let http = http::Client::new(cloud, Options { clock: clock.clone(), ..Options::default() }).unwrap();
        let chosen = credential(Choice::Auto, &setup(&lab, &http)).unwrap();
        let tokens: Arc<dyn TokenSource> = Tokens::new(chosen, clock);
        let vault = Vault::parse(&variable(&lab, "LAB_VAULT_URL"), cloud).unwrap();
        Self {
            graph: graph::Client::new(&http, &tokens),
            vault: keyvault::Client::new(&http, &tokens, vault),
            lab,
            http,
            tokens,
        }
    }

    /// The next `times` requests that match get `result` instead of an answer.
    pub(crate) fn fault(&self, matches: Value, result: Value, times: u32) {
        let fault = json!({ "match": matches, "result": result, "times": times });
        self.lab.control("POST", "/faults", &fault).unwrap();
    }

    /// Requests of a route, such as `GET /certificates/{name}`.
    pub(crate) fn count(&self, route: &str) -> u64 {
        self.lab.counts().routes.get(route).copied().unwrap_or_default()
    }

    pub(crate) fn tenant(&self) -> TenantId {
        variable(&self.lab, "LAB_TENANT").parse().unwrap()
    }

    /// A version of a hardened certificate, made in the vault.
    pub(crate) async fn certificate(&self, name: &CertificateName) -> CertificateVersion {
        let new = NewCertificate { policy: Some(hardened()), ..NewCertificate::default() };
        let mut operation = self.vault.create(name, &new).await.unwrap();
        while operation.status == OperationStatus::InProgress {
            self.lab.clock().advance(time::Duration::seconds(1));
            operation = self.vault.operation(name).await.unwrap();
        }
        assert_eq!(operation.status, OperationStatus::Completed);
        self.vault.certificate(name, None).await.unwrap()
    }
}

/// What kvops would be told in a shell of the lab.
pub(crate) fn setup(lab: &Lab, http: &http::Client) -> Setup {
    let environment: Environment = [
        ("AZURE_TENANT_ID", "LAB_TENANT"),
        ("AZURE_CLIENT_ID", "LAB_CLIENT_ID"),
        ("AZURE_CLIENT_SECRET", "LAB_CLIENT_SECRET"),
    ]
    .into_iter()
    .map(|(name, from)| (name.to_owned(), variable(lab, from)))
    .collect();
    Setup { http: http.clone(), environment, tenant: None, managed_identity: None, executor: Arc::new(ToolExecutor) }
}

pub(crate) fn variable(lab: &Lab, name: &str) -> String {
    lab.env().into_iter().find(|(known, _)| known == name).unwrap().1
}

pub(crate) fn hardened() -> CertificatePolicy {
    CertificatePolicy {
        issuer: Some(IssuerName("Self".to_owned())),
        key_type: Some(KeyType::Rsa),
        key_size: Some(2048),
        exportable: Some(false),
        reuse_key: Some(false),
        content_type: Some("application/x-pkcs12".to_owned()),
        subject: Some("CN=billing.contoso.internal".to_owned()),
        extended_key_usage: vec!["1.3.6.1.5.5.7.3.2".to_owned()],
        key_usage: vec![KeyUsage::digital_signature()],
        validity_months: Some(12),
        lifetime_actions: vec![LifetimeAction {
            action: "EmailContacts".to_owned(),
            trigger: LifetimeTrigger::DaysBeforeExpiry(30),
        }],
        ..CertificatePolicy::default()
    }
}
