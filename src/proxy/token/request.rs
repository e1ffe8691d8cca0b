//! What callers of the token endpoints send, and what is wrong with it.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::Deserialize;
use url::Url;
use utoipa::ToSchema;

use crate::domain::{AppId, CertificateName, Cloud, KeyUrl, TenantId, Thumbprint, Vault};
use crate::proxy::store::Find;
use crate::proxy::wanted::{Proof, Wanted};
use crate::serve::Problem;

/// What an API's page puts into a field of an example. Nobody means it.
const PLACEHOLDER: &str = "string";

/// Which token.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenFields {
    /// Client id of the application.
    #[schema(value_type = String, format = Uuid, required, example = "6f0a2f0e-6c61-4f5c-9f0e-3d2b8a1f7c55")]
    client_id: Option<String>,
    /// Tenant to sign in to, by GUID or by domain name.
    #[schema(value_type = String, required, example = "contoso.onmicrosoft.com")]
    tenant_id: Option<String>,
    /// What the token is for: one `RESOURCE/.default`.
    #[schema(value_type = Vec<String>, required, min_items = 1, example = json!(["https://graph.microsoft.com/.default"]))]
    scopes: Option<Vec<String>>,
}

/// A token, signed by one version of a vault's key.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyTokenRequest {
    #[serde(flatten)]
    fields: TokenFields,
    /// The key: `https://VAULT/keys/NAME/VERSION`.
    #[schema(value_type = String, format = "uri", required, example = "https://contoso-kv.vault.azure.net/keys/billing/0123456789abcdef0123456789abcdef")]
    key_uri: Option<String>,
    /// Thumbprint of the key's certificate, in base64url or hex: SHA-256 for PS256, SHA-1 for RS256.
    #[schema(value_type = String, required, example = "q1rmpnk3mnbGEp0UDMI6YZ2PC_c")]
    key_thumbprint: Option<String>,
}

/// A token, signed by the newest proven version of a vault's certificate.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CertificateTokenRequest {
    #[serde(flatten)]
    fields: TokenFields,
    #[serde(flatten)]
    certificate: KeyInfoRequest,
}

/// A certificate of a vault.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyInfoRequest {
    /// The vault's address.
    #[schema(value_type = String, format = "uri", required, example = "https://contoso-kv.vault.azure.net/")]
    key_vault_uri: Option<String>,
    /// The certificate's name.
    #[schema(value_type = String, required, example = "billing")]
    certificate_name: Option<String>,
    /// Whether nothing that is remembered counts, and nothing is remembered.
    #[schema(value_type = bool, default = false)]
    skip_cache: Option<bool>,
}

/// A token, signed by a certificate of this machine.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LocalTokenRequest {
    #[serde(flatten)]
    fields: TokenFields,
    /// By what the certificate is looked for; .NET's `X509FindType`.
    #[schema(value_type = FindType)]
    find_type: Option<String>,
    /// What to look for.
    #[schema(value_type = String, required, example = "AB5AE6A679379A66C6129D140CC23A619D8F0BF7")]
    find_value: Option<String>,
}

/// By what a certificate of this machine is looked for.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[expect(clippy::enum_variant_names, reason = "these are .NET's names")]
enum FindType {
    #[default]
    FindByThumbprint,
    FindBySubjectName,
    FindBySubjectDistinguishedName,
    FindByIssuerName,
    FindByIssuerDistinguishedName,
    FindBySerialNumber,
}

