//! What the recorded clients signed in with, made anew.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Request;
use jsonwebtoken::{Algorithm, EncodingKey};
use kvops::domain::Clock as _;
use kvops::domain::Thumbprint;
use kvops::lab::Lab;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};
use time::macros::datetime;

/// A client, and how it proves itself.
pub(super) struct Credential {
    client_id: String,
    secret: Option<String>,
    assertion: Option<Assertion>,
}

enum Assertion {
    /// With or without the certificate in `x5c`.
    Certificate { with_chain: bool },
    /// The token of a foreign issuer.
    Federated,
}

struct Key {
    signer: EncodingKey,
    der: Vec<u8>,
}

static KEY: LazyLock<Key> = LazyLock::new(|| {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let mut params = CertificateParams::default();
    params.not_before = datetime!(2021-01-01 0:00 UTC);
    params.not_after = datetime!(2031-01-01 0:00 UTC);
    let der = params.self_signed(&key).unwrap().der().to_vec();
    Key { signer: EncodingKey::from_rsa_pem(key.serialize_pem().as_bytes()).unwrap(), der }
});

const ISSUER: &str = "https://oidc.prod-aks.example/";
const SUBJECT: &str = "system:serviceaccount:default:workload";

impl Credential {
    /// What the session of a file used; nothing for people and for other products.
    pub(super) fn of(file: &str, lab: &Lab) -> Option<Self> {
        let variable = |name: &str| lab.env().into_iter().find(|(other, _)| other == name).unwrap().1;
        let client_id = variable("LAB_CLIENT_ID");
        let with = |secret, assertion| Some(Self { client_id: client_id.clone(), secret, assertion });
        match file.trim_start_matches("entra/") {
            "secret-live-success.json" => with(Some(variable("LAB_CLIENT_SECRET")), None),
            name if name.starts_with("secret-invalid") => with(Some("invalid secret".to_owned()), None),
            "cert-invalid-700027.json" => with(None, Some(Assertion::Certificate { with_chain: false })),
            name if name.starts_with("cert-live") || name == "cert-regional.json" => {
                let key = json!({
                    "type": "AsymmetricX509Cert", "usage": "Verify", "key": STANDARD.encode(&KEY.der),
                });
                change(lab, "PATCH", &client_id, "", &json!({ "keyCredentials": [key] }));
                with(None, Some(Assertion::Certificate { with_chain: name.contains("sni") }))
            }
            "workload-identity.json" => {
                lab.control("POST", "/issuers", &json!({ "issuer": ISSUER })).unwrap();
                let trust = json!({
                    "name": "workload", "issuer": ISSUER, "subject": SUBJECT, "audiences": ["api://AzureADTokenExchange"],
                });
                change(lab, "POST", &client_id, "/federatedIdentityCredentials", &trust);
                with(None, Some(Assertion::Federated))
            }
            _ => None,
        }
    }

    /// The body of a token request.
    pub(super) fn form(&self, lab: &Lab, tenant: &str) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.client_id)
            .append_pair("scope", &format!("https://vault.localhost:{}/.default", lab.port()));
        if let Some(secret) = &self.secret {
            form.append_pair("client_secret", secret);
        }
        let assertion = self.assertion.as_ref().map(|assertion| match assertion {
            Assertion::Certificate { with_chain } => self.signed(lab, tenant, *with_chain),
            Assertion::Federated => {
                let claims = json!({ "sub": SUBJECT, "aud": "api://AzureADTokenExchange" });
                let request = json!({ "issuer": ISSUER, "claims": claims });
                lab.control("POST", "/issuers/token", &request).unwrap()["token"].as_str().unwrap().to_owned()
            }
        });
        if let Some(assertion) = assertion {
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            form.append_pair("client_assertion_type", kind).append_pair("client_assertion", &assertion);
        }
        form.finish()
    }

    /// An assertion as MSAL made them at the time: RS256, `x5t`.
    fn signed(&self, lab: &Lab, tenant: &str, with_chain: bool) -> String {
        let mut header = json!({ "alg": "RS256", "typ": "JWT", "x5t": Thumbprint::sha1(&KEY.der).base64url() });
        if with_chain {
            header["x5c"] = json!([STANDARD.encode(&KEY.der)]);
        }
        let now = lab.clock().now().unix_timestamp();
        let claims = json!({
            "aud": format!("https://localhost:{}/{tenant}/oauth2/v2.0/token", lab.port()),
            "exp": now + 600, "iss": self.client_id, "jti": "c0ffee00-0000-4000-8000-000000000000", "nbf": now,
            "sub": self.client_id,
        });
        let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", part(&header), part(&claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &KEY.signer, Algorithm::RS256).unwrap();
        format!("{message}.{signature}")
    }
}

/// Writes to the client's application as an administrator.
fn change(lab: &Lab, method: &str, client_id: &str, below: &str, body: &Value) {
    let person = json!({ "user": "example@example.com", "scopes": ["Application.ReadWrite.All"] });
    let person = lab.control("POST", "/tokens", &person).unwrap();
    let request = Request::builder()
        .method(method)
        .uri(format!("https://localhost:{}/v1.0/applications(appId='{client_id}'){below}", lab.port()))
        .header("authorization", format!("Bearer {}", person["access_token"].as_str().unwrap()));
    let response = lab.call(request.body(Bytes::from(body.to_string())).unwrap()).unwrap();
    assert!(response.status().is_success(), "{:?}", response.body());
}
