//! The recordings: exchanges with a real service, one after the other.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// One file.
#[derive(Debug)]
pub(crate) struct Recording {
    /// Path below the folder of fixtures: `keyvault/go-cert-crud.json`.
    pub(crate) file: String,
    pub(crate) exchanges: Vec<Exchange>,
}

/// A request and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// Its number in the original recording, or its place in the file.
    pub(crate) number: u32,
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) body: Value,
    pub(crate) status: u16,
    /// Headers of the answer, names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) answer: Value,
    /// The moments at which it was recorded: more than one where the same poll was repeated.
    pub(crate) dates: Vec<OffsetDateTime>,
}

impl Exchange {
    /// Host of the request.
    pub(crate) fn host(&self) -> &str {
        self.uri.split('/').nth(2).unwrap_or_default()
    }

    /// Path and query, from the first slash after the host.
    pub(crate) fn path_and_query(&self) -> &str {
        let rest = self.uri.split_once("://").map_or(self.uri.as_str(), |(_, rest)| rest);
        rest.find('/').map_or("/", |slash| &rest[slash..])
    }
}

#[derive(Deserialize)]
struct RawFile {
    #[serde(default)]
    exchanges: Vec<RawExchange>,
}

#[derive(Deserialize)]
struct RawExchange {
    i: Option<u32>,
    request: RawRequest,
    response: RawResponse,
    last_repeat_date: Option<String>,
}

#[derive(Deserialize)]
struct RawRequest {
    method: String,
    uri: String,
    #[serde(default)]
    body: Value,
}

#[derive(Deserialize)]
struct RawResponse {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Value,
}

/// Where the recordings are, if they are there.
pub(crate) fn folder() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "a test that runs from another folder has to be told where they are")]
    let told = std::env::var_os("KVOPS_FIXTURES").map(PathBuf::from);
    let folder = told.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"));
    folder.is_dir().then_some(folder)
}

/// All recordings of a subfolder, by name.
pub(crate) fn recordings(folder: &Path, below: &str) -> Vec<Recording> {
    let mut files: Vec<_> = fs::read_dir(folder.join(below)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files.iter().map(|file| read(file, below)).collect()
}

fn read(path: &Path, below: &str) -> Recording {
    let file = format!("{below}/{}", path.file_name().unwrap().to_str().unwrap());
    let raw: RawFile = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let exchanges = raw.exchanges.into_iter().zip(0..).map(|(raw, place)| exchange(raw, place)).collect();
    Recording { file, exchanges }
}

fn exchange(raw: RawExchange, place: u32) -> Exchange {
    let headers: BTreeMap<_, _> =
        raw.response.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    let texts = headers.get("date").into_iter().chain(&raw.last_repeat_date);
    let dates = texts.map(|text| OffsetDateTime::parse(text, &Rfc2822).unwrap()).collect();
    Exchange {
        number: raw.i.unwrap_or(place),
        method: raw.request.method,
        uri: raw.request.uri,
        body: raw.request.body,
        status: raw.response.status,
        headers,
        answer: raw.response.body,
        dates,
    }
}