/// What is wrong with a request, by member.
#[derive(Debug, Default)]
pub(super) struct Faults(BTreeMap<&'static str, Vec<String>>);

impl KeyTokenRequest {
    /// The token that is wanted.
    pub(super) fn wanted(&self, cloud: &Cloud) -> Result<Wanted, Problem> {
        let mut faults = Faults::default();
        let fields = self.fields.read(&mut faults);
        let key = faults.uri("KeyUri", self.key_uri.as_deref(), |text| KeyUrl::parse(text, cloud));
        let thumbprint = faults.text("KeyThumbprint", "Key Thumbprint", self.key_thumbprint.as_deref());
        let thumbprint = thumbprint.and_then(|text| faults.parsed("KeyThumbprint", text.parse::<Thumbprint>()));
        faults.end(
            fields
                .zip(key)
                .zip(thumbprint)
                .map(|((fields, key), thumbprint)| fields.with(Proof::Key { key, thumbprint })),
        )
    }
}

impl CertificateTokenRequest {
    /// The token that is wanted.
    pub(super) fn wanted(&self, cloud: &Cloud) -> Result<Wanted, Problem> {
        let mut faults = Faults::default();
        let fields = self.fields.read(&mut faults);
        let certificate = self.certificate.read(cloud, &mut faults);
        faults.end(fields.zip(certificate).map(|(fields, (vault, name))| {
            fields.with(Proof::Certificate { vault, name, skip_cache: self.certificate.skip_cache() })
        }))
    }
}

impl KeyInfoRequest {
    /// The certificate that is meant.
    pub(super) fn certificate(&self, cloud: &Cloud) -> Result<(Vault, CertificateName), Problem> {
        let mut faults = Faults::default();
        let certificate = self.read(cloud, &mut faults);
        faults.end(certificate)
    }

    /// Whether nothing that is remembered counts.
    pub(super) fn skip_cache(&self) -> bool {
        self.skip_cache.unwrap_or_default()
    }

    fn read(&self, cloud: &Cloud, faults: &mut Faults) -> Option<(Vault, CertificateName)> {
        let vault = faults.uri("KeyVaultUri", self.key_vault_uri.as_deref(), |text| Vault::parse(text, cloud));
        let name = faults.text("CertificateName", "Certificate Name", self.certificate_name.as_deref());
        let name = name.and_then(|text| faults.parsed("CertificateName", text.parse()));
        vault.zip(name)
    }
}

impl LocalTokenRequest {
    /// The token that is wanted, and the certificate that is to sign for it.
    pub(super) fn wanted(&self) -> Result<(Fields, Find), Problem> {
        let mut faults = Faults::default();
        let fields = self.fields.read(&mut faults);
        let find = self.find(&mut faults);
        faults.end(fields.zip(find))
    }

    fn find(&self, faults: &mut Faults) -> Option<Find> {
        let value = faults.text("FindValue", "Find Value", self.find_value.as_deref()).map(str::to_owned);
        let kind = match &self.find_type {
            None => Some(FindType::default()),
            Some(text) => serde_json::from_value(text.clone().into()).ok(),
        };
        if kind.is_none() {
            faults.add("FindType", "Just use the default `FindByThumbprint`");
        }
        let (kind, value) = kind.zip(value)?;
        Some(match kind {
            FindType::FindByThumbprint => Find::Thumbprint(faults.parsed("FindValue", value.parse())?),
            FindType::FindBySubjectName => Find::SubjectName(value),
            FindType::FindBySubjectDistinguishedName => Find::SubjectDistinguishedName(value),
            FindType::FindByIssuerName => Find::IssuerName(value),
            FindType::FindByIssuerDistinguishedName => Find::IssuerDistinguishedName(value),
            FindType::FindBySerialNumber => Find::SerialNumber(value),
        })
    }
}

/// What all tokens have.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    app: AppId,
    tenant: TenantId,
    scopes: Vec<String>,
}

impl Fields {
    /// For which application.
    pub(super) fn app(&self) -> AppId {
        self.app
    }

    /// Where.
    pub(super) fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The token with this proof.
    pub(super) fn with(self, proof: Proof) -> Wanted {
        Wanted { tenant: self.tenant, app: self.app, proof, scopes: self.scopes }
    }
}

impl TokenFields {
    fn read(&self, faults: &mut Faults) -> Option<Fields> {
        let app = faults.filled("ClientId", "Client Id", self.client_id.as_deref());
        let app = app.and_then(|text| faults.or_say("ClientId", text.parse().ok(), "'Client Id' must be a guid."));
        let tenant = faults.filled("TenantId", "Tenant Id", self.tenant_id.as_deref());
        // The model took GUIDs alone; a domain name is as good a name of a tenant.
        let tenant = tenant.and_then(|text| {
            faults.or_say("TenantId", text.parse().ok(), "'Tenant Id' must be a guid or a domain name.")
        });
        let scopes = self.scopes(faults);
        Some(Fields { app: app?, tenant: tenant?, scopes: scopes? })
    }

