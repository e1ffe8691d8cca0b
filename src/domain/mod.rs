//! The nouns: identifiers, names of vault objects, clouds, time. No I/O, and nothing that knows a service.

mod application;
mod certificate;
mod chain;
mod clock;
mod cloud;
mod environment;
mod hex;
mod ids;
mod secret;
mod tag;
mod text;
mod thumbprint;
mod vault;

pub use application::{
    AppManagementPolicy, Application, CredentialRestriction, KeyCredential, PasswordCredential, RestrictionKind,
    ServicePrincipal,
};
pub use certificate::{
    CertificateAttributes, CertificateOperation, CertificatePolicy, CertificateVersion, DeletedCertificate, IssuerName,
    KeyType, KeyUsage, LifetimeAction, LifetimeTrigger, OperationStatus, VaultKey,
};
pub use chain::Chain;
pub use clock::{Clock, SystemClock};
pub use cloud::{Cloud, InvalidCloud};
pub use environment::Environment;
pub use hex::{HexCase, hex, hex_array, hex_bytes, write_hex};
pub use ids::{AppId, CredentialId, InvalidId, ObjectId, TenantId};
pub use secret::Secret;
pub use tag::{
    STATE_PROVEN, STATE_RETIRED, TAG_APP, TAG_JWKS_PROMOTED, TAG_JWKS_SHOWN, TAG_KEY_ID, TAG_LEASE, TAG_LEDGER,
    TAG_STATE, UNASSIGNED,
};
pub use text::{is_invisible, printable};
pub use thumbprint::{InvalidThumbprint, Thumbprint, sha256_of_hex};
pub use vault::{CertificateName, InvalidVaultObject, KeyUrl, Vault, VaultName, Version};
