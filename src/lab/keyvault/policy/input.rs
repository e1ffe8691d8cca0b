//! Policies as clients send them.

use serde::Deserialize;
use serde_json::Value;

use super::{BasicConstraints, LifetimeAction, Sans};

/// A policy as clients send it. `null` counts as absent, and members of other versions are ignored.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PolicyInput {
    pub(super) key_props: Option<KeyPropsInput>,
    pub(super) secret_props: Option<SecretPropsInput>,
    pub(super) x509_props: Option<X509Input>,
    pub(super) lifetime_actions: Option<Vec<LifetimeAction>>,
    pub(super) issuer: Option<IssuerInput>,
    pub(super) attributes: Option<AttributesInput>,
    #[serde(rename = "platformManaged")]
    pub(super) platform_managed: Option<Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct KeyPropsInput {
    pub(super) exportable: Option<bool>,
    pub(super) kty: Option<String>,
    pub(super) key_size: Option<u32>,
    pub(super) reuse_key: Option<bool>,
    pub(super) crv: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SecretPropsInput {
    #[serde(rename = "contentType")]
    pub(super) content_type: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct X509Input {
    pub(super) subject: Option<String>,
    pub(super) sans: Option<Sans>,
    pub(super) ekus: Option<Vec<String>>,
    pub(super) key_usage: Option<Vec<String>>,
    pub(super) validity_months: Option<u32>,
    pub(super) basic_constraints: Option<BasicConstraints>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct IssuerInput {
    pub(super) name: Option<String>,
    pub(super) cty: Option<String>,
    pub(super) cert_transparency: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AttributesInput {
    pub(super) enabled: Option<bool>,
}
