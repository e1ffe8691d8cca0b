//! What each recording presupposes: how long the service took, and what was in the vault before.

use serde_json::Value;
use serde_json::json;

use super::Replay;
use super::VAULT;
use super::variable;

/// The circumstances of a file.
pub(super) struct Scenario {
    /// Seconds from create to issue, and from delete or recover to the moment when it showed.
    lags: (u32, u32),
    /// Where single exchanges saw other lags: the service is not even.
    exceptions: &'static [(u32, (u32, u32))],
    /// How far recorded times lie from the recorded `Date`.
    pub(super) slack: i64,
    /// The recorder dropped `Retry-After`, or the service did not send it yet (before 2021).
    pub(super) lacks_retry_after: bool,
    /// `value` is a signature, a backup or a PFX rather than a secret's text.
    pub(super) has_opaque_values: bool,
    /// Brings the vault into the state at which the recording begins.
    pub(super) prepare: fn(&mut Replay),
}

/// From create to issue, from delete to deleted: what most recordings fit.
const USUAL: (u32, u32) = (3, 8);

impl Scenario {
    /// Files that were recorded one after the other in one vault.
    pub(super) fn session(file: &str) -> &str {
        if file.starts_with("keyvault/go-cert-") { "keyvault/go-cert-" } else { file }
    }

    pub(super) fn of(file: &str) -> Self {
        let name = file.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
        let lacks_retry_after = name.starts_with("az-") || name.starts_with("py-");
        let usual = Self {
            lags: USUAL,
            exceptions: &[],
            slack: 3,
            lacks_retry_after,
            has_opaque_values: true,
            prepare: |_| {},
        };
        match name {
            // The first two were issued within a second.
            "go-cert-list-paging" => {
                Self { exceptions: &[(1, (1, 8)), (2, (1, 8)), (3, (2, 8)), (4, (2, 8))], ..usual }
            }
            // Another service: it deletes at once.
            "go-key-crud-ec-mhsm" => Self { lags: (3, 0), ..usual },
            "js-cert-disable" => Self { lags: (8, 7), ..usual },
            "js-secret-disabled" => Self { lags: (3, 56), ..usual },
            "js-secret-managed-delete-403" => Self { prepare: managed_secrets, ..usual },
            "py-cert-cancel-and-delete-operation" => Self { lags: (15, 20), ..usual },
            "py-cert-policy" => Self { lags: (14, 8), ..usual },
            "py-key-sign-verify-rs256" => Self { prepare: without_keys_get, ..usual },
            "py-secret-delete-403-while-deleting" => Self { lags: (3, 16), prepare: crud_secret, ..usual },
            "az-secret-being-deleted-recreate-409" => Self { lags: (3, 20), ..usual },
            // Secrets and one key were deleted at once, the certificates were not.
            "az-softdelete-errors" => Self { exceptions: &[(20, (3, 0))], ..usual },
            "az-softdelete-cert-being-deleted-409" => Self { exceptions: &[(18, (3, 0)), (19, (3, 0))], ..usual },
            _ => usual,
        }
    }

    pub(super) fn lags(&self, number: u32) -> (u32, u32) {
        let exception = self.exceptions.iter().find(|(exchange, _)| *exchange == number);
        exception.map_or(self.lags, |(_, lags)| *lags)
    }
}

/// The certificates whose secrets somebody tries to delete.
fn managed_secrets(replay: &mut Replay) {
    for name in [
        "backupRestoreCertificateName-canrestoreacertificate-6825509809597385",
        "CRUDCertificateName-cangetacertificatessecretinPKCS12format-35846825279667316",
        "CRUDCertificateName-cangetacertificatessecretinPKCS12format-4249557522542782",
        "lroRecoverCertificateName-canwaituntilacertificateisrecovered-9336745946322729",
    ] {
        let policy = json!({"x509_props": {"subject": "CN=a"}, "issuer": {"name": "Self"}});
        let path = format!("/certificates/{name}/create?api-version=7.2");
        let (status, _, answer) = replay.send("POST", &path, &json!({ "policy": policy }), true);
        assert_eq!(status, 202, "{answer}");
    }
}

/// A caller that may do everything with keys but read them.
fn without_keys_get(replay: &mut Replay) {
    let permissions = json!({"keys": ["import", "sign", "verify"]});
    let client = variable(&replay.lab, "LAB_CLIENT_ID");
    let right = json!({"vault": VAULT, "principal": client, "permissions": permissions});
    replay.lab.control("POST", "/permissions", &right).unwrap();
}

/// The secret that the recording updates first.
fn crud_secret(replay: &mut Replay) {
    let secret = json!({"value": "crud_secret_value", "attributes": {"nbf": 1_422_864_000}});
    let (status, _, answer) = replay.send("PUT", "/secrets/crud-secret?api-version=7.1", &secret, true);
    assert_eq!(status, 200, "{answer}");
    let version = answer["id"].as_str().and_then(|id| id.rsplit('/').next()).map(str::to_owned).unwrap();
    replay.translation.note("e70eedf2634e43f4b94754925d3adfcf", &version);
    assert_eq!(answer["managed"], Value::Null);
}
