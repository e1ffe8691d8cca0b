//! The plain members of an object: which can be written, and how a write changes them.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::render::{merged, template};
use crate::lab::directory::Kind;

/// Set by the service alone.
const READ_ONLY: [&str; 11] = [
    "id",
    "deletedDateTime",
    "applicationTemplateId",
    "certification",
    "createdByAppId",
    "createdDateTime",
    "disabledByMicrosoftStatus",
    "publisherDomain",
    "samlMetadataUrl",
    "verifiedPublisher",
    "appOwnerOrganizationId",
];

const AUDIENCES: [&str; 4] =
    ["AzureADMyOrg", "AzureADMultipleOrgs", "AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount"];

/// Writes the plain members of a body into an object's. Complex members are merged, collections
/// replaced. Credentials are none of them: their handlers take them first.
pub(super) fn apply(kind: Kind, members: &mut Map<String, Value>, body: &Map<String, Value>) -> Result<(), Fault> {
    for (name, value) in body {
        if name.contains('@') || matches!(name.as_str(), "keyCredentials" | "passwordCredentials" | "appId") {
            continue;
        }
        let Some(default) = template(kind).get(name) else {
            return Err(Fault::malformed(format!("Invalid property '{name}'.")));
        };
        if READ_ONLY.contains(&name.as_str()) {
            return Err(Fault::bad_request(format!("Property '{name}' is read-only and cannot be set.")));
        }
        if !has_type_of(default, value) {
            return Err(Fault::bad_request(format!(
                "A value of the property '{name}' of resource '{}' has an invalid type.",
                kind.name()
            )));
        }
        check(kind, members, name, value)?;
        let before = members.get(name).unwrap_or(default);
        members.insert(name.clone(), normalised(name, merged(before, value)));
    }
    Ok(())
}

/// What a new object of this body needs besides.
pub(super) fn check_created(kind: Kind, members: &Map<String, Value>) -> Result<(), Fault> {
    let named = members.get("displayName").and_then(Value::as_str).is_some_and(|name| !name.is_empty());
    if kind == Kind::Application && !named {
        return Err(Fault::bad_request("A value is required for property 'displayName' of resource 'Application'."));
    }
    Ok(())
}

/// Defaults that depend on other members: tokens of version 2 for personal accounts.
pub(super) fn fill_in(members: &mut Map<String, Value>) {
    let audience = members.get("signInAudience").and_then(Value::as_str).unwrap_or(AUDIENCES[2]);
    if audience.contains("Personal") {
        let api = members.entry("api").or_insert_with(|| template(Kind::Application)["api"].clone());
        if api["requestedAccessTokenVersion"].is_null() {
            api["requestedAccessTokenVersion"] = json!(2);
        }
    }
}

fn check(kind: Kind, members: &Map<String, Value>, name: &str, value: &Value) -> Result<(), Fault> {
    match name {
        "signInAudience" if kind == Kind::Application => match value.as_str() {
            Some(audience) if AUDIENCES.contains(&audience) => Ok(()),
            _ => Err(Fault::bad_request(
                "Invalid value specified for property 'signInAudience' of resource 'Application'.",
            )),
        },
        "uniqueName" => {
            let is_new =
                members.get("uniqueName").is_none_or(Value::is_null) || members.get("uniqueName") == Some(value);
            if is_new { Ok(()) } else { Err(Fault::bad_request("Property 'uniqueName' is immutable.")) }
        }
        "displayName" if value.as_str().is_none_or(str::is_empty) => Err(Fault::bad_request(format!(
            "Invalid value specified for property 'displayName' of resource '{}'.",
            kind.name()
        ))),
        "displayName" if value.as_str().is_some_and(|name| name.chars().count() > 256) => Err(Fault::new(
            StatusCode::BAD_REQUEST,
            "Request_BadRequest",
            "Value for property 'displayName' is longer than 256 characters.",
        )),
        "appRoles" => check_roles(members.get("appRoles"), value),
        _ => Ok(()),
    }
}

/// A role has to be disabled before it can go.
fn check_roles(before: Option<&Value>, after: &Value) -> Result<(), Fault> {
    let roles = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let after = roles(Some(after));
    let is_lost =
        |role: &Value| role["isEnabled"] == json!(true) && !after.iter().any(|other| other["id"] == role["id"]);
    if roles(before).iter().any(is_lost) {
        return Err(Fault::new(
            StatusCode::BAD_REQUEST,
            "CannotDeleteOrUpdateEnabledEntitlement",
            "Property value cannot be deleted unless it is disabled first.",
        ));
    }
    Ok(())
}

/// Members that the directory completes: reads give more than was written.
fn normalised(name: &str, value: Value) -> Value {
    let each = |value: &mut Value, defaults: &Value| {
        for entry in value.as_array_mut().into_iter().flatten() {
            *entry = merged(defaults, entry);
        }
    };
    let mut value = value;
    match name {
        "appRoles" => each(&mut value, &json!({ "description": null, "origin": "Application", "value": null })),
        "optionalClaims" => {
            let defaults = json!({ "additionalProperties": [], "essential": false, "name": null, "source": null });
            if let Some(tokens) = value.as_object_mut() {
                for token in ["accessToken", "idToken", "saml2Token"] {
                    each(tokens.entry(token).or_insert_with(|| json!([])), &defaults);
                }
            }
        }
        "web" => {
            let uris = value["redirectUris"].as_array().cloned().unwrap_or_default();
            let settings = uris.iter().map(|uri| json!({ "uri": uri, "index": null })).collect();
            value["redirectUriSettings"] = settings;
        }
        "servicePrincipalLockConfiguration" if value.is_object() => {
            value = merged(
                &json!({
                    "isEnabled": false, "allProperties": null, "credentialsWithUsageVerify": null,
                    "credentialsWithUsageSign": null, "identifierUris": null, "tokenEncryptionKeyId": null,
                }),
                &value,
            );
        }
        _ => {}
    }
    value
}

/// Null goes where the default is null or complex; otherwise the JSON types must agree.
fn has_type_of(default: &Value, value: &Value) -> bool {
    matches!(
        (default, value),
        (Value::Null, _)
            | (Value::Object(_), Value::Null | Value::Object(_))
            | (Value::Array(_), Value::Array(_))
            | (Value::Bool(_), Value::Bool(_))
            | (Value::String(_), Value::String(_))
    )
}
