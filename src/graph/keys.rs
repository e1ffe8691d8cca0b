//! The certificates of an application: reading them with their bytes, replacing the list, adding or
//! removing one by proof of possession; and taking its secrets away.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::client::Client;
use super::error::{Error, failed, proof_failed};
use super::listing::Class;
use super::wire::{KeyCredentials, PasswordCredentials};
use crate::domain::{CredentialId, KeyCredential, ObjectId, PasswordCredential};
use crate::http::{Method, Operation, Service};
use crate::pki::PossessionProof;

const READ: Operation =
    Operation::safe(Service::Graph, "reading the application's certificates", "Application.Read.All");
const READ_OF_PRINCIPAL: Operation =
    Operation::safe(Service::Graph, "reading the service principal's certificates", "Application.Read.All");
const REPLACE: Operation = Operation::never_repeated(
    Service::Graph,
    "writing the application's certificates",
    "Application.ReadWrite.OwnedBy",
);
const REPLACE_OF_PRINCIPAL: Operation = Operation::never_repeated(
    Service::Graph,
    "writing the service principal's certificates",
    "Application.ReadWrite.OwnedBy",
);
const ADD: Operation = Operation::once(
    Service::Graph,
    "adding a certificate by proof of possession",
    "Application.ReadWrite.OwnedBy, or none with a token of the application itself",
);
const REMOVE: Operation = Operation::once(
    Service::Graph,
    "removing a certificate by proof of possession",
    "Application.ReadWrite.OwnedBy, or none with a token of the application itself",
);

const READ_SECRETS: Operation =
    Operation::safe(Service::Graph, "reading which secrets there are", "Application.Read.All");
const REMOVE_SECRET: Operation = Operation::once(Service::Graph, "removing a secret", "Application.ReadWrite.OwnedBy");

/// An object with credentials: an application, or its service principal with credentials of its own.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Holder {
    /// Which of the two it is.
    pub class: Class,
    /// Its object id.
    pub id: ObjectId,
}

impl Holder {
    /// A service principal.
    pub const fn service_principal(id: ObjectId) -> Self {
        Self { class: Class::ServicePrincipals, id }
    }

    pub(super) fn path(self) -> String {
        format!("{}/{}", self.class.path(), self.id)
    }

    fn of_class(self, application: &'static Operation, principal: &'static Operation) -> &'static Operation {
        match self.class {
            Class::Applications => application,
            Class::ServicePrincipals => principal,
        }
    }
}

impl From<ObjectId> for Holder {
    /// An object id on its own is an application's.
    fn from(id: ObjectId) -> Self {
        Self { class: Class::Applications, id }
    }
}

/// A certificate that is to be attached.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The certificate.
    pub der: Vec<u8>,
    /// Our id for the entry; the service makes one if there is none.
    pub key_id: Option<CredentialId>,
    /// What lists show; without it the certificate's subject.
    pub display_name: Option<String>,
    /// Not before the certificate's own.
    pub start: Option<OffsetDateTime>,
    /// Not after the certificate's own.
    pub end: Option<OffsetDateTime>,
}

impl Client {
    /// The certificates with their bytes, which only this form of reading gives. The directory
    /// allows 150 such reads a minute.
    pub async fn key_credentials(&self, of: impl Into<Holder>) -> Result<Vec<KeyCredential>, Error> {
        let holder = of.into();
        let url = self.url(&holder.path(), &[("$select", "id,keyCredentials")]);
        let read: KeyCredentials = self.get(holder.of_class(&READ, &READ_OF_PRINCIPAL), url).await?;
        Ok(read.key_credentials)
    }

    /// Writes the whole list: what is in neither `keep` nor `add` is gone afterwards. Sent once and
    /// never again: after a collision or a lost answer the list has to be read first.
    pub async fn replace_key_credentials(
        &self,
        of: impl Into<Holder>,
        keep: &[KeyCredential],
        add: &[NewKey],
    ) -> Result<(), Error> {
        let holder = of.into();
        let entries: Vec<Value> = keep.iter().map(kept).chain(add.iter().map(NewKey::entry)).collect();
        let operation = holder.of_class(&REPLACE, &REPLACE_OF_PRINCIPAL);
        let url = self.url(&holder.path(), &[]);
        self.write(operation, Method::PATCH, url, &json!({ "keyCredentials": entries })).await.map(drop)
    }

