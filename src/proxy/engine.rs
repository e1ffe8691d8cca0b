//! From a request for a token to the token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use time::{Duration, OffsetDateTime};
use tokio::sync::Semaphore;

use super::allow::Allowed;
use super::cache::{Cache, Tokens};
use super::record;
use super::refusal::Refusal;
use super::store::{Find, LocalCertificate, Store, Stores};
use super::wanted::{Proof, Wanted};
use crate::domain::{AppId, CertificateName, KeyUrl, TenantId, Thumbprint, Vault};
use crate::entra::{self, MintOptions, Token};
use crate::http::{self, TokenRequest, TokenSource};
use crate::keyvault;
use crate::ledger;
use crate::pki::Signer as _;
use crate::sign_in::{Application, Key, VaultCertificate, VaultKey};

/// How long it is remembered which version of a certificate signs.
const KEEP: Duration = Duration::minutes(5);

/// So many certificates are remembered.
const MOST: usize = 1_000;

/// So many tokens are being asked for at a time; further ones wait. Remembered ones never do.
const AT_ONCE: usize = 64;

/// What a proxy is made of.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The transport, as patient as somebody who waits for an answer is.
    pub http: http::Client,
    /// What signs in to vaults.
    pub vault_tokens: Arc<dyn TokenSource>,
    /// The identity that the proxy itself was started with.
    pub own: Arc<entra::Tokens>,
    /// Whether tokens of that identity are handed out.
    pub may_forward: bool,
    /// What may be asked for.
    pub allowed: Allowed,
    /// Folders with certificates.
    pub stores: Stores,
    /// Where minted tokens are written down.
    pub ledger: ledger::Run,
}

/// A token, and how it was come by.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The token.
    pub token: Token,
    /// How it was come by.
    pub cache: Cache,
}

/// What signing with a certificate needs to know of it.
#[derive(Clone, Debug)]
pub struct KeyInfo {
    /// Its name.
    pub name: CertificateName,
    /// The key of the version that signs.
    pub key: KeyUrl,
    /// SHA-1 of the certificate.
    pub thumbprint: Thumbprint,
    /// End of its validity.
    pub expires_at: OffsetDateTime,
}

/// Signs in, remembers, and writes down.
#[derive(Debug)]
pub struct Engine {
    parts: Parts,
    tokens: Tokens,
    certificates: Mutex<HashMap<(Vault, CertificateName), Known>>,
    places: Semaphore,
}

/// A certificate that has been asked about.
#[derive(Clone, Debug)]
struct Known {
    certificate: Arc<VaultCertificate>,
    info: Option<(KeyInfo, OffsetDateTime)>,
}

impl Engine {
    /// Remembers nothing yet.
    pub fn new(parts: Parts) -> Arc<Self> {
        let tokens = Tokens::new(Arc::clone(parts.http.clock()));
        Arc::new(Self { parts, tokens, certificates: Mutex::default(), places: Semaphore::new(AT_ONCE) })
    }

    /// What may be asked for.
    pub fn allowed(&self) -> &Allowed {
        &self.parts.allowed
    }

    /// The transport, for its cloud and its clock.
    pub fn http(&self) -> &http::Client {
        &self.parts.http
    }

    /// How many tokens are remembered.
    pub fn remembered(&self) -> usize {
        self.tokens.len()
    }

    /// A token. Nothing is asked of anybody before the profiles have been.
    pub async fn token(self: &Arc<Self>, wanted: &Wanted) -> Result<Granted, Arc<Refusal>> {
        self.parts.allowed.check(wanted).map_err(|broken| Arc::new(broken.into()))?;
        let minting = || {
            let (engine, wanted) = (Arc::clone(self), wanted.clone());
            async move { engine.mint(&wanted).await }
        };
        if !wanted.may_be_kept() {
            // Whoever asked may go away; what was signed is written down all the same.
            let ended = tokio::spawn(minting()).await.unwrap_or(Err(Refusal::Died));
            let token = ended.map_err(Arc::new)?;
            return Ok(Granted { token, cache: Cache::Miss });
        }
        let (token, cache) = self.tokens.get(wanted, minting).await?;
        Ok(Granted { token, cache })
    }

    /// A token of the identity that the proxy itself was started with.
    pub async fn own_token(&self, request: &TokenRequest) -> Result<Token, Refusal> {
        if !self.parts.may_forward && !matches!(self.parts.allowed, Allowed::Everything) {
            return Err(Refusal::Forward);
        }
        Ok(self.parts.own.get(request).await?)
    }