    fn scopes(&self, faults: &mut Faults) -> Option<Vec<String>> {
        let scopes = self.scopes.clone().filter(|scopes| !scopes.is_empty());
        let scopes = faults.or_say("Scopes", scopes, "'Scopes' must not be empty.")?;
        for scope in &scopes {
            if scope == PLACEHOLDER {
                faults.add("Scopes", "'string' is not a valid scope.");
                return None;
            }
            // A space would make two of one, and the second would pass unseen.
            if scope.is_empty() || scope.chars().any(|c| c.is_whitespace() || c.is_control()) {
                faults.add("Scopes", "A scope must not be empty, and has no spaces.");
                return None;
            }
        }
        Some(scopes)
    }
}

impl Faults {
    fn add(&mut self, member: &'static str, message: impl Into<String>) {
        self.0.entry(member).or_default().push(message.into());
    }

    fn or_say<T>(&mut self, member: &'static str, value: Option<T>, message: &str) -> Option<T> {
        if value.is_none() {
            self.add(member, message);
        }
        value
    }

    fn parsed<T, E: std::fmt::Display>(&mut self, member: &'static str, parsed: Result<T, E>) -> Option<T> {
        parsed.map_err(|error| self.add(member, error.to_string())).ok()
    }

    fn filled<'a>(&mut self, member: &'static str, shown: &str, text: Option<&'a str>) -> Option<&'a str> {
        let text = text.map(str::trim).filter(|text| !text.is_empty());
        self.or_say(member, text, &format!("'{shown}' must not be empty."))
    }

    fn text<'a>(&mut self, member: &'static str, shown: &str, text: Option<&'a str>) -> Option<&'a str> {
        let text = self.filled(member, shown, text)?;
        self.or_say(member, Some(text).filter(|text| *text != PLACEHOLDER), &format!("'{shown}' must not be 'string'."))
    }

    fn uri<T, E: std::fmt::Display>(
        &mut self,
        member: &'static str,
        text: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = text.map(str::trim).filter(|text| Url::parse(text).is_ok_and(|url| url.has_host()));
        let text = self.or_say(member, text, "Only absolute Uris permitted")?;
        self.parsed(member, parse(text))
    }

