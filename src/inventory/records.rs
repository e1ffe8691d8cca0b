//! Many records in little memory: packed one behind the other, and unpacked one at a time.
//!
//! A tenant can have a million applications. As values each takes one to two kilobytes, most of it
//! pointers, room to grow and GUIDs as text; packed it takes about 250 bytes.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A chunk has so many bytes at most; a record that is longer has one for itself. Allocators keep blocks of
/// one size together, and buffers have powers of two: beside chunks, they would leave holes when they go.
const CHUNK: usize = 40 * 1024;

/// The same of what will not be kept, for the same reason.
const PASSING_CHUNK: usize = 48 * 1024;

/// A list of records, packed.
pub struct Records<T> {
    chunks: Chunks,
    places: Vec<Place>,
    kind: PhantomData<fn() -> T>,
}

/// The bytes of records. What is full takes no more room than it needs, and one buffer is filled at a time.
#[derive(Clone, Debug)]
struct Chunks {
    most: usize,
    full: Vec<Box<[u8]>>,
    /// The next chunk. It is used again and again, for what grows and shrinks leaves holes in memory.
    open: Vec<u8>,
}

/// Where a record is; the open chunk is behind those that are full.
#[derive(Clone, Copy, Debug)]
struct Place {
    chunk: u32,
    start: u32,
}

impl<T: Serialize + DeserializeOwned> Records<T> {
    /// No records.
    pub const fn new() -> Self {
        Self { chunks: Chunks::new(CHUNK), places: Vec::new(), kind: PhantomData }
    }

    /// No records, and those to come will be gone, or changed, before most others.
    pub const fn passing() -> Self {
        Self { chunks: Chunks::new(PASSING_CHUNK), places: Vec::new(), kind: PhantomData }
    }

    /// Adds a record behind the others.
    pub fn push(&mut self, record: &T) {
        let place = self.chunks.pack(record);
        self.places.push(place);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// One of them, by its position.
    pub fn get(&self, index: usize) -> Option<T> {
        self.places.get(index).map(|place| self.chunks.unpack(*place))
    }

    /// Each of them, in order.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { chunks: &self.chunks, places: self.places.iter(), kind: PhantomData }
    }

    /// Changes each of them in turn, and keeps those for which `change` says so. Memory is used again on
    /// the way as far as they are in the order in which they were added.
    pub fn change(&mut self, mut change: impl FnMut(&mut T) -> bool) {
        let places = std::mem::take(&mut self.places);
        let mut old = std::mem::replace(&mut self.chunks, Chunks::new(CHUNK));
        old.close();
        // One more, for records without bytes after the last that has some.
        let mut last = vec![0; old.full.len() + 1];
        for (index, place) in places.iter().enumerate() {
            last[place.chunk as usize] = index;
        }
        for (index, place) in places.into_iter().enumerate() {
            let mut record: T = old.unpack(place);
            if change(&mut record) {
                self.push(&record);
            }
            if last[place.chunk as usize] == index
                && let Some(chunk) = old.full.get_mut(place.chunk as usize)
            {
                *chunk = Box::default();
            }
        }
        self.places.shrink_to_fit();
    }

    /// Keeps those that fulfil a condition.
    pub fn retain(&mut self, is_kept: impl Fn(&T) -> bool) {
        self.change(|record| is_kept(record));
    }

    /// Leaves those at some positions, in the order of these. Memory of the others is free after the next
    /// [`Records::change`].
    pub fn pick(&mut self, positions: impl IntoIterator<Item = usize>) {
        self.places = positions.into_iter().filter_map(|position| self.places.get(position).copied()).collect();
    }

    /// Adds those of another list behind these, without unpacking them.
    pub fn append(&mut self, mut other: Self) {
        self.chunks.close();
        other.chunks.close();
        let base = self.chunks.full.len() as u32;
        self.chunks.full.append(&mut other.chunks.full);
        self.places.extend(other.places.iter().map(|place| Place { chunk: place.chunk + base, ..*place }));
    }

    /// Gives back the room for more.
    pub fn shrink_to_fit(&mut self) {
        self.chunks.close();
        self.chunks.full.shrink_to_fit();
        self.places.shrink_to_fit();
    }
}

impl Chunks {
    const fn new(most: usize) -> Self {
        Self { most, full: Vec::new(), open: Vec::new() }
    }

    fn pack<T: Serialize>(&mut self, record: &T) -> Place {
        let start = self.open.len();
        let bytes = std::mem::take(&mut self.open);
        #[expect(clippy::expect_used, reason = "fails only for lists without a length, and records have none")]
        let bytes = postcard::to_extend(record, bytes).expect("records can be packed");
        self.open = bytes;
        if start == 0 || self.open.len() <= self.most {
            return Place { chunk: self.full.len() as u32, start: start as u32 };
        }
        self.full.push(self.open[..start].into());
        self.open.drain(..start);
        Place { chunk: self.full.len() as u32, start: 0 }
    }

