//! Certificates with their keys in a folder of this machine, as .NET keeps a user's own.
//!
//! Nothing is asked about who signed them: the ones meant for signing in are self-signed.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use crate::domain::Thumbprint;
use crate::entra;
use crate::http;
use crate::pki::{Certificate, LocalKey, Signer as _};
use crate::sign_in::{self, Key, SignInRequest, SignedIn};

/// Below a home folder on Linux and macOS: where .NET's `X509Store` keeps `CurrentUser\My`.
/// <https://learn.microsoft.com/dotnet/standard/security/cross-platform-cryptography#x509store>
pub const DOTNET_USER_STORE: &str = ".dotnet/corefx/cryptography/x509stores/my";

/// Names of files that are looked into.
const KINDS: [&str; 3] = ["pfx", "p12", "pem"];

/// So many files are looked into, and so much of each is read.
const MOST_FILES: usize = 1_000;
const MOST_BYTES: u64 = 256 * 1024;

/// One of the two stores that the model knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Store {
    /// The user's own.
    User,
    /// The machine's.
    Machine,
}

/// The folders of the stores, as far as there are any.
#[derive(Clone, Debug, Default)]
pub struct Stores {
    /// The user's.
    pub user: Option<PathBuf>,
    /// The machine's. Linux and macOS have none of their own, so somebody has to name one.
    pub machine: Option<PathBuf>,
}

/// A certificate and the key that signs for it.
#[derive(Debug)]
pub struct LocalCertificate {
    key: LocalKey,
    certificate: Certificate,
}

/// What to look for. The names are .NET's `X509FindType`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Find {
    /// SHA-1 or SHA-256, in any spelling.
    Thumbprint(Thumbprint),
    /// Part of the subject.
    SubjectName(String),
    /// All of it.
    SubjectDistinguishedName(String),
    /// Part of the issuer.
    IssuerName(String),
    /// All of it.
    IssuerDistinguishedName(String),
    /// In hex.
    SerialNumber(String),
}

impl Stores {
    /// The best match: one that is valid, and of those the one that lasts longest. Reads files, so it
    /// belongs where that may take a moment.
    pub(super) fn find(
        &self,
        store: Store,
        find: &Find,
        now: time::OffsetDateTime,
    ) -> io::Result<Option<LocalCertificate>> {
        let folder = match store {
            Store::User => &self.user,
            Store::Machine => &self.machine,
        };
        let Some(folder) = folder else { return Ok(None) };
        let mut found: Vec<_> = certificates(folder)?.into_iter().filter(|known| find.is(&known.certificate)).collect();
        let is_valid =
            |known: &LocalCertificate| known.certificate.not_before() <= now && now < known.certificate.not_after();
        found.sort_by_key(|known| (is_valid(known), known.certificate.not_after()));
        Ok(found.pop())
    }
}

impl LocalCertificate {
    /// SHA-1, by which people know it.
    pub fn thumbprint(&self) -> Thumbprint {
        self.certificate.sha1()
    }

    /// Whether `thumbprint`, of either kind, is its own.
    pub fn has_thumbprint(&self, thumbprint: &Thumbprint) -> bool {
        self.certificate.has_thumbprint(thumbprint)
    }
}

#[async_trait]
impl Key for LocalCertificate {
    async fn sign_in(&self, http: &http::Client, request: SignInRequest<'_>) -> Result<SignedIn, sign_in::Error> {
        let SignInRequest { tenant, app, scope, options } = request;
        let minted = entra::mint(http, tenant, app, scope, &self.key, options).await?;
        Ok(SignedIn { token: minted.token, assertion: Some(minted.assertion), key: None })
    }
}

impl Find {
    fn is(&self, certificate: &Certificate) -> bool {
        let contains = |text: &str, part: &str| text.to_lowercase().contains(&part.to_lowercase());
        match self {
            Self::Thumbprint(thumbprint) => certificate.has_thumbprint(thumbprint),
            Self::SubjectName(part) => contains(certificate.subject(), part),
            Self::IssuerName(part) => contains(certificate.issuer(), part),
            Self::SubjectDistinguishedName(name) => is_same_name(certificate.subject(), name),
            Self::IssuerDistinguishedName(name) => is_same_name(certificate.issuer(), name),
            Self::SerialNumber(serial) => is_same_number(certificate.serial_number(), serial),
        }
    }
}

fn is_same_name(one: &str, other: &str) -> bool {
    let plain = |name: &str| name.split(',').map(|part| part.trim().to_lowercase()).collect::<Vec<_>>();
    plain(one) == plain(other)
}

fn is_same_number(one: &str, other: &str) -> bool {
    let digits = |text: &str| {
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        digits.trim_start_matches('0').to_ascii_uppercase()
    };
    digits(one) == digits(other)
}

fn certificates(folder: &Path) -> io::Result<Vec<LocalCertificate>> {
    let entries = match fs::read_dir(folder) {
        // Nobody has put anything there yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        KINDS.iter().any(|kind| kind.eq_ignore_ascii_case(extension))
    });
    paths.sort();
    paths.truncate(MOST_FILES);
    Ok(paths.iter().filter_map(|path| read(path)).collect())
}

/// A file that holds no usable key is somebody else's affair.
fn read(path: &Path) -> Option<LocalCertificate> {
    // A pipe would be waited for.
    if !fs::metadata(path).is_ok_and(|found| found.is_file()) {
        return None;
    }
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes));
    let key = read.map_err(|error| error.to_string()).and_then(|_| {
        // Stores protect files by their permissions, not by a password.
        LocalKey::from_file(&bytes, None).map_err(|error| error.to_string())
    });
    match key {
        Ok(key) => {
            let certificate = key.identity().certificate()?.clone();
            Some(LocalCertificate { key, certificate })
        }
        Err(problem) => {
            tracing::debug!(path = %path.display(), "passed over: {problem}");
            None
        }
    }
}