    fn end<T>(self, value: Option<T>) -> Result<T, Problem> {
        value.filter(|_| self.0.is_empty()).ok_or_else(|| {
            Problem::new(StatusCode::BAD_REQUEST, "validation", "One or more validation errors occurred.")
                .errors(self.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn whole() -> Value {
        json!({
            "clientId": "6f0a2f0e-6c61-4f5c-9f0e-3d2b8a1f7c55",
            "tenantId": "7f0a2f0e-6c61-4f5c-9f0e-3d2b8a1f7c55",
            "scopes": ["https://graph.microsoft.com/.default"],
            "keyUri": "https://contoso-kv.vault.azure.net/keys/billing/0123456789abcdef0123456789abcdef",
            "keyThumbprint": "q1rmpnk3mnbGEp0UDMI6YZ2PC_c",
            "keyVaultUri": "https://contoso-kv.vault.azure.net/",
            "certificateName": "billing",
            "findValue": "AB5AE6A679379A66C6129D140CC23A619D8F0BF7",
        })
    }

    /// What is said about a request with one member changed, by each endpoint that has the member.
    fn said(member: &str, value: Value) -> Vec<String> {
        let mut body = whole();
        body[member] = value;
        let problems = [
            serde_json::from_value::<KeyTokenRequest>(body.clone()).unwrap().wanted(&Cloud::public()).err(),
            serde_json::from_value::<CertificateTokenRequest>(body.clone()).unwrap().wanted(&Cloud::public()).err(),
            serde_json::from_value::<KeyInfoRequest>(body.clone()).unwrap().certificate(&Cloud::public()).err(),
            serde_json::from_value::<LocalTokenRequest>(body).unwrap().wanted().err(),
        ];
        let errors = |problem: Problem| serde_json::to_value(problem).unwrap()["errors"].clone();
        let mut said: Vec<String> = problems.into_iter().flatten().map(|problem| errors(problem).to_string()).collect();
        said.dedup();
        said
    }

    #[test]
    fn a_whole_request_has_no_fault() {
        assert!(said("other", json!(1)).is_empty());
        assert!(said("tenantId", json!("contoso.onmicrosoft.com")).is_empty(), "tenants have names, too");
        assert!(said("findType", json!("FindBySubjectName")).is_empty());
    }

    #[test]
    fn each_fault_is_told_by_its_member_in_the_models_words() {
        for (member, values, expected) in [
            (
                "clientId",
                vec![json!(null), json!(""), json!(" ")],
                r#"{"ClientId":["'Client Id' must not be empty."]}"#,
            ),
            ("clientId", vec![json!("string"), json!("billing")], r#"{"ClientId":["'Client Id' must be a guid."]}"#),
            (
                "tenantId",
                vec![json!("string"), json!("a/b")],
                r#"{"TenantId":["'Tenant Id' must be a guid or a domain name."]}"#,
            ),
            ("scopes", vec![json!(null), json!([])], r#"{"Scopes":["'Scopes' must not be empty."]}"#),
            (
                "scopes",
                vec![json!(["string"]), json!(["a/.default", "string"])],
                r#"{"Scopes":["'string' is not a valid scope."]}"#,
            ),
            (
                "scopes",
                vec![json!(["a b"]), json!([""])],
                r#"{"Scopes":["A scope must not be empty, and has no spaces."]}"#,
            ),
            (
                "certificateName",
                vec![json!("string")],
                r#"{"CertificateName":["'Certificate Name' must not be 'string'."]}"#,
            ),
            ("keyThumbprint", vec![json!("string")], r#"{"KeyThumbprint":["'Key Thumbprint' must not be 'string'."]}"#),
            ("findValue", vec![json!("string")], r#"{"FindValue":["'Find Value' must not be 'string'."]}"#),
            (
                "keyUri",
                vec![json!(null), json!("string"), json!("/keys/a/b")],
                r#"{"KeyUri":["Only absolute Uris permitted"]}"#,
            ),
            (
                "keyVaultUri",
                vec![json!("contoso-kv"), json!("")],
                r#"{"KeyVaultUri":["Only absolute Uris permitted"]}"#,
            ),
            (
                "findType",
                vec![json!("string"), json!("FindByTemplateName")],
                r#"{"FindType":["Just use the default `FindByThumbprint`"]}"#,
            ),
        ] {
            for value in values {
                assert_eq!(said(member, value.clone()), [expected], "{member} {value}");
            }
        }
    }

    #[test]
    fn a_key_without_a_version_and_a_vault_of_somebody_else_are_refused() {
        for (member, value) in [
            ("keyUri", "https://contoso-kv.vault.azure.net/keys/billing"),
            ("keyUri", "https://contoso-kv.vault.azure.net.evil.example/keys/billing/0123456789abcdef0123456789abcdef"),
            ("keyVaultUri", "https://evil.example/"),
            ("keyVaultUri", "https://contoso-kv.vault.azure.net@evil.example/"),
            ("keyVaultUri", "http://contoso-kv.vault.azure.net/"),
        ] {
            assert_eq!(said(member, json!(value)).len(), 1, "{value}");
        }
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let problem = KeyTokenRequest::default().wanted(&Cloud::public()).unwrap_err();
        let errors = serde_json::to_value(problem).unwrap()["errors"].clone();
        let members: Vec<_> = errors.as_object().unwrap().keys().collect();
        assert_eq!(members, ["ClientId", "KeyThumbprint", "KeyUri", "Scopes", "TenantId"]);
    }
}
