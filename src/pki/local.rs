//! A private key in a file, for the identities that kvops starts from. The applications that it
//! looks after never have one.

use async_trait::async_trait;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use p12_keystore::{KeyStore, Pkcs12ImportPolicy};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::algorithm::SignatureAlgorithm;
use super::certificate::Certificate;
use super::error::Error;
use super::jws::SigningInput;
use super::pfx;
use super::public_key::PublicKey;
use super::signer::{Signer, SignerIdentity};
use crate::domain::Secret;

/// An RSA key with its certificate.
#[derive(Debug)]
pub struct LocalKey {
    identity: SignerIdentity,
    key: RsaKeyPair,
}

impl LocalKey {
    /// Reads a PEM file with an unencrypted key and its certificate, or a PKCS#12 file.
    pub fn from_file(bytes: &[u8], password: Option<&Secret<String>>) -> Result<Self, Error> {
        let is_pem = bytes.windows(11).any(|window| window == b"-----BEGIN ");
        if is_pem { Self::from_pem(bytes) } else { Self::from_pkcs12(bytes, password) }
    }

    fn from_pem(bytes: &[u8]) -> Result<Self, Error> {
        let key = PrivateKeyDer::from_pem_slice(bytes)
            .map_err(|error| Error::LocalKey(format!("the PEM file has no private key that can be read: {error}")))?;
        let leaf = CertificateDer::from_pem_slice(bytes)
            .map_err(|error| Error::LocalKey(format!("the PEM file has no certificate: {error}")))?;
        Self::new(key.secret_der(), &leaf)
    }

    fn from_pkcs12(bytes: &[u8], password: Option<&Secret<String>>) -> Result<Self, Error> {
        if password.is_none()
            && let Some(contents) = pfx::without_password(bytes)
        {
            return Self::of_contents(&contents);
        }
        let password = password.map_or("", |password| password.expose().as_str());
        let store = KeyStore::from_pkcs12(bytes, password, Pkcs12ImportPolicy::Relaxed).map_err(|error| {
            Error::LocalKey(format!("neither PEM nor a PKCS#12 file that this password opens: {error}"))
        })?;
        let missing = |what: &str| Error::LocalKey(format!("the PKCS#12 file has no {what}"));
        let (_, chain) = store.private_key_chain().ok_or_else(|| missing("private key"))?;
        let leaf = chain.certs().first().ok_or_else(|| missing("certificate for its key"))?;
        Self::new(chain.key().as_der(), leaf.as_der())
    }

    /// The first key that fits a certificate.
    fn of_contents(contents: &pfx::Contents) -> Result<Self, Error> {
        let pairs = contents.keys.iter().flat_map(|key| contents.certificates.iter().map(move |leaf| (key, leaf)));
        let mut last = Error::LocalKey("the PKCS#12 file has no private key with a certificate".to_owned());
        for (key, leaf) in pairs {
            match Self::new(key, leaf) {
                Ok(local) => return Ok(local),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn new(key: &[u8], certificate: &[u8]) -> Result<Self, Error> {
        let key = RsaKeyPair::from_pkcs8(key)
            .or_else(|_| RsaKeyPair::from_der(key))
            .map_err(|_| Error::LocalKey("the private key is not an RSA key of 2048 bits or more".to_owned()))?;
        let certificate = Certificate::from_der(certificate)?;
        let is_pair =
            matches!(certificate.public_key(), PublicKey::Rsa { pkcs1, .. } if pkcs1 == key.public_key().as_ref());
        if !is_pair {
            return Err(Error::LocalKey("the private key is not that of the certificate".to_owned()));
        }
        Ok(Self { identity: SignerIdentity::Certificate(Box::new(certificate)), key })
    }
}

#[async_trait]
impl Signer for LocalKey {
    fn identity(&self) -> &SignerIdentity {
        &self.identity
    }

    async fn sign(&self, input: &SigningInput) -> Result<Vec<u8>, Error> {
        let mut signature = vec![0; self.key.public_modulus_len()];
        let padding: &'static dyn RsaEncoding = match input.algorithm() {
            SignatureAlgorithm::Ps256 => &RSA_PSS_SHA256,
            SignatureAlgorithm::Rs256 => &RSA_PKCS1_SHA256,
            other => {
                return Err(Error::LocalKey(format!("a key in a file signs with PS256 or RS256, not with {other}")));
            }
        };
        let outcome = self.key.sign(padding, &SystemRandom::new(), input.bytes(), &mut signature);
        outcome.map_err(|_| Error::LocalKey("the private key refused to sign".to_owned()))?;
        Ok(signature)
    }
}