    fn unpack<T: DeserializeOwned>(&self, place: Place) -> T {
        let chunk = self.full.get(place.chunk as usize).map_or(&*self.open, |full| full);
        let bytes = &chunk[place.start as usize..];
        #[expect(clippy::expect_used, reason = "the same type has written these bytes, and nothing else touches them")]
        let (record, _) = postcard::take_from_bytes(bytes).expect("what was packed can be unpacked");
        record
    }

    /// Takes what is open for full.
    fn close(&mut self) {
        let open = std::mem::take(&mut self.open);
        if !open.is_empty() {
            self.full.push(open.as_slice().into());
        }
    }
}

/// Unpacks one record after the other.
#[derive(Debug)]
pub struct Iter<'r, T> {
    chunks: &'r Chunks,
    places: std::slice::Iter<'r, Place>,
    kind: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.places.next().map(|place| self.chunks.unpack(*place))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.places.size_hint()
    }
}

impl<T: DeserializeOwned> ExactSizeIterator for Iter<'_, T> {}

impl<'r, T: Serialize + DeserializeOwned> IntoIterator for &'r Records<T> {
    type Item = T;
    type IntoIter = Iter<'r, T>;

    fn into_iter(self) -> Iter<'r, T> {
        self.iter()
    }
}

impl<T: Serialize + DeserializeOwned> Default for Records<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Records<T> {
    fn clone(&self) -> Self {
        Self { chunks: self.chunks.clone(), places: self.places.clone(), kind: PhantomData }
    }
}

impl<T: Serialize + DeserializeOwned + fmt::Debug> fmt::Debug for Records<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T: Serialize + DeserializeOwned + PartialEq> PartialEq for Records<T> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().zip(other.iter()).all(|(one, other)| one == other)
    }
}

impl<T: Serialize + DeserializeOwned + Eq> Eq for Records<T> {}

impl<T: Serialize + DeserializeOwned> Extend<T> for Records<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, records: I) {
        records.into_iter().for_each(|record| self.push(&record));
    }
}

impl<T: Serialize + DeserializeOwned> FromIterator<T> for Records<T> {
    fn from_iter<I: IntoIterator<Item = T>>(records: I) -> Self {
        let mut packed = Self::new();
        packed.extend(records);
        packed.shrink_to_fit();
        packed
    }
}

impl<T: Serialize + DeserializeOwned> From<Vec<T>> for Records<T> {
    fn from(records: Vec<T>) -> Self {
        records.into_iter().collect()
    }
}

impl<T: Serialize + DeserializeOwned> Serialize for Records<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, T: Serialize + DeserializeOwned> Deserialize<'de> for Records<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(List(PhantomData))
    }
}

struct List<T>(PhantomData<fn() -> T>);

impl<'de, T: Serialize + DeserializeOwned> Visitor<'de> for List<T> {
    type Value = Records<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Records<T>, A::Error> {
        let mut records = Records::new();
        while let Some(record) = list.next_element()? {
            records.push(&record);
        }
        records.shrink_to_fit();
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::inventory::{Application, Certificate, ServicePrincipal};

    /// Reads a record as it came in a file, packs it, and writes it as text again.
    fn there_and_back<T: Serialize + DeserializeOwned>(record: &serde_json::Value) -> serde_json::Value {
        let record: T = serde_json::from_value(record.clone()).unwrap();
        let records: Records<T> = [record].into_iter().collect();
        serde_json::to_value(&records).unwrap()[0].clone()
    }

    fn as_read<T: Serialize + DeserializeOwned>(record: &serde_json::Value) -> serde_json::Value {
        serde_json::to_value(serde_json::from_value::<T>(record.clone()).unwrap()).unwrap()
    }

    const ID: &str = "7b0b8a3e-7d2e-4c3f-9d4b-1c9d7d3e2f10";

    fn x509(digest: &str, moment: &str) -> serde_json::Value {
        json!({
            "sha1": digest, "sha256": "0".repeat(64), "spki": "Ab".repeat(32), "subject": "CN=\u{1b}[31mx", "issuer": "",
            "self_signed": true, "not_before": moment, "not_after": moment, "alg": "RSA", "bits": 3072, "exponent": 65537,
            "sig": "sha256WithRSAEncryption", "ku": ["digitalSignature"], "eku": [], "ca": false,
        })
    }

    proptest! {
        #[test]
        fn an_application_comes_back_as_it_was(
            name in ".{0,20}",
            label in proptest::option::of("([0-9A-F]{40}|[0-9a-f]{40}|[0-9A-Fa-f]{0,9}|.{0,9})"),
            digest in "([0-9A-F]{40}|[0-9a-f]{4}|key|)",
            second in 0_i64..4_000_000_000,
            nanosecond in prop_oneof![Just(0), 0_i64..1_000_000_000],
        ) {
            let moment = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(second) * 1_000_000_000 + i128::from(nanosecond));
            let moment = moment.unwrap().format(&time::format_description::well_known::Rfc3339).unwrap();
            let key = json!({ "keyId": ID, "type": "AsymmetricX509Cert", "usage": "Verify", "label": label, "end": moment, "x": x509(&digest, &moment), "lastUsed": null });
            let unread = json!({ "keyId": ID, "x": { "unread": "throttled" }, "lastUsed": moment });
            let app = json!({
                "id": ID, "appId": ID, "displayName": name, "createdAt": moment, "tags": [name, ""], "lock": null,
                "required": [{ "resource": ID, "id": ID, "kind": "Role" }], "keys": [key, unread],
                "owners": [{ "id": ID, "kind": "user", "userType": "Guest" }], "federated": { "unread": "rbac" },
            });
            prop_assert_eq!(there_and_back::<Application>(&app), as_read::<Application>(&app));
        }
    }

