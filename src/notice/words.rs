//! Words by which a line of a notice says what stands in it, in the languages that have been thought
//! of. They only help: a value has to have the right shape as well, and the vault decides.

/// What a line is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Topic {
    /// The name of the vault.
    Vault,
    /// The name of the certificate.
    Certificate,
    /// A thumbprint.
    Thumbprint,
    /// The subscription.
    Subscription,
    /// The tenant.
    Tenant,
}

const THUMBPRINT: &[&str] = &[
    "thumbprint",
    "fingerprint",
    "fingerabdruck",
    "empreinte",
    "huella",
    "impressão digital",
    "identificazione personale",
    "vingerafdruk",
    "拇印",
    "フィンガープリント",
    "指纹",
    "지문",
];
const SUBSCRIPTION: &[&str] = &[
    "subscription",
    "abonnement",
    "suscripción",
    "suscripcion",
    "assinatura",
    "sottoscrizione",
    "サブスクリプション",
    "订阅",
    "구독",
];
const TENANT: &[&str] = &[
    "tenant",
    "directory",
    "mandant",
    "verzeichnis",
    "annuaire",
    "répertoire",
    "inquilino",
    "directorio",
    "locataire",
    "テナント",
    "ディレクトリ",
    "租户",
];
const VAULT: &[&str] = &[
    "vault",
    "tresor",
    "coffre",
    "almacén",
    "almacen",
    "cofre",
    "insieme di credenziali",
    "キー コンテナ",
    "キーコンテナ",
    "キー ボールト",
    "密钥保管库",
    "키 자격 증명",
];
const CERTIFICATE: &[&str] = &["certificate", "zertifikat", "certificat", "certificado", "証明書", "证书", "인증서"];
const NAME: &[&str] = &["name", "nom", "nome", "naam", "名", "이름"];

/// What a label says that its value is.
pub(super) fn topic(label: &str) -> Option<Topic> {
    let label = label.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| label.contains(word));
    if has(THUMBPRINT) {
        return Some(Topic::Thumbprint);
    }
    if has(SUBSCRIPTION) {
        return Some(Topic::Subscription);
    }
    if has(TENANT) {
        return Some(Topic::Tenant);
    }
    // "Certificate status: Enabled" is no name, "Certificate name" and a bare "Certificate" are.
    let is_named = |words: &[&str]| has(words) && (has(NAME) || words.contains(&label.trim()));
    if has(CERTIFICATE) {
        return is_named(CERTIFICATE).then_some(Topic::Certificate);
    }
    let is_vault = is_named(VAULT) || ["key vault", "schlüsseltresor", "coffre de clés"].contains(&label.trim());
    is_vault.then_some(Topic::Vault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_six_languages_are_understood() {
        let labels = [
            ("Key Vault name", Some(Topic::Vault)),
            ("Certificate name", Some(Topic::Certificate)),
            ("Certificate thumbprint", Some(Topic::Thumbprint)),
            ("Subscription ID", Some(Topic::Subscription)),
            ("Name des Schlüsseltresors", Some(Topic::Vault)),
            ("Zertifikatname", Some(Topic::Certificate)),
            ("Zertifikatfingerabdruck", Some(Topic::Thumbprint)),
            ("Abonnement-ID", Some(Topic::Subscription)),
            ("Nom du coffre de clés", Some(Topic::Vault)),
            ("Empreinte numérique du certificat", Some(Topic::Thumbprint)),
            ("Nombre del almacén de claves", Some(Topic::Vault)),
            ("Nombre del certificado", Some(Topic::Certificate)),
            ("Huella digital del certificado", Some(Topic::Thumbprint)),
            ("キー コンテナーの名前", Some(Topic::Vault)),
            ("証明書名", Some(Topic::Certificate)),
            ("証明書の拇印", Some(Topic::Thumbprint)),
            ("サブスクリプション ID", Some(Topic::Subscription)),
            ("Verzeichnis-ID", Some(Topic::Tenant)),
        ];
        for (label, expected) in labels {
            assert_eq!(topic(label), expected, "{label}");
        }
    }

    #[test]
    fn other_facts_about_a_certificate_are_not_its_name() {
        for label in ["Certificate status", "Certificate issuer", "Zertifikattyp", "Subject", "From", ""] {
            assert_eq!(topic(label), None, "{label}");
        }
    }
}