    /// What signing with a certificate needs to know. `skip_cache` neither reads what is remembered nor
    /// adds to it.
    pub async fn key_info(&self, vault: &Vault, name: &CertificateName, skip_cache: bool) -> Result<KeyInfo, Refusal> {
        self.parts.allowed.check_certificate(vault, name)?;
        if skip_cache {
            return key_info(&self.certificate(vault, name), name).await;
        }
        let known = self.known(vault, name);
        let now = self.now();
        if let Some((info, _)) = known.info.filter(|(_, until)| now < *until) {
            return Ok(info);
        }
        let info = key_info(&known.certificate, name).await?;
        let mut certificates = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = certificates.get_mut(&(vault.clone(), name.clone())) {
            known.info = Some((info.clone(), now.saturating_add(KEEP)));
        }
        Ok(info)
    }

    /// A certificate of this machine, to sign for an application in a tenant.
    pub async fn local(
        &self,
        app: AppId,
        tenant: &TenantId,
        store: Store,
        find: Find,
    ) -> Result<Arc<LocalCertificate>, Refusal> {
        self.parts.allowed.check_folders(app, tenant)?;
        let (stores, now) = (self.parts.stores.clone(), self.parts.http.service_now());
        let found = tokio::task::spawn_blocking(move || stores.find(store, &find, now)).await;
        found.map_err(|_| Refusal::Died)??.map(Arc::new).ok_or(Refusal::NoLocalCertificate)
    }

    /// Signs in, and hands the token out once that is written down.
    async fn mint(&self, wanted: &Wanted) -> Result<Token, Refusal> {
        let _place = self.places.acquire().await.map_err(|_| Refusal::Died)?;
        let (http, key, tenant) = (&self.parts.http, self.key(&wanted.proof), wanted.tenant.clone());
        let application = Application::new(http, key, tenant, wanted.app, MintOptions::default());
        let (signed_in, acts) = http::witness(application.sign_in(&wanted.scope())).await;
        let signed_in = signed_in?;
        let (run, wanted, token) = (self.parts.ledger.clone(), wanted.clone(), signed_in.token.clone());
        let written = tokio::task::spawn_blocking(move || record::minted(&run, &wanted, &signed_in, acts)).await;
        written.map_err(|_| Refusal::Died)??;
        Ok(token)
    }

    fn key(&self, proof: &Proof) -> Arc<dyn Key> {
        match proof {
            Proof::Key { key, thumbprint } => {
                Arc::new(VaultKey::new(&self.vault_client(key.vault()), key.clone(), *thumbprint))
            }
            Proof::Certificate { vault, name, skip_cache: true } => Arc::new(self.certificate(vault, name)),
            Proof::Certificate { vault, name, skip_cache: false } => self.known(vault, name).certificate,
            Proof::Local { certificate } => Arc::clone(certificate) as _,
        }
    }

    /// A certificate that remembers which of its versions signs.
    fn known(&self, vault: &Vault, name: &CertificateName) -> Known {
        let mut certificates = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        if certificates.len() >= MOST {
            certificates.clear();
        }
        let make = || Known { certificate: Arc::new(self.certificate(vault, name)), info: None };
        certificates.entry((vault.clone(), name.clone())).or_insert_with(make).clone()
    }

    /// One that remembers nothing.
    fn certificate(&self, vault: &Vault, name: &CertificateName) -> VaultCertificate {
        VaultCertificate::new(&self.vault_client(vault), name.clone(), None)
    }

    fn vault_client(&self, vault: &Vault) -> keyvault::Client {
        keyvault::Client::new(&self.parts.http, &self.parts.vault_tokens, vault.clone())
    }

    fn now(&self) -> OffsetDateTime {
        self.parts.http.clock().now()
    }
}

async fn key_info(certificate: &VaultCertificate, name: &CertificateName) -> Result<KeyInfo, Refusal> {
    let signer = certificate.signer().await?;
    let Some(known) = signer.identity().certificate() else { return Err(Refusal::NoLocalCertificate) };
    Ok(KeyInfo {
        name: name.clone(),
        key: signer.key().clone(),
        thumbprint: known.sha1(),
        expires_at: known.not_after(),
    })
}
