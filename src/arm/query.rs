//! Queries of Resource Graph, whose pages are asked for in the body.

use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::client::Client;
use super::error::{Error, failed};
use crate::http::{Operation, Request};

/// So many rows come at once.
const PAGE: u32 = 1000;

/// More pages than this is an answer without end.
const MOST_PAGES: usize = 10_000;

/// The rows of a query, page by page.
#[derive(Debug)]
pub struct Rows<'a, T> {
    client: &'a Client,
    operation: Operation,
    query: &'static str,
    /// Whether what is assigned above a subscription shows as well.
    is_from_above: bool,
    next: Next,
    read: usize,
    row: PhantomData<fn() -> T>,
}

#[derive(Debug)]
enum Next {
    First,
    Token(String),
    Done,
}

#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Answer<T> {
    data: Vec<T>,
    #[serde(rename = "$skipToken", default)]
    skip_token: Option<String>,
    #[serde(rename = "resultTruncated", default)]
    truncated: Option<Flag>,
}

/// Documented as text, and sometimes no text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Flag {
    Text(String),
    Truth(bool),
}

impl Flag {
    fn is_set(&self) -> bool {
        match self {
            Self::Text(text) => text.eq_ignore_ascii_case("true"),
            Self::Truth(truth) => *truth,
        }
    }
}

impl Client {
    /// A query over everything that the identity can see.
    pub(super) fn query<T>(&self, operation: &Operation, query: &'static str) -> Rows<'_, T> {
        Rows {
            client: self,
            operation: *operation,
            query,
            is_from_above: false,
            next: Next::First,
            read: 0,
            row: PhantomData,
        }
    }
}

impl<T: DeserializeOwned> Rows<'_, T> {
    /// The same query with what management groups pass down.
    pub(super) fn seen_from_above(self) -> Self {
        Self { is_from_above: true, ..self }
    }

    /// The next rows, or `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Vec<T>>, Error> {
        let mut options = json!({ "resultFormat": "objectArray", "$top": PAGE });
        if self.is_from_above {
            options["authorizationScopeFilter"] = "AtScopeAboveAndBelow".into();
        }
        match std::mem::replace(&mut self.next, Next::Done) {
            Next::Done => return Ok(None),
            Next::First => {}
            Next::Token(token) => options["$skipToken"] = token.into(),
        }
        let url = self.client.url("providers/Microsoft.ResourceGraph/resources", "2022-10-01");
        let request = Request::post(url).json(&json!({ "query": self.query, "options": options }));
        let response = self.client.send(&self.operation, request).await?;
        let answer: Answer<T> = response.json().map_err(|source| failed(&self.operation, source))?;
        self.read += 1;
        match answer.skip_token.filter(|token| !token.is_empty()) {
            Some(token) if self.read < MOST_PAGES => self.next = Next::Token(token),
            Some(_) => return Err(Error::CutShort { operation: self.operation.name }),
            None if answer.truncated.is_some_and(|flag| flag.is_set()) => {
                return Err(Error::CutShort { operation: self.operation.name });
            }
            None => {}
        }
        Ok(Some(answer.data))
    }

    /// All rows.
    pub async fn all(mut self) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        while let Some(rows) = self.next().await? {
            all.extend(rows);
        }
        Ok(all)
    }
}
