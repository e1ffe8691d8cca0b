//! Directory objects as Graph shows them.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use uuid::Uuid;

use crate::lab::directory::{
    Application, FederatedCredential, KeyCredential, Kind, Object, PasswordCredential, ServicePrincipal, User, View,
};
use crate::lab::world::World;

/// The content type of everything but errors and counts.
pub(super) const CONTENT_TYPE: &str =
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";

/// A new application, member by member in the order of the recordings.
static APPLICATION: LazyLock<Map<String, Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("application.json")).unwrap_or_default());

/// A new service principal.
static SERVICE_PRINCIPAL: LazyLock<Map<String, Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("service_principal.json")).unwrap_or_default());

/// The members of a kind with the values of a new object.
pub(super) fn template(kind: Kind) -> &'static Map<String, Value> {
    match kind {
        Kind::Application => &APPLICATION,
        Kind::ServicePrincipal => &SERVICE_PRINCIPAL,
    }
}

/// What the members of an object depend on apart from the object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) tenant: Uuid,
    /// The tenant's initial domain, as `publisherDomain`.
    pub(super) domain: &'static str,
    /// Show the bytes of certificates.
    pub(super) keys: bool,
    /// Creation time with seven decimals, as only the answer to a POST has it.
    pub(super) precise: bool,
}

impl Style {
    /// What every read shows.
    pub(super) fn plain(world: &World) -> Self {
        Self { tenant: world.tenant, domain: world.domains()[0], keys: false, precise: false }
    }
}

/// An object with all its members.
pub(super) fn entity<T: Object>(object: &T, style: Style) -> Map<String, Value> {
    let own = object.members();
    let render = |(name, default): (&String, &Value)| {
        let value = match name.as_str() {
            "id" => json!(object.id()),
            "appId" => json!(object.app_id()),
            "keyCredentials" => object.credentials().keys.iter().map(|key| key_credential(key, style.keys)).collect(),
            "passwordCredentials" => {
                object.credentials().passwords.iter().map(|password| password_credential(T::KIND, password)).collect()
            }
            // Members set by hand, as those of Microsoft's own objects, come before derived ones.
            _ if own.contains_key(name) => merged(default, &own[name]),
            "createdDateTime" if style.precise => json!(precise(object.created_at())),
            "createdDateTime" => json!(seconds(object.created_at())),
            "publisherDomain" => json!(style.domain),
            "appOwnerOrganizationId" => json!(style.tenant),
            "servicePrincipalNames" => json!([object.app_id()]),
            _ => default.clone(),
        };
        (name.clone(), value)
    };
    template(T::KIND).iter().map(render).collect()
}

/// An object in the list of another's owners or of deleted items, with its type.
pub(super) fn typed<T: Object>(object: &T, style: Style) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("@odata.type".to_owned(), json!(format!("#microsoft.graph.{}", T::KIND.type_name())));
    members.extend(entity(object, style));
    members
}

/// A person.
pub(super) fn user(user: &User) -> Map<String, Value> {
    object(json!({
        "businessPhones": [], "displayName": user.display_name, "givenName": null, "jobTitle": null, "mail": null,
        "mobilePhone": null, "officeLocation": null, "preferredLanguage": null, "surname": null,
        "userPrincipalName": user.user_principal_name, "id": user.id,
    }))
}

/// Any directory object by its id, with its type.
pub(super) fn directory_object(world: &World, id: Uuid) -> Option<Map<String, Value>> {
    let style = Style::plain(world);
    if let Some(person) = world.directory.users.get(&id) {
        let mut members = object(json!({ "@odata.type": "#microsoft.graph.user" }));
        members.extend(user(person));
        return Some(members);
    }
    if let Some(principal) = world.directory.find::<ServicePrincipal>(id, View::Current) {
        return Some(typed(principal.as_ref(), style));
    }
    world.directory.find::<Application>(id, View::Current).map(|application| typed(application.as_ref(), style))
}

/// One of `keyCredentials`.
pub(super) fn key_credential(key: &KeyCredential, with_key: bool) -> Value {
    json!({
        "customKeyIdentifier": key.custom_key_identifier,
        "displayName": key.display_name,
        "endDateTime": seconds(key.end),
        "key": (with_key && !key.key.is_empty()).then(|| STANDARD.encode(&key.key)),
        "keyId": key.key_id,
        "startDateTime": seconds(key.start),
        "type": key.kind,
        "usage": key.usage,
    })
}

/// One of `passwordCredentials`, without its secret. Those of service principals give no hint of it.
pub(super) fn password_credential(kind: Kind, password: &PasswordCredential) -> Value {
    let hint: String = password.secret_text.chars().take(3).collect();
    json!({
        "customKeyIdentifier": null,
        "displayName": password.display_name,
        "endDateTime": seconds(password.end),
        "hint": (kind == Kind::Application).then_some(hint),
        "keyId": password.key_id,
        "secretText": null,
        "startDateTime": seconds(password.start),
    })
}

/// One of `federatedIdentityCredentials`.
pub(super) fn federated_credential(credential: &FederatedCredential) -> Value {
    json!({
        "id": credential.id,
        "name": credential.name,
        "issuer": credential.issuer,
        "subject": credential.subject,
        "description": credential.description,
        "audiences": credential.audiences,
    })
}

/// `2022-05-07T06:56:29Z`.
pub(super) fn seconds(moment: OffsetDateTime) -> String {
    const FORMAT: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    format(moment, FORMAT)
}

/// `2022-05-07T06:56:29.0887208Z`, without zeros at the end.
pub(super) fn precise(moment: OffsetDateTime) -> String {
    let fraction = format!("{:07}", moment.nanosecond() / 100);
    match fraction.trim_end_matches('0') {
        "" => seconds(moment),
        fraction => format!("{}.{fraction}Z", zoneless(moment)),
    }
}

/// `2022-05-07T06:56:29`, as in `innerError`.
pub(super) fn zoneless(moment: OffsetDateTime) -> String {
    const FORMAT: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
    format(moment, FORMAT)
}

fn format(moment: OffsetDateTime, format: &[BorrowedFormatItem<'_>]) -> String {
    // The components are those of any date-time; only a year of five digits could fail.
    moment.to_utc().format(format).unwrap_or_default()
}

/// Defaults below, own values above, complex members one level into another.
pub(super) fn merged(default: &Value, own: &Value) -> Value {
    match (default, own) {
        (Value::Object(default), Value::Object(own)) => {
            let mut result = default.clone();
            for (name, value) in own {
                let value = merged(result.get(name).unwrap_or(&Value::Null), value);
                result.insert(name.clone(), value);
            }
            Value::Object(result)
        }
        _ => own.clone(),
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_templates_are_json_objects_with_the_typed_members() {
        for kind in [Kind::Application, Kind::ServicePrincipal] {
            for name in ["id", "appId", "displayName", "createdDateTime", "keyCredentials", "passwordCredentials"] {
                assert!(template(kind).contains_key(name), "{kind:?} {name}");
            }
        }
    }
}