    /// Adds one certificate on the proof that somebody holds another that is attached already.
    pub async fn add_key(&self, id: ObjectId, der: &[u8], proof: &PossessionProof) -> Result<KeyCredential, Error> {
        let body = json!({
            "keyCredential": { "type": "AsymmetricX509Cert", "usage": "Verify", "key": STANDARD.encode(der) },
            "passwordCredential": null,
            "proof": proof.compact().text().expose(),
        });
        let url = self.url(&format!("applications/{id}/addKey"), &[]);
        let response = self.write(&ADD, Method::POST, url, &body).await.map_err(proof_failed)?;
        response.json().map_err(|source| failed(&ADD, source))
    }

    /// Removes one certificate on the proof that somebody holds one that is attached. A success is
    /// no fact before the list has been read again.
    pub async fn remove_key(&self, id: ObjectId, key_id: CredentialId, proof: &PossessionProof) -> Result<(), Error> {
        let body = json!({ "keyId": key_id, "proof": proof.compact().text().expose() });
        let url = self.url(&format!("applications/{id}/removeKey"), &[]);
        self.write(&REMOVE, Method::POST, url, &body).await.map_err(proof_failed).map(drop)
    }

    /// The secrets, without their text.
    pub async fn password_credentials(&self, of: impl Into<Holder>) -> Result<Vec<PasswordCredential>, Error> {
        let url = self.url(&of.into().path(), &[("$select", "id,passwordCredentials")]);
        let read: PasswordCredentials = self.get(&READ_SECRETS, url).await?;
        Ok(read.password_credentials)
    }

    /// Removes one secret. A success is no fact before the list has been read again.
    pub async fn remove_password(&self, of: impl Into<Holder>, key_id: CredentialId) -> Result<(), Error> {
        let url = self.url(&format!("{}/removePassword", of.into().path()), &[]);
        self.write(&REMOVE_SECRET, Method::POST, url, &json!({ "keyId": key_id })).await.map(drop)
    }
}

impl NewKey {
    fn entry(&self) -> Value {
        let time = |moment: Option<OffsetDateTime>| moment.and_then(|moment| moment.format(&Rfc3339).ok());
        without_nulls(json!({
            "keyId": self.key_id,
            "type": "AsymmetricX509Cert",
            "usage": "Verify",
            "key": STANDARD.encode(&self.der),
            "displayName": self.display_name,
            "startDateTime": time(self.start),
            "endDateTime": time(self.end),
        }))
    }
}

/// An entry as it was read, without its bytes: the service knows them by the `keyId`, and takes
/// bytes that come with a known one for an attempt to change the entry.
fn kept(credential: &KeyCredential) -> Value {
    let without_bytes = KeyCredential { key: None, ..credential.clone() };
    // The type has string keys and finite numbers only, so this cannot fail.
    without_nulls(serde_json::to_value(without_bytes).unwrap_or_default())
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            members.into_iter().filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>().into()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn an_entry_is_sent_back_as_it_was_read_but_without_its_bytes() {
        let read = json!({
            "customKeyIdentifier": "9F4E0A8AA0D4C4F5B1D4D33B5C2F6B9A4C8E7D10",
            "displayName": "CN=KeyVault Generated",
            "endDateTime": "2027-05-15T12:08:05Z",
            "key": "MIIC",
            "keyId": "88888888-8888-8888-8888-888888888888",
            "startDateTime": "2026-05-15T12:08:05.1234567Z",
            "type": "AsymmetricX509Cert",
            "usage": "Verify",
            "aMemberOfTomorrow": {"a": [1, null]},
        });
        let credential: KeyCredential = serde_json::from_value(read.clone()).unwrap();
        let mut expected = read;
        expected.as_object_mut().unwrap().remove("key");
        assert_eq!(kept(&credential), expected);
    }

    #[test]
    fn a_new_entry_leaves_to_the_service_what_it_fills_in() {
        let new = NewKey { der: vec![1, 2, 3], key_id: None, display_name: None, start: None, end: None };
        assert_eq!(new.entry(), json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "key": "AQID" }));
        let dated = NewKey { end: Some(datetime!(2027-01-01 00:00 UTC)), ..new };
        assert_eq!(dated.entry()["endDateTime"], "2027-01-01T00:00:00Z");
    }
}
