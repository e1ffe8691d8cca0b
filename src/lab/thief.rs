//! Somebody who may read the secrets of a vault and wants the key of a certificate.
//!
//! kvops itself has no way to ask a vault for a secret. The demonstration needs one that tries, so
//! that what comes back can be shown.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use p12_keystore::Pkcs12Archive;
use serde_json::Value;

use super::Error;
use super::Lab;

/// What a vault gives out for the secret behind a certificate.
#[derive(Clone, Debug)]
pub struct Loot {
    /// Status of the answer.
    pub status: u16,
    /// Content type of the secret.
    pub content_type: String,
    /// Certificates in it.
    pub certificates: usize,
    /// Private keys in it.
    pub private_keys: usize,
}

impl Lab {
    /// Reads the secret behind a certificate with the operator's rights, and looks what is in it.
    pub fn steal(&self, vault: &str, name: &str) -> Result<Loot, Error> {
        let failed = |problem: String| Error::Theft { name: name.to_owned(), problem };
        let token = self.operator_token().map_err(failed)?;
        let secret = format!("https://{vault}.vault.localhost:{}/secrets/{name}?api-version=7.6", self.port());
        let request = Request::get(secret).header("authorization", format!("Bearer {token}"));
        let request = request.body(Bytes::new()).map_err(|error| failed(error.to_string()))?;
        let answer = self.call(request).ok_or_else(|| failed("no answer".to_owned()))?;
        let body: Value = serde_json::from_slice(answer.body()).map_err(|error| failed(error.to_string()))?;
        let value = body["value"].as_str().unwrap_or_default();
        let content_type = body["contentType"].as_str().unwrap_or_default().to_owned();
        let (certificates, private_keys) = if content_type.contains("pem") {
            (value.matches("BEGIN CERTIFICATE").count(), value.matches("PRIVATE KEY").count() / 2)
        } else {
            let file = STANDARD.decode(value).map_err(|error| failed(error.to_string()))?;
            let file = Pkcs12Archive::from_pkcs12(&file, "").map_err(|error| failed(error.to_string()))?;
            (file.certs.len(), file.keys.len())
        };
        Ok(Loot { status: answer.status().as_u16(), content_type, certificates, private_keys })
    }

    fn operator_token(&self) -> Result<String, String> {
        let known = self.with_world(|world| {
            let operator = world.entra.operator.clone()?;
            let secret = operator.secret(world).expose().clone();
            Some((world.tenant, operator.app_id, secret))
        });
        let (tenant, client, secret) = known.ok_or("this lab has no operator")?;
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &client.to_string())
            .append_pair("client_secret", &secret)
            .append_pair("scope", &format!("https://vault.localhost:{}/.default", self.port()))
            .finish();
        let request = Request::post(format!("https://localhost:{}/{tenant}/oauth2/v2.0/token", self.port()))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.into())
            .map_err(|error| error.to_string())?;
        let answer = self.call(request).ok_or("the token endpoint gave no answer")?;
        let body: Value = serde_json::from_slice(answer.body()).map_err(|error| error.to_string())?;
        body["access_token"].as_str().map(str::to_owned).ok_or_else(|| "the token endpoint refused".to_owned())
    }
}
