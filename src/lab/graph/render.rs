//! Directory objects as Graph shows them.

use std::borrow::Cow;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use uuid::Uuid;

use super::filter::Expr;
use crate::lab::directory::{
    Application, FederatedCredential, Group, KeyCredential, Kind, Object, PasswordCredential, ServicePrincipal, User,
    View,
};
use crate::lab::world::World;

/// The relation of applications that filters can count.
pub(super) const FEDERATED: &str = "federatedIdentityCredentials";

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
    let render =
        |(name, default): (&String, &'static Value)| (name.clone(), member(object, style, name, default).into_owned());
    template(T::KIND).iter().map(render).collect()
}

/// The members that a filter looks at, with the one relation that it can count.
pub(super) fn filterable<T: Object>(object: &T, style: Style, filter: &Expr) -> Value {
    let looked_at = template(T::KIND).iter().filter(|(name, _)| filter.looks_at(name));
    let render =
        |(name, default): (&String, &'static Value)| (name.clone(), member(object, style, name, default).into_owned());
    let mut members: Map<String, Value> = looked_at.map(render).collect();
    if filter.looks_at(FEDERATED) {
        let federated = object.federated().iter().map(federated_credential).collect();
        members.insert(FEDERATED.to_owned(), federated);
    }
    Value::Object(members)
}

/// One member of an object. Most are as in every new object, and borrowed: a page has a thousand
/// objects with forty members each.
pub(super) fn member<'a, T: Object>(object: &'a T, style: Style, name: &str, default: &'a Value) -> Cow<'a, Value> {
    let value = match name {
        "id" => json!(object.id()),
        "appId" => json!(object.app_id()),
        "keyCredentials" if object.credentials().keys.is_empty() => return Cow::Borrowed(default),
        "keyCredentials" => object.credentials().keys.iter().map(|key| key_credential(key, style.keys)).collect(),
        "passwordCredentials" if object.credentials().passwords.is_empty() => return Cow::Borrowed(default),
        "passwordCredentials" => {
            object.credentials().passwords.iter().map(|password| password_credential(T::KIND, password)).collect()
        }
        // Members set by hand, as those of Microsoft's own objects, come before derived ones.
        _ => match (object.members().get(name), name) {
            (Some(own @ Value::Object(_)), _) => merged(default, own),
            (Some(own), _) => return Cow::Borrowed(own),
            (None, "createdDateTime") if style.precise => json!(precise(object.created_at())),
            (None, "createdDateTime") => json!(seconds(object.created_at())),
            (None, "publisherDomain") => json!(style.domain),
            (None, "appOwnerOrganizationId") => json!(style.tenant),
            (None, "servicePrincipalNames") => json!([object.app_id()]),
            (None, _) => return Cow::Borrowed(default),
        },
    };
    Cow::Owned(value)
}

/// An object of a page, written member by member.
pub(super) struct Row<'a, T> {
    pub(super) object: &'a T,
    pub(super) style: Style,
    /// Names that the kind has; all of them without a selection.
    pub(super) select: Option<&'a [String]>,
    /// The relation that was expanded, by its name.
    pub(super) related: Option<(&'static str, Value)>,
}

impl<T: Object> Serialize for Row<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let template = template(T::KIND);
        let mut members = serializer.serialize_map(None)?;
        let mut write = |name: &str, default: &'static Value| {
            members.serialize_entry(name, &member(self.object, self.style, name, default))
        };
        match self.select {
            None => template.iter().try_for_each(|(name, default)| write(name, default))?,
            Some(names) => {
                let first = names.iter().enumerate().filter(|(at, name)| !names[..*at].contains(name));
                let known = first.filter_map(|(_, name)| Some((name, template.get(name)?)));
                known.into_iter().try_for_each(|(name, default)| write(name, default))?;
            }
        }
        if let Some((name, related)) = &self.related {
            members.serialize_entry(name, related)?;
        }
        members.end()
    }
}

/// An object in the list of another's owners or of deleted items, with its type.
pub(super) fn typed<T: Object>(object: &T, style: Style) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("@odata.type".to_owned(), json!(format!("#microsoft.graph.{}", T::KIND.type_name())));
    members.extend(entity(object, style));
    members
}

/// Which members of people a reader gets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum People {
    /// Those that are shown when nothing is selected.
    Usual,
    /// Those that can be selected, too.
    All,
    /// The id, and null for everything else: the reader may not read people.
    Hidden,
}

/// A person.
pub(super) fn user(user: &User, people: People) -> Map<String, Value> {
    let mut members = object(json!({
        "businessPhones": [], "displayName": user.display_name, "givenName": null, "jobTitle": null, "mail": null,
        "mobilePhone": null, "officeLocation": null, "preferredLanguage": null, "surname": null,
        "userPrincipalName": user.user_principal_name,
    }));
    if people != People::Usual {
        members.insert("accountEnabled".to_owned(), json!(!user.is_disabled));
        members.insert("userType".to_owned(), json!(if user.is_guest { "Guest" } else { "Member" }));
    }
    if people == People::Hidden {
        members.values_mut().for_each(|value| *value = Value::Null);
    }
    members.insert("id".to_owned(), json!(user.id));
    members
}

/// A group.
pub(super) fn group(group: &Group) -> Map<String, Value> {
    object(json!({
        "id": group.id, "deletedDateTime": null, "createdDateTime": null, "description": null,
        "displayName": group.display_name, "groupTypes": [], "mail": null, "mailEnabled": false,
        "mailNickname": group.display_name, "securityEnabled": true, "isAssignableToRole": null, "visibility": null,
    }))
}

/// Any directory object by its id, with its type.
pub(super) fn directory_object(world: &World, id: Uuid, people: People) -> Option<Map<String, Value>> {
    let style = Style::plain(world);
    let with_type = |name: &str, own: Map<String, Value>| {
        let mut members = object(json!({ "@odata.type": format!("#microsoft.graph.{name}") }));
        members.extend(own);
        Some(members)
    };
    if let Some(person) = world.directory.users.get(&id) {
        return with_type("user", user(person, people));
    }
    if let Some(found) = world.directory.groups.get(&id) {
        return with_type("group", group(found));
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
