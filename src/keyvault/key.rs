//! Keys of certificates: their public side, and what they can be asked to do.

use azure_security_keyvault_keys::models::{KeyClientGetKeyOptions, KeyClientSignOptions};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::client::Client;
use super::error::Error;
use super::operation::content;
use super::right::{READ_KEY, SIGN, VERIFY};
use super::wire;
use crate::domain::{CertificateName, KeyType, KeyUrl, VaultKey, Version};
use crate::http;
use crate::http::Operation;
use crate::pki::SigningInput;

impl Client {
    /// The public side of the key behind a certificate; without a version of the current one.
    pub async fn key(&self, name: &CertificateName, version: Option<&Version>) -> Result<VaultKey, Error> {
        let options = KeyClientGetKeyOptions {
            key_version: version.map(|version| version.as_str().to_owned()),
            ..Default::default()
        };
        let ended =
            self.keys(&READ_KEY, |client| async move { client.get_key(name.as_str(), Some(options)).await }).await;
        let failed = |source| self.key_failed(&READ_KEY, name, version, source);
        let response = ended.map_err(failed)?;
        let bundle: wire::KeyBundle = response.json().map_err(failed)?;
        let Ok(kid) = KeyUrl::parse(&bundle.key.kid, self.http.cloud()) else {
            return Err(failed(response.unreadable("has a `kid` that is not the URL of a key")));
        };
        let is_ours = *kid.vault() == self.vault
            && kid.name().as_str().eq_ignore_ascii_case(name.as_str())
            && version.is_none_or(|version| version == kid.version());
        if !is_ours {
            let asked = format!("{}keys/{name}", self.vault);
            return Err(Error::ForeignKid { asked, answered: kid.to_string() });
        }
        let attributes = bundle.attributes.unwrap_or_default();
        Ok(VaultKey {
            version: kid.version().clone(),
            key_type: KeyType::from_wire(&bundle.key.kty),
            operations: bundle.key.key_ops.unwrap_or_default(),
            modulus: bundle.key.n.as_deref().and_then(number),
            exponent: bundle.key.e.as_deref().and_then(number),
            not_after: attributes.not_after(),
            is_managed: bundle.managed.unwrap_or_default(),
            exportable: attributes.exportable,
            enabled: attributes.enabled,
        })
    }

    /// Signs with exactly this version of a key, and believes the answer only if it names it.
    pub async fn sign(&self, key: &KeyUrl, input: &SigningInput) -> Result<Vec<u8>, Error> {
        self.check_vault(key)?;
        let (name, version) = (key.name(), key.version());
        let content = content(&json!({
            "alg": input.algorithm().name(),
            "value": URL_SAFE_NO_PAD.encode(input.digest()),
        }));
        let options = KeyClientSignOptions { key_version: Some(version.as_str().to_owned()), ..Default::default() };
        let ended =
            self.keys(&SIGN, |client| async move { client.sign(name.as_str(), content, Some(options)).await }).await;
        let failed = |source| self.key_failed(&SIGN, name, Some(version), source);
        let response = ended.map_err(failed)?;
        let signed: wire::Signature = response.json().map_err(failed)?;
        if !names(key, &signed.kid, self) {
            return Err(Error::foreign(key, &signed.kid));
        }
        wire::bytes(&signed.value)
            .filter(|signature| !signature.is_empty())
            .ok_or_else(|| failed(response.unreadable("has a signature that is not base64url")))
    }

    /// Has the vault check a signature, for a test of the whole way there.
    pub async fn verify(&self, key: &KeyUrl, input: &SigningInput, signature: &[u8]) -> Result<bool, Error> {
        self.check_vault(key)?;
        let (name, version) = (key.name(), key.version());
        let content = content(&json!({
            "alg": input.algorithm().name(),
            "digest": URL_SAFE_NO_PAD.encode(input.digest()),
            "value": URL_SAFE_NO_PAD.encode(signature),
        }));
        let ended = self
            .keys(&VERIFY, |client| async move { client.verify(name.as_str(), version.as_str(), content, None).await })
            .await;
        let read = ended.and_then(|response| response.json::<wire::Verified>());
        read.map(|verified| verified.value).map_err(|source| self.key_failed(&VERIFY, name, Some(version), source))
    }

    /// A key of another vault would be looked up here by its name, and perhaps found.
    fn check_vault(&self, key: &KeyUrl) -> Result<(), Error> {
        if *key.vault() == self.vault { Ok(()) } else { Err(Error::foreign(key, self.vault.url().as_str())) }
    }

    fn key_failed(
        &self,
        operation: &Operation,
        name: &CertificateName,
        version: Option<&Version>,
        source: http::Error,
    ) -> Error {
        self.failed_on("key", operation, name, version, source)
    }
}

/// Whether a `kid` of an answer is the key that was asked for.
fn names(key: &KeyUrl, kid: &str, client: &Client) -> bool {
    KeyUrl::parse(kid, client.http.cloud()).is_ok_and(|answered| {
        answered.vault() == key.vault()
            && answered.version() == key.version()
            && answered.name().as_str().eq_ignore_ascii_case(key.name().as_str())
    })
}

/// A JWK number, big-endian. The service may put a zero byte in front of the modulus.
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = wire::bytes(text)?;
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    Some(bytes[start..].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leading_zero_is_not_part_of_a_modulus() {
        assert_eq!(number("AMD_"), Some(vec![0xc0, 0xff]));
        assert_eq!(number("AQAB"), Some(vec![1, 0, 1]));
        assert_eq!(number("*"), None);
    }
}