    #[test]
    fn the_other_records_come_back_as_they_were() {
        let moment = "2026-11-22T08:00:00.123Z";
        let principal = json!({
            "id": ID, "appId": ID, "type": "ManagedIdentity", "ownerTenant": ID, "lastSignIn": null, "lastUserSignIn": moment,
            "appRoles": [{ "resource": ID, "role": ID }],
            "delegated": [{ "resource": ID, "scopes": ["User.Read"], "isForAll": true }], "owners": [],
        });
        assert_eq!(there_and_back::<ServicePrincipal>(&principal), as_read::<ServicePrincipal>(&principal));
        let version = json!({
            "version": "0123456789abcdef0123456789abcdef", "x5t": "AB".repeat(20), "enabled": true, "created": moment,
            "tags": { "kvops-app": ID }, "x": x509(&"AB".repeat(20), moment), "key": { "kty": "RSA-HSM", "expires": moment },
        });
        let certificate = json!({
            "name": "billing", "policy": { "issuer": "Self", "keyUsage": ["digitalSignature"], "updated": moment },
            "versions": [version, { "version": "f".repeat(32) }],
        });
        assert_eq!(there_and_back::<Certificate>(&certificate), as_read::<Certificate>(&certificate));
    }

    #[test]
    fn records_are_sorted_replaced_changed_and_joined() {
        let mut records: Records<(u64, String)> = (0..10_000).map(|n| (n * 7 % 10_000, format!("{n:030}"))).collect();
        assert!(records.chunks.full.len() > 4);
        let mut order: Vec<usize> = (0..10_000).collect();
        order.sort_by_key(|position| records.get(*position).map(|(key, _)| key));
        records.pick(order);
        assert!(records.iter().map(|(key, _)| key).eq(0..10_000));
        records.change(|(key, text)| {
            if *key == 3 {
                "three".clone_into(text);
            }
            *key += 1;
            *key % 2 == 0
        });
        assert_eq!((records.len(), records.get(1)), (5_000, Some((4, "three".to_owned()))));
        let mut some = records.clone();
        some.pick([2, 0, 5_000]);
        assert_eq!((some.len(), some.get(0), some.get(1)), (2, records.get(2), records.get(0)));
        let mut more: Records<_> = vec![(0, String::new())].into();
        more.append(records.clone());
        assert_eq!((more.len(), more.get(2), more.get(5_001)), (5_001, records.get(1), None));
        assert!(more != records && Records::<u8>::default().is_empty());
    }

    #[test]
    fn a_record_takes_a_few_hundred_bytes() {
        let moment = "2026-11-22T08:00:00Z";
        let digest = "AB".repeat(20);
        let key = json!({ "keyId": ID, "type": "AsymmetricX509Cert", "usage": "Verify", "label": digest, "start": moment, "end": moment, "x": x509(&digest, moment) });
        let app = json!({
            "id": ID, "appId": ID, "displayName": "billing-api", "createdAt": moment, "signInAudience": "AzureADMyOrg",
            "lock": null, "keys": [key], "federated": [], "owners": [{ "id": ID, "kind": "user", "userType": "Member" }],
        });
        let records: Records<Application> = [serde_json::from_value(app).unwrap()].into_iter().collect();
        let bytes = records.chunks.full[0].len();
        assert!(bytes < 420, "{bytes} bytes");
    }
}
