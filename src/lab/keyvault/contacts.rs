//! The people whom a vault mails.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::call::{Call, body};
use super::error::{Answer, Refusal};
use crate::lab::exchange::{Reply, Request};

#[derive(Debug, Deserialize)]
struct Body {
    contacts: Vec<Map<String, Value>>,
}

/// GET.
pub(super) fn read(call: &mut Call<'_>) -> Answer {
    let contacts = call.vault.contacts.as_ref().filter(|contacts| !contacts.is_empty());
    let contacts =
        contacts.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "ContactsNotFound", "Contacts not found"))?;
    let id = format!("{}/certificates/contacts", call.base);
    Ok(Reply::json(StatusCode::OK, &json!({"id": id, "contacts": contacts})))
}

/// PUT: replaces all of them.
pub(super) fn set(call: &mut Call<'_>, request: &Request) -> Answer {
    let sent: Body = body(request)?;
    let contacts: Option<Vec<_>> = sent.contacts.iter().map(contact).collect();
    let contacts = contacts.filter(|contacts| !contacts.is_empty());
    call.vault.contacts = Some(contacts.ok_or_else(|| Refusal::invalid_property("contacts", ""))?);
    read(call)
}

/// DELETE: answers with what was there.
pub(super) fn delete(call: &mut Call<'_>) -> Answer {
    let reply = read(call)?;
    call.vault.contacts = Some(Vec::new());
    Ok(reply)
}

/// The members in the service's order. A contact without an address is none.
fn contact(sent: &Map<String, Value>) -> Option<Map<String, Value>> {
    sent.get("email")?.as_str()?;
    let known = ["email", "name", "phone"].into_iter();
    let present = known.filter_map(|name| Some((name.to_owned(), sent.get(name).filter(|v| !v.is_null())?.clone())));
    Some(present.collect())
}
